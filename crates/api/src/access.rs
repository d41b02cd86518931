//! Who gets in, and to what. Default deny: everything below `/api/` needs credentials, and every route there names the
//! permission that it needs.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use domain::access::{Permission, Principal};
use url::{Host, Url};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::problem::{Problem, ProblemCode};
use crate::state::{ApiState, AuthenticationMode};

/// Middleware: finds out who asks, for every path below `/api/`, also one that does not exist.
pub(crate) async fn authenticate(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    match principal(&state, request.headers()).await {
        Ok(principal) => {
            tracing::Span::current().record("actor", principal.actor.name.as_str());
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn principal(state: &ApiState, headers: &HeaderMap) -> Result<Principal, Problem> {
    if state.options.authentication == AuthenticationMode::None {
        return local(headers);
    }
    let Some(token) = bearer(headers) else {
        return Err(unauthenticated("Bearer realm=\"connectors\"", "credentials are needed"));
    };
    let recognised = state.services.keys.recognise(token).await?;
    recognised.ok_or_else(|| {
        tracing::warn!(security_event = "credentials-refused", "an unknown, expired or revoked key was presented");
        unauthenticated("Bearer realm=\"connectors\", error=\"invalid_token\"", "the credentials are not valid")
    })
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

/// The token of the one `Authorization: Bearer` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (values.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

fn unauthenticated(challenge: &'static str, detail: &str) -> Problem {
    Problem::new(ProblemCode::Unauthenticated, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// Routes that only a principal with this permission reaches.
pub(crate) fn needs(permission: Permission, routes: UtoipaMethodRouter<ApiState>) -> UtoipaMethodRouter<ApiState> {
    let (schemas, paths, methods) = routes;
    let guard = from_fn(move |request: Request, next: Next| authorise(permission, request, next));
    (schemas, paths, methods.route_layer(guard))
}

async fn authorise(permission: Permission, request: Request, next: Next) -> Response {
    let Some(principal) = request.extensions().get::<Principal>() else {
        return unauthenticated("Bearer realm=\"connectors\"", "credentials are needed").into_response();
    };
    if principal.role.allows(permission) {
        return next.run(request).await;
    }
    let role = principal.role.as_str();
    tracing::warn!(security_event = "permission-denied", role, needed = ?permission, "an operation was denied");
    Problem::new(ProblemCode::Forbidden, format!("the role `{role}` does not allow this operation")).into_response()
}
