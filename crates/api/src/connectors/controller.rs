//! The operations on connectors.

use application::idempotency::OnceAnswer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::connector::{Capability, Connector, ConnectorStatus};
use domain::idempotency::StoredAnswer;
use domain::repository::{ConnectorFilter, ConnectorPosition};

use super::dto::{ConnectorDto, ConnectorRequest, SwitchRequest, draft};
use crate::answer;
use crate::body::{JsonBody, OptionalJsonBody};
use crate::context::Caller;
use crate::idempotency::{self, NamedBody};
use crate::list::{Cursors, List, PageParameters};
use crate::members::Members;
use crate::precondition::{IfMatch, etag, is_current};
use crate::problem::Problem;
use crate::query::Query;
use crate::reason::reason;
use crate::segment::{Segment, connector_id};
use crate::state::ApiState;

fn answered(status: StatusCode, connector: Connector) -> Response {
    let tag = etag(&connector);
    ([tag], answer::json(status, &ConnectorDto::from(connector))).into_response()
}

/// Register a connector
///
/// A new connector is always `Disabled`; enable it when it is ready.
#[utoipa::path(
    post,
    path = "/api/v1/connectors",
    operation_id = "createConnector",
    tag = "Connectors",
    request_body = ConnectorRequest,
    responses(
        (status = 201, description = "Registered", body = ConnectorDto,
            headers(("Location" = String, description = "Its path"), ("ETag" = String, description = "Its version"))),
        (status = 409, description = "`connector-name-taken` or `idempotency-key-in-flight`"),
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Caller(context): Caller,
    query: Query,
    body: NamedBody,
) -> Result<Response, Problem> {
    query.finish()?;
    let (body, once) = body.into_parts(registered);
    let connectors = &state.services.connectors;
    let draft = draft(Members::of(body));
    let answer = match once {
        Some(once) => connectors.register_once(&context, draft, &once).await?,
        None => OnceAnswer::fresh(registered(connectors.register(&context, draft).await?)),
    };
    Ok(idempotency::respond(answer))
}

fn registered(connector: Connector) -> StoredAnswer {
    let location = format!("/api/v1/connectors/{}", connector.id);
    let headers = [(header::LOCATION, location), etag(&connector)];
    idempotency::stored(StatusCode::CREATED, &headers, &ConnectorDto::from(connector))
}

/// List connectors
///
/// By name without regard to case, ascending.
#[utoipa::path(
    get,
    path = "/api/v1/connectors",
    operation_id = "listConnectors",
    tag = "Connectors",
    params(
        ("status" = Option<String>, Query, description = "`Enabled` or `Disabled`"),
        ("type" = Option<String>, Query, min_length = 1, max_length = 500, description = "The `connectorType`, exactly"),
        ("capability" = Option<String>, Query, description = "`pull`, `push` or `webhook`"),
        ("q" = Option<String>, Query, min_length = 1, max_length = 500, description = "Part of the name, without regard to case"),
        PageParameters,
    ),
    responses((status = 200, description = "One page", body = List<ConnectorDto>))
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = ConnectorFilter {
        status: query.parsed("status", "must be `Enabled` or `Disabled`", ConnectorStatus::parse),
        connector_type: query.text("type"),
        capability: query.parsed("capability", "must be `pull`, `push` or `webhook`", Capability::parse),
        name_contains: query.text("q"),
    };
    let cursors = Cursors::new(&state.options.cursor_key, "connectors", &query);
    let page = cursors.page(&mut query, |name_key| Some(ConnectorPosition { name_key: name_key.to_owned() }));
    query.finish()?;
    let found = state.services.connectors.list(&context, &filter, &page).await?;
    Ok(answer::ok(&cursors.answer(found, ConnectorDto::from, |position| position.name_key.clone())))
}

/// Read a connector
#[utoipa::path(
    get,
    path = "/api/v1/connectors/{id}",
    operation_id = "getConnector",
    tag = "Connectors",
    params(
        ("id" = String, Path, description = "The connector's id"),
        ("If-None-Match" = Option<String>, Header, description = "An `ETag`; 304 when the connector still has it"),
    ),
    responses(
        (status = 200, description = "The connector", body = ConnectorDto,
            headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "It is still the version of `If-None-Match`"),
    )
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    query.finish()?;
    let connector = state.services.connectors.find(&context, id).await?;
    if is_current(&headers, &connector) {
        return Ok((StatusCode::NOT_MODIFIED, [etag(&connector)]).into_response());
    }
    Ok(answered(StatusCode::OK, connector))
}

/// Replace the configuration of a connector
///
/// A full replacement: a member that is absent takes its default. The status stays. Replacing by the same changes
/// nothing: no version, no audit entry.
#[utoipa::path(
    put,
    path = "/api/v1/connectors/{id}",
    operation_id = "updateConnector",
    tag = "Connectors",
    params(
        ("id" = String, Path, description = "The connector's id"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that you mean to change"),
    ),
    request_body = ConnectorRequest,
    responses(
        (status = 200, description = "The connector as it is now", body = ConnectorDto,
            headers(("ETag" = String, description = "Its version"))),
        (status = 409, description = "`connector-name-taken`"),
        (status = 412, description = "`precondition-failed`"),
        (status = 428, description = "`precondition-required`"),
    )
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    IfMatch(precondition): IfMatch,
    query: Query,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    query.finish()?;
    let draft = draft(Members::of(body));
    let connector = state.services.connectors.reconfigure(&context, id, &precondition, draft).await?;
    Ok(answered(StatusCode::OK, connector))
}

/// Delete a connector
///
/// Only while it is `Disabled`. Its logs and its audit stay; its name is free again.
#[utoipa::path(
    delete,
    path = "/api/v1/connectors/{id}",
    operation_id = "deleteConnector",
    tag = "Connectors",
    params(
        ("id" = String, Path, description = "The connector's id"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that you mean to delete"),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, description = "`connector-enabled`"),
        (status = 412, description = "`precondition-failed`"),
        (status = 428, description = "`precondition-required`"),
    )
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    IfMatch(precondition): IfMatch,
    query: Query,
) -> Result<StatusCode, Problem> {
    let id = connector_id(&id)?;
    query.finish()?;
    state.services.connectors.delete(&context, id, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enable a connector
///
/// Lets its calls out. Once more changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/connectors/{id}/enable",
    operation_id = "enableConnector",
    tag = "Connectors",
    params(("id" = String, Path, description = "The connector's id")),
    request_body = Option<SwitchRequest>,
    responses((status = 200, description = "The connector as it is now", body = ConnectorDto,
        headers(("ETag" = String, description = "Its version"))))
)]
pub(crate) async fn enable(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    query: Query,
    body: OptionalJsonBody,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    query.finish()?;
    let reason = reason(body)?;
    let connector = state.services.connectors.enable(&context, id, reason.as_deref()).await?;
    Ok(answered(StatusCode::OK, connector))
}

/// Disable a connector
///
/// Keeps its calls in: new ones are recorded as `Skipped`, and a call that waits for its next attempt makes none. Once
/// more changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/connectors/{id}/disable",
    operation_id = "disableConnector",
    tag = "Connectors",
    params(("id" = String, Path, description = "The connector's id")),
    request_body = Option<SwitchRequest>,
    responses((status = 200, description = "The connector as it is now", body = ConnectorDto,
        headers(("ETag" = String, description = "Its version"))))
)]
pub(crate) async fn disable(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    query: Query,
    body: OptionalJsonBody,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    query.finish()?;
    let reason = reason(body)?;
    let connector = state.services.connectors.disable(&context, id, reason.as_deref()).await?;
    Ok(answered(StatusCode::OK, connector))
}
