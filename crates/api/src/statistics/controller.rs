//! The operation on statistics.

use axum::extract::State;
use axum::response::Response;
use domain::statistics::Window;

use super::dto::StatisticsDto;
use crate::answer;
use crate::context::Caller;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// See how connectors fare
///
/// Every connector by name, with the calls that began in the window up to now: how they ended, how long they took, why the
/// last one failed; in all and in buckets of time. Calls that only test a connector do not count. The breaker and the quota
/// are those of the replica that answers.
#[utoipa::path(
    get,
    path = "/api/v1/connectors/stats",
    operation_id = "getStatistics",
    tag = "Integration logs",
    params(
        ("window" = Option<String>, Query, pattern = "^[0-9]+[mhd]$", example = "24h",
            description = "How far back: minutes, hours or days, from `1m` to `31d`; `24h` by default"),
    ),
    responses((status = 200, description = "The statistics", body = StatisticsDto))
)]
pub(crate) async fn look(
    State(state): State<ApiState>,
    Caller(context): Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let window =
        query.parsed("window", "must be a number of minutes, hours or days, from `1m` to `31d`", Window::parse);
    query.finish()?;
    let seen = state.services.statistics.look(&context, window.unwrap_or_default()).await?;
    Ok(answer::ok(&StatisticsDto::from(seen)))
}
