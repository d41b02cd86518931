//! Counting calls: one statement for all connectors and all buckets, whose rows are as many as there are groups.

use std::fmt::Write as _;

use async_trait::async_trait;
use domain::access::Scope;
use domain::correlation::CorrelationId;
use domain::failure::ErrorCode;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::IntegrationStatus;
use domain::repository::{CallStatistics, StorageResult};
use domain::statistics::{CallGroup, ConnectorCalls, DurationClass, EXACT_BELOW, LARGEST, LastError, Timeline};
use sqlx::FromRow;

use super::SqlStorage;
use super::columns::{Id, Timestamp};
use super::conditions::Value;
use super::engine::fetch;
use super::rows::{Stored, Unreadable, known};

#[async_trait]
impl CallStatistics for SqlStorage {
    async fn count_calls(&self, timeline: &Timeline, scope: &Scope) -> StorageResult<Vec<ConnectorCalls>> {
        let Some((sql, values)) = query(timeline, scope) else { return Ok(Vec::new()) };
        let rows = fetch!(&mut self.pool.reader().await?, GroupRow, sql; values)?;
        let mut connectors: Vec<ConnectorCalls> = Vec::new();
        for GroupOf { connector, name, group, last_error } in rows {
            if connectors.last().is_none_or(|last| last.id != connector) {
                connectors.push(ConnectorCalls { id: connector, name, groups: Vec::new(), last_error: None });
            }
            let Some(last) = connectors.last_mut() else { continue };
            last.groups.extend(group);
            last.last_error = last_error.or(last.last_error.take());
        }
        Ok(connectors)
    }
}

/// The query, or `None` when there is no connector to ask for.
pub(super) fn query(timeline: &Timeline, scope: &Scope) -> Option<(String, Vec<Value>)> {
    let mut values = vec![Value::Time(Timestamp(timeline.from())), Value::Time(Timestamp(timeline.to()))];
    values.extend(timeline.borders().iter().map(|border| Value::Time(Timestamp(*border))));
    let bucket = bucket(3, timeline.borders().len(), 0);
    let (of_calls, of_connectors) = match scope {
        Scope::All => (String::new(), String::new()),
        Scope::Only(listed) => {
            let first = values.len() + 1;
            values.extend(listed.iter().map(|id| Value::Id(Id(id.as_uuid()))));
            let list: Vec<String> = (first..=values.len()).map(|number| format!("${number}")).collect();
            if list.is_empty() {
                return None;
            }
            let list = list.join(", ");
            (format!(" AND connector_id IN ({list})"), format!(" AND c.id IN ({list})"))
        }
    };
    let sql = format!(
        "WITH counted AS (\
             SELECT connector_id, {bucket} AS bucket, status, {class} AS duration_class, COUNT(*) AS calls, \
                 SUM(attempt_count) AS attempts, MAX(started_at) AS newest \
             FROM integration_logs WHERE started_at >= $1 AND started_at < $2 AND operation_type <> 'test'{of_calls} \
             GROUP BY connector_id, 2, status, 4), \
         failed AS (SELECT connector_id, MAX(newest) AS newest FROM counted WHERE status = 'Failed' GROUP BY connector_id) \
         SELECT c.id, c.name, n.bucket, n.status, n.duration_class, n.calls, n.attempts, e.id AS log_id, \
             e.correlation_id, e.started_at, e.error_code, e.error_message, e.http_status_code \
         FROM connectors c \
         LEFT JOIN counted n ON n.connector_id = c.id \
         LEFT JOIN failed f ON f.connector_id = n.connector_id AND f.newest = n.newest AND n.status = 'Failed' \
         LEFT JOIN integration_logs e ON e.id = (\
             SELECT l.id FROM integration_logs l \
             WHERE l.connector_id = f.connector_id AND l.started_at = f.newest AND l.status = 'Failed' \
             ORDER BY l.id DESC LIMIT 1) \
         WHERE c.deleted_at IS NULL{of_connectors} ORDER BY c.name_key",
        class = duration_class(),
    );
    Some((sql, values))
}

/// The number of the bucket, by halves, as many rows are counted: `borders` binds from `$first` on part the buckets from
/// `number` on.
fn bucket(first: usize, borders: usize, number: usize) -> String {
    if borders == 0 {
        return number.to_string();
    }
    let half = borders / 2;
    let before = bucket(first, half, number);
    let after = bucket(first + half + 1, borders - half - 1, number + half + 1);
    format!("CASE WHEN started_at < ${} THEN {before} ELSE {after} END", first + half)
}

/// The shortest duration of the class, as [`DurationClass`] has it, with integers alone: only these are the same in both
/// engines. Most calls are short, and decided at one of the first conditions.
fn duration_class() -> String {
    let mut text = format!("CASE WHEN duration_ms < {EXACT_BELOW} THEN duration_ms");
    let mut width = 2;
    while EXACT_BELOW * width <= LARGEST {
        let _infallible =
            write!(text, " WHEN duration_ms < {} THEN duration_ms / {width} * {width}", EXACT_BELOW * width);
        width *= 2;
    }
    let _infallible = write!(text, " WHEN duration_ms IS NOT NULL THEN {LARGEST} END");
    text
}

#[derive(FromRow)]
struct GroupRow {
    id: Id,
    name: String,
    bucket: Option<i32>,
    status: Option<String>,
    duration_class: Option<i64>,
    calls: Option<i64>,
    attempts: Option<i64>,
    log_id: Option<Id>,
    correlation_id: Option<String>,
    started_at: Option<Timestamp>,
    error_code: Option<String>,
    error_message: Option<String>,
    http_status_code: Option<i32>,
}

/// A connector without calls has one row, without a group.
struct GroupOf {
    connector: ConnectorId,
    name: String,
    group: Option<CallGroup>,
    last_error: Option<LastError>,
}

impl GroupRow {
    fn group(&self) -> Result<Option<CallGroup>, Unreadable> {
        let (Some(bucket), Some(status)) = (self.bucket, &self.status) else { return Ok(None) };
        Ok(Some(CallGroup {
            bucket: bucket.try_into()?,
            status: known(IntegrationStatus::parse(status), "status")?,
            duration: self.duration_class.map(u64::try_from).transpose()?.map(DurationClass::of),
            calls: self.calls.unwrap_or_default().try_into()?,
            attempts: self.attempts.unwrap_or_default().try_into()?,
        }))
    }

    fn last_error(&mut self) -> Result<Option<LastError>, Unreadable> {
        let (Some(log_id), Some(started_at)) = (self.log_id, self.started_at) else { return Ok(None) };
        let correlation_id = self.correlation_id.as_deref().unwrap_or_default();
        Ok(Some(LastError {
            log_id: LogId::new(log_id.0),
            correlation_id: known(CorrelationId::parse(correlation_id), "correlation_id")?,
            started_at: started_at.0,
            code: known(self.error_code.as_deref().and_then(ErrorCode::parse), "error_code")?,
            message: self.error_message.take().unwrap_or_default(),
            http_status_code: self.http_status_code.map(u16::try_from).transpose()?,
        }))
    }
}

impl Stored for GroupRow {
    type Domain = GroupOf;

    const TABLE: &'static str = "integration_logs";
    const KEY: &'static str = "id";

    fn read(mut self) -> Result<GroupOf, Unreadable> {
        Ok(GroupOf {
            group: self.group()?,
            last_error: self.last_error()?,
            connector: ConnectorId::new(self.id.0),
            name: self.name,
        })
    }
}
