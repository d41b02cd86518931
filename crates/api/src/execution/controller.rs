//! The operation that calls an upstream.

use application::execution::Execution;
use application::idempotency::OnceAnswer;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;
use domain::idempotency::StoredAnswer;

use super::dto::{ExecuteRequest, ExecutionDto, draft};
use crate::context::Caller;
use crate::idempotency::{self, NamedBody};
use crate::members::Members;
use crate::problem::Problem;
use crate::query::Query;
use crate::segment::{Segment, connector_id};
use crate::state::ApiState;

const INTEGRATION_STATUS: HeaderName = HeaderName::from_static("x-integration-status");

/// Execute a call
///
/// Answers 200 whenever the call was taken on: the outcome is in `log.status` and in the header
/// `X-Integration-Status`. A disabled connector gives `Skipped`, without an outbound call.
#[utoipa::path(
    post,
    path = "/api/v1/connectors/{id}/execute",
    operation_id = "executeCall",
    tag = "Execution",
    params(("id" = String, Path, description = "The connector's id")),
    request_body = ExecuteRequest,
    responses(
        (status = 200, description = "The call was taken on; see its outcome", body = ExecutionDto,
            headers(("X-Integration-Status" = String, description = "`Success`, `Failed` or `Skipped`"))),
        (status = 409, description = "`idempotency-key-in-flight`"),
    )
)]
pub(crate) async fn execute(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    query: Query,
    body: NamedBody,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    if let Err(problem) = query.finish() {
        // A connector that does not exist comes before what is wrong with the call.
        state.services.connectors.find(&context, id).await?;
        return Err(problem);
    }
    let (body, once) = body.into_parts(executed);
    let draft = draft(Members::of(body));
    let answer = match once {
        Some(once) => state.services.execution.execute_once(&context, id, draft, &once).await?,
        None => OnceAnswer::fresh(executed(state.services.execution.execute(&context, id, draft).await?)),
    };
    Ok(idempotency::respond(answer))
}

fn executed(execution: Execution) -> StoredAnswer {
    let status = execution.log.status().as_str().to_owned();
    idempotency::stored(StatusCode::OK, &[(INTEGRATION_STATUS, status)], &ExecutionDto::from(execution))
}
