//! Who gets in, and to what. Default deny: everything below `/api/` needs credentials, and every route there names the
//! permission that it needs.

use std::net::IpAddr;

use application::authentication::{AuthenticationService, Rejection};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use domain::access::{Actor, Permission, Principal};
use url::{Host, Url};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::context::source_address;
use crate::openapi;
use crate::problem::{Problem, ProblemCode};
use crate::state::{ApiState, Authentication};

/// What a caller without a bearer token is told (RFC 6750 §3).
const CHALLENGE: &str = "Bearer realm=\"connectors\"";

/// What the bearer of a token that is not valid is told.
const INVALID_TOKEN: &str = "Bearer realm=\"connectors\", error=\"invalid_token\"";

/// Middleware: finds out who asks, for every path below `/api/`, also one that does not exist.
pub(crate) async fn authenticate(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let found = match &state.services.authentication {
        Authentication::None => local(request.headers()),
        Authentication::Bearer(service) => {
            bearer(service, request.headers(), source_address(request.extensions())).await
        }
    };
    match found {
        Ok(principal) => {
            name(&principal.actor);
            tracing::Span::current().record("role", principal.role.as_str());
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Puts the actor into every line of the request's log.
fn name(actor: &Actor) {
    let span = tracing::Span::current();
    span.record("actor", actor.name.as_str());
    span.record("actor_type", actor.kind.as_str());
}

async fn bearer(
    service: &AuthenticationService,
    headers: &HeaderMap,
    source: Option<IpAddr>,
) -> Result<Principal, Problem> {
    match token(headers) {
        Presented::Nothing => Err(unauthenticated(CHALLENGE, "credentials are needed")),
        Presented::Token(token) => {
            service.authenticate(token, source).await.map_err(|why| rejected(why, INVALID_TOKEN))
        }
        Presented::Unusable(reason) => Err(rejected(service.refuse(reason, source), CHALLENGE)),
    }
}

/// The answer to one who is not let in. Why a credential is refused is for the log alone: it would help to forge one.
fn rejected(why: Rejection, challenge: &'static str) -> Problem {
    match why {
        Rejection::Refused(reason) => {
            tracing::warn!(security_event = "credentials-refused", reason, "credentials were refused");
            unauthenticated(challenge, "the credentials are not valid")
        }
        Rejection::Throttled { retry_after } => {
            let detail = "too many credentials that came from your address were not valid; this one was not looked at";
            Problem::new(ProblemCode::TooManyFailedLogins, detail).retry_after(retry_after)
        }
        Rejection::NoRole { actor, explanation } => {
            name(&actor);
            tracing::warn!(
                security_event = "permission-denied",
                reason = explanation,
                "a token without a role was denied"
            );
            Problem::new(ProblemCode::Forbidden, explanation)
        }
        Rejection::ProviderUnavailable { retry_after } => {
            let detail = "the identity provider cannot be reached, so that nobody can tell whether the token is valid";
            Problem::new(ProblemCode::IdentityProviderUnavailable, detail).retry_after(retry_after)
        }
        Rejection::Failed(error) => error.into(),
    }
}

/// Without credentials everybody at this machine is admin, so a web page must not be able to speak for its visitor: the
/// request has to be addressed to this machine by name (else a page can rebind its own), and not come from a page of
/// another one.
fn local(headers: &HeaderMap) -> Result<Principal, Problem> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let to_here = text(header::HOST).is_none_or(means_this_machine);
    let from_here = text(header::ORIGIN)
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, authority)| means_this_machine(authority)));
    if to_here && from_here {
        return Ok(Principal::local());
    }
    tracing::warn!(security_event = "foreign-page", to_here, from_here, "a request without credentials was refused");
    let detail = "without authentication the service answers only requests to `localhost` or a loopback address, and \
         none from a page of another host; configure `auth.mode = \"api-key\"` to be called otherwise";
    Err(Problem::new(ProblemCode::ForeignPage, detail))
}

fn means_this_machine(authority: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{authority}/")) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What a request presents as its credential.
enum Presented<'a> {
    Nothing,
    Token(&'a str),
    /// Something else; what it is.
    Unusable(&'static str),
}

/// The token of the one `Authorization: Bearer` header (RFC 6750 §2.1). Neither a query parameter nor a body carries one:
/// they end up in logs.
fn token(headers: &HeaderMap) -> Presented<'_> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Presented::Nothing };
    if values.next().is_some() {
        return Presented::Unusable("there is more than one `Authorization` header");
    }
    let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return Presented::Unusable("the `Authorization` header is no scheme with a token");
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Presented::Unusable("the scheme is not `Bearer`");
    }
    let token = token.trim_start_matches(' ');
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_token) {
        return Presented::Unusable("what follows `Bearer` is no token");
    }
    Presented::Token(token)
}

fn unauthenticated(challenge: &'static str, detail: &str) -> Problem {
    Problem::new(ProblemCode::Unauthenticated, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// Routes that only a principal with this permission reaches; the document says so of each.
pub(crate) fn needs(permission: Permission, routes: UtoipaMethodRouter<ApiState>) -> UtoipaMethodRouter<ApiState> {
    let (schemas, mut paths, methods) = routes;
    paths.paths.values_mut().for_each(|path| openapi::require(permission, path));
    let guard = from_fn(move |request: Request, next: Next| authorise(permission, request, next));
    (schemas, paths, methods.route_layer(guard))
}

async fn authorise(permission: Permission, request: Request, next: Next) -> Response {
    let Some(principal) = request.extensions().get::<Principal>() else {
        return unauthenticated(CHALLENGE, "credentials are needed").into_response();
    };
    if principal.role.allows(permission) {
        return next.run(request).await;
    }
    let role = principal.role.as_str();
    tracing::warn!(security_event = "permission-denied", role, needed = ?permission, "an operation was denied");
    Problem::new(ProblemCode::Forbidden, format!("the role `{role}` does not allow this operation")).into_response()
}
