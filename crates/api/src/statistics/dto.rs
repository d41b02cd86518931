//! Statistics as they are answered.

use application::statistics::{ConnectorStatistics, Statistics};
use domain::circuit_breaker::CircuitState;
use domain::integration_log::IntegrationStatus;
use domain::statistics::{LastError, Tally, Timeline};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::moment;

/// How connectors fare.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Statistics)]
pub(crate) struct StatisticsDto {
    /// Calls that began at or after this time count.
    #[schema(format = DateTime)]
    from: String,
    /// The time of the answer; calls that began before it count.
    #[schema(format = DateTime)]
    to: String,
    /// The length of a bucket: 60, 300, 900, 3600, 21600 or 86400, by the window.
    #[schema(example = 3600)]
    bucket_seconds: u64,
    /// The connectors that the caller may see, by name.
    items: Vec<ConnectorStatisticsDto>,
}

/// How one connector fares.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectorStatistics)]
pub(crate) struct ConnectorStatisticsDto {
    /// The connector.
    #[schema(format = Uuid)]
    connector_id: String,
    /// Its name.
    #[schema(example = "Company HR System")]
    connector_name: String,
    /// Its circuit breaker in this replica: `Closed`, `Open` or `HalfOpen`; null where the deployment has none.
    #[schema(required, example = "Closed")]
    circuit: Option<&'static str>,
    /// What is left of its retry quota in this replica, 0 to 500.
    #[schema(example = 500)]
    retry_quota_left: u32,
    /// Its calls.
    #[serde(flatten)]
    tally: TallyDto,
    /// The failed call that began last; null when none failed.
    #[schema(required)]
    last_error: Option<LastErrorDto>,
    /// The same by time; buckets without calls are left out.
    buckets: Vec<BucketDto>,
}

/// The calls that began within one bucket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatisticsBucket)]
pub(crate) struct BucketDto {
    /// Its beginning: a whole multiple of `bucketSeconds` in UTC, but for the first one of the window.
    #[schema(format = DateTime)]
    from: String,
    /// Its end.
    #[schema(format = DateTime)]
    to: String,
    /// Its calls.
    #[serde(flatten)]
    tally: TallyDto,
}

/// Calls, counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CallStatistics)]
pub(crate) struct TallyDto {
    /// All of them.
    calls: u64,
    /// By how they stand.
    calls_by_status: CallsByStatusDto,
    /// `Success` among `Success` and `Failed`, 0 to 1; null without such calls.
    #[schema(required, example = 0.98)]
    success_rate: Option<f64>,
    /// Half of the calls that ended as `Success` or `Failed` took no longer, within 5 %; null without such calls.
    #[serde(rename = "p50Ms")]
    #[schema(required, example = 184)]
    p50_ms: Option<u64>,
    /// 95 % of them took no longer.
    #[serde(rename = "p95Ms")]
    #[schema(required, example = 410)]
    p95_ms: Option<u64>,
    /// 99 % of them took no longer.
    #[serde(rename = "p99Ms")]
    #[schema(required, example = 1235)]
    p99_ms: Option<u64>,
    /// The attempts of all of them.
    attempts: u64,
    /// The attempts of a call that ended as `Success` or `Failed`, on the average; null without such calls.
    #[schema(required, example = 1.04)]
    attempts_per_call: Option<f64>,
}

/// Calls by status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = CallsByStatus)]
pub(crate) struct CallsByStatusDto {
    in_progress: u64,
    success: u64,
    failed: u64,
    skipped: u64,
}

/// A failed call, in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LastError)]
pub(crate) struct LastErrorDto {
    /// Its log.
    #[schema(format = Uuid)]
    log_id: String,
    /// Under which request it was made.
    #[schema(example = "corr-12345")]
    correlation_id: String,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// Why it failed, from the closed list of `docs/errors.md`.
    #[schema(example = "http-status")]
    error_code: &'static str,
    /// The same in one sentence.
    error_message: String,
    /// The status of the last answer.
    #[schema(required, example = 503)]
    http_status_code: Option<u16>,
}

impl From<Statistics> for StatisticsDto {
    fn from(Statistics { timeline, connectors }: Statistics) -> Self {
        Self {
            from: moment(timeline.from()),
            to: moment(timeline.to()),
            bucket_seconds: timeline.bucket().as_secs(),
            items: connectors.into_iter().map(|connector| item(connector, &timeline)).collect(),
        }
    }
}

fn item(connector: ConnectorStatistics, timeline: &Timeline) -> ConnectorStatisticsDto {
    let ConnectorStatistics { calls, bounds } = connector;
    let buckets = timeline.buckets().enumerate().map(|(number, (from, to))| (from, to, calls.in_bucket(number)));
    let buckets = buckets.filter(|(_, _, tally)| tally.calls() > 0);
    ConnectorStatisticsDto {
        connector_id: calls.id.to_string(),
        circuit: bounds.circuit.map(CircuitState::as_str),
        retry_quota_left: bounds.retry_quota_left,
        tally: TallyDto::from(&calls.in_all()),
        buckets: buckets
            .map(|(from, to, tally)| BucketDto { from: moment(from), to: moment(to), tally: TallyDto::from(&tally) })
            .collect(),
        connector_name: calls.name,
        last_error: calls.last_error.map(LastErrorDto::from),
    }
}

impl From<&Tally> for TallyDto {
    fn from(tally: &Tally) -> Self {
        Self {
            calls: tally.calls(),
            calls_by_status: CallsByStatusDto {
                in_progress: tally.of_status(IntegrationStatus::InProgress),
                success: tally.of_status(IntegrationStatus::Success),
                failed: tally.of_status(IntegrationStatus::Failed),
                skipped: tally.of_status(IntegrationStatus::Skipped),
            },
            success_rate: tally.success_rate(),
            p50_ms: tally.percentile(50),
            p95_ms: tally.percentile(95),
            p99_ms: tally.percentile(99),
            attempts: tally.attempts(),
            attempts_per_call: tally.attempts_per_call(),
        }
    }
}

impl From<LastError> for LastErrorDto {
    fn from(error: LastError) -> Self {
        Self {
            log_id: error.log_id.to_string(),
            correlation_id: error.correlation_id.to_string(),
            started_at: moment(error.started_at),
            error_code: error.code.as_str(),
            error_message: error.message,
            http_status_code: error.http_status_code,
        }
    }
}
