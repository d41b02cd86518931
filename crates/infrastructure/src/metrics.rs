//! Metrics for Prometheus. Labels are ids of connectors, templates of routes and words of closed sets: never a correlation
//! id, a path, a message or a secret.

use std::time::Duration;

use application::execution::{Bounds, Load};
use application::ports::Meter;
use domain::audit::AuditHead;
use domain::circuit_breaker::CircuitState;
use domain::failure::ErrorCode;
use domain::id::ConnectorId;
use domain::integration_log::{Completion, IntegrationStatus};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the types of Prometheus")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it tells.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal, $help:literal;)+) => {
        $(const $constant: &str = $name;)+

        /// Every metric there is. `docs/operations.md` lists them, and a test holds the two together.
        pub const METRICS: &[Metric] = &[$(Metric { name: $name, kind: Kind::$kind, help: $help },)+];
    };
}

metrics! {
    CALLS = Counter "connectors_calls_total", "Calls that ended, by connector, status and error code (none for a success)";
    ATTEMPTS = Counter "connectors_call_attempts_total", "Attempts of calls that ended, by connector";
    CALL_DURATION = Histogram "connectors_call_duration_seconds", "From the arrival of a call to its outcome, of calls that were made, by connector";
    CALLS_IN_FLIGHT = Gauge "connectors_calls_in_flight", "Calls that hold one of the places for calls at once";
    CALLS_WAITING = Gauge "connectors_calls_waiting", "Calls that have no place yet, or are being begun or recorded";
    CIRCUIT_STATE = Gauge "connectors_circuit_state", "The circuit breaker of a connector: 0 closed, 1 half open, 2 open";
    RETRY_QUOTA_LEFT = Gauge "connectors_retry_quota_left", "What is left of the retry quota of a connector, 0 to 500";
    PERMITS_DENIED = Counter "connectors_permits_denied_total", "Permits that the rate limit or a pause of a connector did not give when asked";
    JOURNAL_GROUP_SIZE = Histogram "connectors_journal_group_size", "Writes about calls that were committed together";
    JOURNAL_COMMIT_DURATION = Histogram "connectors_journal_commit_duration_seconds", "How long such a commit took, failed ones included";
    LEASE_HELD = Gauge "connectors_lease_held", "Whether this process holds a lease on its calls: 1 or 0; 0 also before the first call";
    AUDIT_HEAD_SEQUENCE = Gauge "connectors_audit_head_sequence", "The number of the newest entry of the audit";
    AUDIT_HEAD_INFO = Gauge "connectors_audit_head_info", "1, of the newest entry of the audit alone: its number and its hash";
    HTTP_REQUESTS = Counter "connectors_http_requests_total", "Requests that were answered, by method, route and status";
    HTTP_DURATION = Histogram "connectors_http_request_duration_seconds", "How long their answers took to begin, by method and route";
}

/// The buckets of durations, in seconds: from a look at the store to the longest deadline of a call.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// The buckets of the journal's groups.
const WRITES: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];

/// A gauge of a connector that this process has forgotten disappears. All that hold are set at every look.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(5);

/// How often what was measured is put into its buckets, whether somebody looks or not: it takes memory until then.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// What is looked up only when somebody asks.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// How many calls there are.
    pub load: Load,
    /// What holds for the connectors that this process has called.
    pub connectors: Vec<(ConnectorId, Bounds)>,
    /// Whether the process holds a lease.
    pub lease_held: bool,
    /// The end of the audit's chain, if it is known.
    pub audit_head: Option<AuditHead>,
}

impl Metrics {
    /// From now on everything is counted.
    ///
    /// # Errors
    /// It is already.
    pub fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets(&SECONDS)?
            .set_buckets_for_metric(Matcher::Full(JOURNAL_GROUP_SIZE.to_owned()), &WRITES)?
            .idle_timeout(MetricKindMask::GAUGE, Some(FORGOTTEN_AFTER))
            .install_recorder()?;
        for Metric { name, kind, help } in METRICS {
            match kind {
                Kind::Counter => metrics::describe_counter!(*name, *help),
                Kind::Gauge => metrics::describe_gauge!(*name, *help),
                Kind::Histogram => metrics::describe_histogram!(*name, *help),
            }
        }
        Ok(Self { handle })
    }

    /// Everything, as Prometheus reads it.
    #[must_use]
    pub fn render(&self, gauges: &Gauges) -> String {
        let Gauges { load, connectors, lease_held, audit_head } = gauges;
        gauge!(CALLS_IN_FLIGHT).set(number(load.in_flight));
        gauge!(CALLS_WAITING).set(number(load.waiting));
        gauge!(LEASE_HELD).set(if *lease_held { 1.0 } else { 0.0 });
        for (connector, Bounds { circuit, retry_quota_left }) in connectors {
            let connector = connector.to_string();
            if let Some(circuit) = circuit {
                let state = match circuit {
                    CircuitState::Closed => 0.0,
                    CircuitState::HalfOpen => 1.0,
                    CircuitState::Open => 2.0,
                };
                gauge!(CIRCUIT_STATE, "connector_id" => connector.clone()).set(state);
            }
            gauge!(RETRY_QUOTA_LEFT, "connector_id" => connector).set(*retry_quota_left);
        }
        let Some(head) = audit_head else { return self.handle.render() };
        gauge!(AUDIT_HEAD_SEQUENCE).set(wide(head.sequence));
        self.handle.render() + &newest_entry(head)
    }

    /// Keeps the memory of what was measured small. Never ends.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }
}

impl Meter for Metrics {
    fn call_ended(&self, connector: ConnectorId, completion: &Completion) {
        let connector = connector.to_string();
        // A label without a value is one that is not there.
        let error_code = completion.failure.as_ref().map_or("", |failure| failure.code.as_str());
        let status = completion.status.as_str();
        counter!(CALLS, "connector_id" => connector.clone(), "status" => status, "error_code" => error_code)
            .increment(1);
        if completion.status != IntegrationStatus::Skipped {
            counter!(ATTEMPTS, "connector_id" => connector.clone()).increment(completion.attempt_count.into());
            histogram!(CALL_DURATION, "connector_id" => connector).record(completion.duration);
        }
    }

    fn call_recovered(&self, connector: ConnectorId) {
        let (status, error_code) = (IntegrationStatus::Failed.as_str(), ErrorCode::OutcomeUnknown.as_str());
        let labels =
            [("connector_id", connector.to_string()), ("status", status.into()), ("error_code", error_code.into())];
        counter!(CALLS, &labels).increment(1);
    }

    fn request_answered(&self, method: &'static str, route: &str, status: u16, duration: Duration) {
        let route = route.to_owned();
        counter!(HTTP_REQUESTS, "method" => method, "route" => route.clone(), "status" => status.to_string())
            .increment(1);
        histogram!(HTTP_DURATION, "method" => method, "route" => route).record(duration);
    }
}

/// Permits that were asked for and not given.
pub(crate) fn permits_denied(connector: ConnectorId, permits: u32) {
    counter!(PERMITS_DENIED, "connector_id" => connector.to_string()).increment(permits.into());
}

/// A commit of so many writes about calls.
pub(crate) fn journal_committed(writes: usize, duration: Duration) {
    histogram!(JOURNAL_GROUP_SIZE).record(number(writes));
    histogram!(JOURNAL_COMMIT_DURATION).record(duration);
}

/// The series of the newest entry. It is written here since the recorder would keep that of every one before.
fn newest_entry(head: &AuditHead) -> String {
    let (sequence, hash) = (head.sequence, hex::encode(head.hash));
    let help = METRICS.iter().find(|metric| metric.name == AUDIT_HEAD_INFO).map_or("", |metric| metric.help);
    format!(
        "# HELP {AUDIT_HEAD_INFO} {help}\n# TYPE {AUDIT_HEAD_INFO} gauge\n\
         {AUDIT_HEAD_INFO}{{sequence=\"{sequence}\",hash=\"{hash}\"}} 1\n\n"
    )
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, which is more than anybody writes")]
fn wide(number: i64) -> f64 {
    number as f64
}

fn number(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATIONS: &str = include_str!("../../../docs/operations.md");

    #[test]
    fn the_operations_page_lists_every_metric_and_no_other() {
        let (_, section) = OPERATIONS.split_once("\n## Metrics\n").expect("the heading");
        let (table, _) = section.split_once("\nWorth an alert:").expect("the end of the table");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `connectors_"));
        let listed: Vec<_> = rows.map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join(" ")).collect();
        let expected = METRICS.iter().map(|metric| {
            let name = metric.name.strip_prefix("connectors_").expect("the prefix");
            format!("{name}` {}", format!("{:?}", metric.kind).to_lowercase())
        });
        assert_eq!(listed, expected.collect::<Vec<_>>());
    }

    #[test]
    fn names_follow_the_conventions() {
        for Metric { name, kind, help } in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(!help.is_empty() && !help.ends_with('.'), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(!name.contains("_ms") && !name.contains("milli"), "{name}: seconds are the base unit");
        }
    }
}
