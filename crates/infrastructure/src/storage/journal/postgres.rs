//! A group on PostgreSQL: one statement, whose arrays are the columns of the group.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::error::StorageError;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{Attempt, CallIntent, Completion, Outcome};
use domain::lease::Premise;
use domain::retry::WaitReason;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use super::entry::{Entry, Write};
use super::group::{Broken, Kept, Written};
use crate::storage::columns::Milliseconds;
use crate::storage::failure::{storage_error, timed_out};

/// A group that takes longer is given up. PostgreSQL gives up before.
const TIMEOUT: Duration = Duration::from_secs(4);

/// A connection that has been idle for longer is asked whether it still is one, and has so long to answer.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
const PING: Duration = Duration::from_secs(1);

/// The pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(100);

const GROUP: &str = include_str!("group.sql");

/// As the journal's own connections are set.
const BY_THE_INDEXES: &str =
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// Nothing was sent for these: their callers were told that they failed.
const TAKE_AWAY: &str = "DELETE FROM integration_logs WHERE id = ANY($1) AND status = 'InProgress'";

/// The connection of the journal. It is kept between groups: a pool would ask it after every one whether it still is
/// one, and would wait for the answer of one that hangs.
pub(in crate::storage) struct Line {
    options: PgConnectOptions,
    /// How long to try to connect.
    patience: Duration,
    /// With the moment at which it was used last.
    connection: Option<(PgConnection, Instant)>,
}

impl Line {
    pub(in crate::storage) const fn new(options: PgConnectOptions, patience: Duration) -> Self {
        Self { options, patience, connection: None }
    }

    pub(super) async fn write(&mut self, group: &[Entry], doubtful: &[LogId]) -> Result<Written, Broken> {
        let mut connection = self.take().await?;
        let writing = async {
            let doubtful = doubtful_beside(group, doubtful);
            if !doubtful.is_empty() {
                connection.execute(sqlx::query(TAKE_AWAY).bind(doubtful)).await?;
            }
            Columns::of(group.iter().map(|entry| &entry.write)).write(&mut connection).await
        };
        let written = timeout(TIMEOUT, writing).await.unwrap_or_else(|_| Err(timed_out()));
        let written = written.map_err(|error| Broken::of(storage_error(error)));
        if !matches!(written, Err(Broken::Connection(_))) {
            self.connection = Some((connection, Instant::now()));
        }
        Ok(Written(written?.into_iter().map(|(id, paused)| (id, Kept { paused })).collect()))
    }

    /// The connection, if it still is one, or another.
    async fn take(&mut self) -> Result<PgConnection, Broken> {
        if let Some((mut connection, used)) = self.connection.take()
            && (used.elapsed() < TRUSTED_FOR || matches!(timeout(PING, connection.ping()).await, Ok(Ok(()))))
        {
            return Ok(connection);
        }
        let end = Instant::now() + self.patience;
        loop {
            let connected = timeout_at(end, PgConnection::connect_with(&self.options)).await;
            match connected.unwrap_or_else(|_| Err(timed_out())).map_err(storage_error) {
                Ok(connection) => return Ok(connection),
                // A server that is being restarted refuses, and is there a moment later.
                Err(StorageError::Unavailable(_)) if Instant::now() + PAUSE < end => sleep(PAUSE).await,
                Err(error) => return Err(Broken::Away(error)),
            }
        }
    }
}

/// One write in a transaction that has more to it; `None` when it is refused. The plan is that of groups.
pub(super) async fn write_one(connection: &mut PgConnection, write: &Write) -> Result<Option<Kept>, sqlx::Error> {
    connection.execute(sqlx::raw_sql(BY_THE_INDEXES)).await?;
    let written = Columns::of(std::iter::once(write)).write(connection).await?;
    Ok(written.first().map(|(_, paused)| Kept { paused: *paused }))
}

/// A group that is written again finds what its first try kept.
fn doubtful_beside(group: &[Entry], doubtful: &[LogId]) -> Vec<Uuid> {
    let is_here = |id: &LogId| group.iter().any(|entry| entry.write.call() == *id);
    doubtful.iter().filter(|id| !is_here(id)).map(|id| id.as_uuid()).collect()
}

#[derive(Default)]
struct Columns<'a> {
    intents: Intents<'a>,
    counted: (Vec<Uuid>, Vec<i32>),
    outcomes: Outcomes<'a>,
    attempts: Attempts<'a>,
    payloads: (Vec<Uuid>, Vec<Option<String>>, Vec<Option<String>>),
    skipped: Vec<Value>,
}

#[derive(Default)]
struct Intents<'a> {
    ids: Vec<Uuid>,
    connectors: Vec<Option<Uuid>>,
    names: Vec<&'a str>,
    correlations: Vec<&'a str>,
    traces: Vec<String>,
    operations: Vec<&'static str>,
    methods: Vec<&'static str>,
    endpoints: Vec<&'a str>,
    starts: Vec<DateTime<Utc>>,
    initiators: Vec<&'a str>,
    leases: Vec<Uuid>,
    versions: Vec<Option<i64>>,
}

#[derive(Default)]
struct Outcomes<'a> {
    ids: Vec<Uuid>,
    statuses: Vec<&'static str>,
    attempt_counts: Vec<i32>,
    http_statuses: Vec<Option<i32>>,
    codes: Vec<Option<&'static str>>,
    messages: Vec<Option<&'a str>>,
    details: Vec<Option<&'a str>>,
    retryables: Vec<Option<bool>>,
    retry_afters: Vec<Option<i64>>,
    durations: Vec<i64>,
    ends: Vec<DateTime<Utc>>,
    endpoints: Vec<&'a str>,
}

#[derive(Default)]
struct Attempts<'a> {
    calls: Vec<Uuid>,
    numbers: Vec<i32>,
    starts: Vec<DateTime<Utc>>,
    durations: Vec<i64>,
    waits: Vec<i64>,
    reasons: Vec<Option<&'static str>>,
    http_statuses: Vec<Option<i32>>,
    codes: Vec<Option<&'static str>>,
    messages: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(writes: impl Iterator<Item = &'a Write>) -> Self {
        let mut columns = Self::default();
        for write in writes {
            match write {
                Write::Begin { intent, premise } => columns.intents.push(intent, premise),
                Write::Skip(ended) => columns.skipped.push(skipped(&ended.0, &ended.1)),
                Write::Attempt { call, attempt } => {
                    columns.counted.0.push(call.as_uuid());
                    columns.counted.1.push(count(attempt.number));
                    columns.attempts.push(*call, attempt);
                }
                Write::Complete(outcome) => columns.end(outcome),
            }
        }
        columns
    }

    fn end(&mut self, outcome: &'a Outcome) {
        self.outcomes.push(outcome);
        if let Some(attempt) = &outcome.last_attempt {
            self.attempts.push(outcome.call, attempt);
        }
        let payloads = &outcome.payloads;
        if payloads.request.is_some() || payloads.response.is_some() {
            self.payloads.0.push(outcome.call.as_uuid());
            self.payloads.1.push(payloads.request.as_ref().map(ToString::to_string));
            self.payloads.2.push(payloads.response.as_ref().map(ToString::to_string));
        }
    }

    /// The calls that something was kept of, and whether their connectors are paused.
    async fn write(self, connection: &mut PgConnection) -> Result<Vec<(Uuid, bool)>, sqlx::Error> {
        let Self { intents, counted, outcomes, attempts, payloads, skipped } = self;
        sqlx::query_as(GROUP)
            .bind(intents.ids)
            .bind(intents.connectors)
            .bind(intents.names)
            .bind(intents.correlations)
            .bind(intents.traces)
            .bind(intents.operations)
            .bind(intents.methods)
            .bind(intents.endpoints)
            .bind(intents.starts)
            .bind(intents.initiators)
            .bind(intents.leases)
            .bind(intents.versions)
            .bind(counted.0)
            .bind(counted.1)
            .bind(outcomes.ids)
            .bind(outcomes.statuses)
            .bind(outcomes.attempt_counts)
            .bind(outcomes.http_statuses)
            .bind(outcomes.codes)
            .bind(outcomes.messages)
            .bind(outcomes.details)
            .bind(outcomes.retryables)
            .bind(outcomes.retry_afters)
            .bind(outcomes.durations)
            .bind(outcomes.ends)
            .bind(outcomes.endpoints)
            .bind(attempts.calls)
            .bind(attempts.numbers)
            .bind(attempts.starts)
            .bind(attempts.durations)
            .bind(attempts.waits)
            .bind(attempts.reasons)
            .bind(attempts.http_statuses)
            .bind(attempts.codes)
            .bind(attempts.messages)
            .bind(payloads.0)
            .bind(payloads.1)
            .bind(payloads.2)
            .bind(Value::from(skipped).to_string())
            .fetch_all(connection)
            .await
    }
}

impl<'a> Intents<'a> {
    fn push(&mut self, intent: &'a CallIntent, premise: &Premise) {
        self.ids.push(intent.id.as_uuid());
        self.connectors.push(intent.connector_id.map(ConnectorId::as_uuid));
        self.names.push(&intent.connector_name);
        self.correlations.push(intent.correlation_id.as_str());
        self.traces.push(intent.trace_id.to_string());
        self.operations.push(intent.operation_type.as_str());
        self.methods.push(intent.method.as_str());
        self.endpoints.push(&intent.endpoint);
        self.starts.push(intent.started_at);
        self.initiators.push(&intent.initiated_by);
        self.leases.push(premise.lease.as_uuid());
        self.versions.push(premise.connector_version);
    }
}

impl<'a> Outcomes<'a> {
    fn push(&mut self, outcome: &'a Outcome) {
        let completion = &outcome.completion;
        let failure = completion.failure.as_ref();
        self.ids.push(outcome.call.as_uuid());
        self.statuses.push(completion.status.as_str());
        self.attempt_counts.push(count(completion.attempt_count));
        self.http_statuses.push(completion.http_status_code.map(i32::from));
        self.codes.push(failure.map(|failure| failure.code.as_str()));
        self.messages.push(failure.map(|failure| failure.message.as_str()));
        self.details.push(failure.and_then(|failure| failure.details.as_deref()));
        self.retryables.push(failure.map(|failure| failure.retryable));
        self.retry_afters.push(failure.and_then(|failure| failure.retry_after).map(|wait| Milliseconds(wait).count()));
        self.durations.push(Milliseconds(completion.duration).count());
        self.ends.push(completion.completed_at);
        self.endpoints.push(&outcome.endpoint);
    }
}

impl<'a> Attempts<'a> {
    fn push(&mut self, call: LogId, attempt: &'a Attempt) {
        self.calls.push(call.as_uuid());
        self.numbers.push(count(attempt.number));
        self.starts.push(attempt.started_at);
        self.durations.push(Milliseconds(attempt.duration).count());
        self.waits.push(Milliseconds(attempt.waited).count());
        self.reasons.push(attempt.wait_reason.map(WaitReason::as_str));
        self.http_statuses.push(attempt.http_status_code.map(i32::from));
        self.codes.push(attempt.error.as_ref().map(|(code, _)| code.as_str()));
        self.messages.push(attempt.error.as_ref().map(|(_, message)| message.as_str()));
    }
}

/// A row of `integration_logs`.
fn skipped(intent: &CallIntent, completion: &Completion) -> Value {
    let failure = completion.failure.as_ref();
    json!({
        "id": intent.id.as_uuid(),
        "connector_id": intent.connector_id.map(ConnectorId::as_uuid),
        "connector_name": intent.connector_name,
        "correlation_id": intent.correlation_id.as_str(),
        "trace_id": intent.trace_id.to_string(),
        "operation_type": intent.operation_type.as_str(),
        "http_method": intent.method.as_str(),
        "endpoint": intent.endpoint,
        "started_at": intent.started_at,
        "initiated_by": intent.initiated_by,
        "status": completion.status.as_str(),
        "attempt_count": completion.attempt_count,
        "http_status_code": completion.http_status_code,
        "error_code": failure.map(|failure| failure.code.as_str()),
        "error_message": failure.map(|failure| failure.message.as_str()),
        "error_details": failure.and_then(|failure| failure.details.as_deref()),
        "retryable": failure.map(|failure| failure.retryable),
        "retry_after_ms": failure.and_then(|failure| failure.retry_after).map(|wait| Milliseconds(wait).count()),
        "duration_ms": Milliseconds(completion.duration).count(),
        "completed_at": completion.completed_at,
    })
}

/// Attempts are few.
fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
