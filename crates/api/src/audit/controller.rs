//! The operations on the audit trail.

use axum::extract::State;
use axum::response::Response;
use domain::audit::AuditFilter;
use domain::correlation::CorrelationId;

use super::dto::{AuditEntryDto, AuditParameters};
use crate::answer;
use crate::context::Caller;
use crate::list::{Cursors, List, PageParameters};
use crate::problem::Problem;
use crate::query::Query;
use crate::segment::{Segment, connector_id};
use crate::state::ApiState;

/// List the audit entries of a connector
///
/// The newest first; also after the connector's deletion.
#[utoipa::path(
    get,
    path = "/api/v1/connectors/{id}/audit",
    operation_id = "listConnectorAudit",
    tag = "Audit",
    params(
        ("id" = String, Path, description = "The connector's id"),
        AuditParameters,
        PageParameters,
    ),
    responses((status = 200, description = "One page", body = List<AuditEntryDto>))
)]
pub(crate) async fn list_of_connector(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    mut query: Query,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    state.services.connectors.known(&context, id).await?;
    let filter = AuditFilter { connector_id: Some(id), ..filter(&mut query) };
    page(&state, &format!("audit/{id}"), &filter, query).await
}

/// List audit entries
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "listAudit",
    tag = "Audit",
    params(
        AuditParameters,
        PageParameters,
    ),
    responses((status = 200, description = "One page", body = List<AuditEntryDto>))
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    _caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = filter(&mut query);
    page(&state, "audit", &filter, query).await
}

pub(super) fn filter(query: &mut Query) -> AuditFilter {
    AuditFilter {
        connector_id: None,
        actor: query.text("actor"),
        action: query.text("action"),
        correlation_id: query.parsed("correlationId", "must be a correlation id", CorrelationId::parse),
        from: query.moment("from"),
        to: query.moment("to"),
    }
}

async fn page(state: &ApiState, list: &str, filter: &AuditFilter, mut query: Query) -> Result<Response, Problem> {
    let cursors = Cursors::new(&state.options.cursor_key, list, &query);
    let page = cursors.page(&mut query, |sequence| sequence.parse().ok());
    query.finish()?;
    let found = state.services.audit.list(filter, &page).await?;
    Ok(answer::ok(&cursors.answer(found, AuditEntryDto::from, ToString::to_string)))
}
