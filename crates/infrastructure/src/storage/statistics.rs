//! Counting calls: one statement for all connectors and all buckets, whose rows are as many as there are groups.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::access::Scope;
use domain::correlation::CorrelationId;
use domain::failure::ErrorCode;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::IntegrationStatus;
use domain::repository::{CallStatistics, StorageResult};
use domain::statistics::{CLASS_BORDERS, CallGroup, ConnectorCalls, DurationClass, LastError, Timeline};
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
        let mut groups: HashMap<ConnectorId, Vec<CallGroup>> = HashMap::new();
        let mut connectors = Vec::new();
        for row in rows {
            match row {
                StatisticsOf::Group(connector, group) => groups.entry(connector).or_default().push(group),
                StatisticsOf::Connector { key, calls } => connectors.push((key, calls)),
            }
        }
        connectors.sort_by(|(one, _), (other, _)| one.cmp(other));
        let connectors = connectors.into_iter().map(|(_, calls)| {
            let groups = groups.remove(&calls.id).unwrap_or_default();
            ConnectorCalls { groups, ..calls }
        });
        Ok(connectors.collect())
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
         SELECT connector_id AS id, NULL AS name, NULL AS name_key, bucket, status, duration_class, calls, attempts, \
             NULL AS log_id, NULL AS correlation_id, NULL AS started_at, NULL AS error_code, NULL AS error_message, \
             NULL AS http_status_code FROM counted \
         UNION ALL \
         SELECT c.id, c.name, c.name_key, NULL, NULL, NULL, NULL, NULL, \
             e.id, e.correlation_id, e.started_at, e.error_code, e.error_message, e.http_status_code \
         FROM connectors c \
         LEFT JOIN failed f ON f.connector_id = c.id \
         LEFT JOIN integration_logs e ON e.id = (\
             SELECT l.id FROM integration_logs l \
             WHERE l.connector_id = f.connector_id AND l.started_at = f.newest AND l.status = 'Failed' \
             ORDER BY l.id DESC LIMIT 1) \
         WHERE c.deleted_at IS NULL{of_connectors}",
        class = format_args!(
            "CASE WHEN duration_ms IS NOT NULL THEN CAST({} AS BIGINT) END",
            duration_class(&CLASS_BORDERS)
        ),
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

/// The shortest duration of the class, as [`DurationClass`] has it, by halves as well.
fn duration_class(borders: &[u64]) -> String {
    let (below, from) = borders.split_at(borders.len() / 2);
    match (below, from) {
        ([], [only]) => only.to_string(),
        (_, [border, ..]) => {
            let (below, from) = (duration_class(below), duration_class(from));
            format!("CASE WHEN duration_ms < {border} THEN {below} ELSE {from} END")
        }
        (_, []) => "0".to_owned(),
    }
}

#[derive(FromRow)]
struct GroupRow {
    id: Id,
    name: Option<String>,
    name_key: Option<String>,
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

/// A row is a group of calls, or a connector without its groups.
enum StatisticsOf {
    Group(ConnectorId, CallGroup),
    Connector { key: String, calls: ConnectorCalls },
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
    type Domain = StatisticsOf;

    const TABLE: &'static str = "integration_logs";
    const KEY: &'static str = "id";

    fn read(mut self) -> Result<StatisticsOf, Unreadable> {
        let id = ConnectorId::new(self.id.0);
        if let Some(group) = self.group()? {
            return Ok(StatisticsOf::Group(id, group));
        }
        let last_error = self.last_error()?;
        let (name, key) = (self.name.unwrap_or_default(), self.name_key.unwrap_or_default());
        Ok(StatisticsOf::Connector { key, calls: ConnectorCalls { id, name, groups: Vec::new(), last_error } })
    }
}
