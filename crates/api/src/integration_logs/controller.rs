//! The operations on integration logs.

use std::time::Duration;

use application::context::RequestContext;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::correlation::CorrelationId;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{IntegrationStatus, LogFilter, LogOrder, LogPosition};

use super::dto::{IntegrationLogDto, IntegrationLogPageDto, LogParameters};
use crate::answer;
use crate::context::Caller;
use crate::list::{Cursors, List, PageParameters};
use crate::problem::{Problem, ProblemCode};
use crate::query::Query;
use crate::segment::{Segment, connector_id};
use crate::state::ApiState;

/// List the calls of a connector
///
/// The newest first; also after the connector's deletion.
#[utoipa::path(
    get,
    path = "/api/v1/connectors/{id}/logs",
    operation_id = "listConnectorLogs",
    tag = "Integration logs",
    params(
        ("id" = String, Path, description = "The connector's id"),
        LogParameters,
        PageParameters,
    ),
    responses((status = 200, description = "One page", body = List<IntegrationLogDto>))
)]
pub(crate) async fn list_of_connector(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    mut query: Query,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    state.services.connectors.known(&context, id).await?;
    let filter = LogFilter { connector_id: Some(id), ..filter(&mut query) };
    page(&state, &context, &format!("logs/{id}"), &filter, LogOrder::NewestFirst, query).await
}

/// List calls
///
/// Of all connectors, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/connectors/logs",
    operation_id = "listLogs",
    tag = "Integration logs",
    params(
        ("connectorId" = Option<String>, Query, format = Uuid, description = "Through this connector"),
        ("correlationId" = Option<String>, Query, pattern = "^[A-Za-z0-9._:~-]{1,128}$", description = "Under this request"),
        LogParameters,
        PageParameters,
    ),
    responses((status = 200, description = "One page", body = List<IntegrationLogDto>))
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = LogFilter {
        connector_id: query.parsed("connectorId", "must be the id of a connector", ConnectorId::parse),
        correlation_id: query.parsed("correlationId", "must be a correlation id", CorrelationId::parse),
        ..filter(&mut query)
    };
    page(&state, &context, "logs", &filter, LogOrder::NewestFirst, query).await
}

/// Trace a correlation id
///
/// Every call that one request caused, the oldest first. An unknown id gives an empty list.
#[utoipa::path(
    get,
    path = "/api/v1/connectors/logs/by-correlation/{correlationId}",
    operation_id = "listLogsByCorrelation",
    tag = "Integration logs",
    params(
        ("correlationId" = String, Path, description = "The correlation id", example = "corr-12345"),
        PageParameters,
    ),
    responses((status = 200, description = "One page", body = List<IntegrationLogDto>))
)]
pub(crate) async fn list_by_correlation(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(correlation): Segment,
    mut query: Query,
) -> Result<Response, Problem> {
    let Some(correlation) = CorrelationId::parse(&correlation) else {
        query.paging("limit");
        query.paging("cursor");
        query.finish()?;
        return Ok(answer::ok(&List::<IntegrationLogDto> { items: Vec::new(), next_cursor: None }));
    };
    let list = format!("trace/{correlation}");
    let filter = LogFilter { correlation_id: Some(correlation), ..LogFilter::default() };
    page(&state, &context, &list, &filter, LogOrder::OldestFirst, query).await
}

/// Read a call
///
/// With its attempts, and what is kept of request and answer.
#[utoipa::path(
    get,
    path = "/api/v1/connectors/logs/{logId}",
    operation_id = "getLog",
    tag = "Integration logs",
    params(("logId" = String, Path, description = "The log's id")),
    responses((status = 200, description = "The call", body = IntegrationLogPageDto))
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Response, Problem> {
    let id = LogId::parse(&id)
        .ok_or_else(|| Problem::new(ProblemCode::LogNotFound, "there is no integration log of this id"))?;
    query.finish()?;
    let found = state.services.logs.find(&context, id).await?;
    Ok(answer::ok(&IntegrationLogPageDto::from(found)))
}

fn filter(query: &mut Query) -> LogFilter {
    LogFilter {
        connector_id: None,
        correlation_id: None,
        status: query.parsed(
            "status",
            "must be `InProgress`, `Success`, `Failed` or `Skipped`",
            IntegrationStatus::parse,
        ),
        operation_type: query.text("operationType"),
        from: query.moment("from"),
        to: query.moment("to"),
        http_status_code: query.parsed("httpStatusCode", "must be an HTTP status from 100 to 599", |text| {
            text.parse().ok().filter(|status| (100..=599).contains(status))
        }),
        min_duration: query.parsed("minDurationMs", "must be a number of milliseconds, 0 to 86400000", |text| {
            text.parse().ok().filter(|ms| *ms <= 86_400_000).map(Duration::from_millis)
        }),
    }
}

async fn page(
    state: &ApiState,
    context: &RequestContext,
    list: &str,
    filter: &LogFilter,
    order: LogOrder,
    mut query: Query,
) -> Result<Response, Problem> {
    let cursors = Cursors::new(&state.options.cursor_key, list, &query);
    let page = cursors.page(&mut query, position);
    query.finish()?;
    let found = state.services.logs.list(context, filter, order, &page).await?;
    let written = |position: &LogPosition| format!("{} {}", position.started_at.timestamp_micros(), position.id);
    Ok(answer::ok(&cursors.answer(found, IntegrationLogDto::from, written)))
}

fn position(text: &str) -> Option<LogPosition> {
    let (started_at, id) = text.split_once(' ')?;
    let started_at: DateTime<Utc> = DateTime::from_timestamp_micros(started_at.parse().ok()?)?;
    Some(LogPosition { started_at, id: LogId::parse(id)? })
}
