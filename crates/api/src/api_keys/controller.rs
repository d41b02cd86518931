//! The operations on API keys.

use application::api_key::{Creation, NewKey};
use application::idempotency::OnceAnswer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use domain::access::Role;
use domain::api_key::{ApiKey, KeyFilter, KeyStatus};
use domain::id::{ApiKeyId, ConnectorId};
use domain::idempotency::StoredAnswer;
use secrecy::ExposeSecret;

use super::dto::{ApiKeyDto, CreateKeyRequest, CreatedKeyDto, RevokeKeyRequest, draft};
use crate::answer;
use crate::body::OptionalJsonBody;
use crate::context::Caller;
use crate::idempotency::{self, NamedBody};
use crate::list::{Cursors, List, PageParameters};
use crate::members::Members;
use crate::problem::Problem;
use crate::query::Query;
use crate::reason::reason;
use crate::segment::{Segment, key_id};
use crate::state::ApiState;

/// Make an API key
///
/// The answer has the key itself in `key`, this once: it is kept nowhere. Whoever repeats the request under the same
/// `Idempotency-Key` learns which key was made, with `key` null.
#[utoipa::path(
    post,
    path = "/api/v1/keys",
    operation_id = "createKey",
    tag = "API keys",
    request_body = CreateKeyRequest,
    responses(
        (status = 201, description = "Made", body = CreatedKeyDto,
            headers(("Location" = String, description = "Its path"))),
        (status = 409, description = "`key-name-taken` or `idempotency-key-in-flight`"),
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Caller(context): Caller,
    query: Query,
    body: NamedBody,
) -> Result<Response, Problem> {
    query.finish()?;
    let (body, once) = body.into_parts(|key| created(key, None));
    let draft = draft(Members::of(body));
    let keys = &state.services.keys;
    let creation = match once {
        Some(once) => keys.create_once(&context, draft, &once).await?,
        None => Creation::New(keys.create(&context, draft).await?),
    };
    let answer = match creation {
        Creation::New(NewKey { key, value }) => OnceAnswer::fresh(created(key, Some(value.expose_secret()))),
        Creation::Repeated(answer) => OnceAnswer { answer, replayed: true },
    };
    Ok(idempotency::respond(answer))
}

/// The answer of a creation; with the key's value to whoever made it, without it to be kept.
fn created(key: ApiKey, value: Option<&str>) -> StoredAnswer {
    let location = format!("/api/v1/keys/{}", key.id);
    let body = CreatedKeyDto { made: key.into(), key: value.map(str::to_owned) };
    idempotency::stored(StatusCode::CREATED, &[(header::LOCATION, location)], &body)
}

/// List API keys
///
/// The newest first; also those that are revoked or have expired.
#[utoipa::path(
    get,
    path = "/api/v1/keys",
    operation_id = "listKeys",
    tag = "API keys",
    params(
        ("name" = Option<String>, Query, min_length = 1, max_length = 500, description = "The name, exactly"),
        ("role" = Option<String>, Query, description = "The role"),
        ("status" = Option<String>, Query, description = "`Active`, `Expired` (and not revoked) or `Revoked`"),
        ("connectorId" = Option<String>, Query, format = Uuid, description = "Bound to this connector"),
        PageParameters,
    ),
    responses((status = 200, description = "One page", body = List<ApiKeyDto>))
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    _caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let roles = format!("must be one of {}", Role::ALL.map(Role::as_str).join(", "));
    let filter = KeyFilter {
        name: query.text("name"),
        role: query.parsed("role", &roles, Role::parse),
        status: query.parsed("status", "must be `Active`, `Expired` or `Revoked`", KeyStatus::parse),
        connector_id: query.parsed("connectorId", "must be the id of a connector", ConnectorId::parse),
    };
    let cursors = Cursors::new(&state.options.cursor_key, "keys", &query);
    let page = cursors.page(&mut query, ApiKeyId::parse);
    query.finish()?;
    let found = state.services.keys.list(&filter, &page).await?;
    Ok(answer::ok(&cursors.answer(found, ApiKeyDto::from, ToString::to_string)))
}

/// Read an API key
///
/// What is known of it, also after its revocation; never the key itself.
#[utoipa::path(
    get,
    path = "/api/v1/keys/{keyId}",
    operation_id = "getKey",
    tag = "API keys",
    params(("keyId" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = ApiKeyDto))
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    _caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Response, Problem> {
    let id = key_id(&id)?;
    query.finish()?;
    Ok(answer::ok(&ApiKeyDto::from(state.services.keys.find(id).await?)))
}

/// Revoke an API key
///
/// For good, from now on and on every replica. Requests that were let in before are finished. Once more changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/keys/{keyId}/revoke",
    operation_id = "revokeKey",
    tag = "API keys",
    params(("keyId" = String, Path, description = "The key's id")),
    request_body = Option<RevokeKeyRequest>,
    responses((status = 200, description = "The key as it is now", body = ApiKeyDto))
)]
pub(crate) async fn revoke(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    query: Query,
    body: OptionalJsonBody,
) -> Result<Response, Problem> {
    let id = key_id(&id)?;
    query.finish()?;
    let reason = reason(body)?;
    let key = state.services.keys.revoke(&context, id, reason.as_deref()).await?;
    Ok(answer::ok(&ApiKeyDto::from(key)))
}
