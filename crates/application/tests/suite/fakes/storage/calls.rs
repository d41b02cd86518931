//! Recording and reading calls.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::access::Scope;
use domain::connector::ConnectorStatus;
use domain::error::StorageError;
use domain::failure::Failure;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{
    Attempt, CallIntent, Completion, IntegrationLog, IntegrationLogPage, LogFilter, LogOrder, LogPosition, Outcome,
    Payloads,
};
use domain::lease::Premise;
use domain::page::{Page, PageRequest};
use domain::repository::{Begun, CallJournal, IntegrationLogRepository, Recorded, StorageResult};
use serde_json::Value;

use super::{MemoryStorage, Operation, State};

#[async_trait]
impl CallJournal for MemoryStorage {
    async fn begin_call(&self, intent: &CallIntent, premise: &Premise) -> StorageResult<Begun> {
        let mut state = self.enter(Operation::BeginCall)?;
        let row = intent.connector_id.and_then(|id| state.tables.connectors.get(&id).map(|row| (id, row)));
        let holds = premise.connector_version.is_none_or(|version| {
            row.is_some_and(|(id, row)| row.connector.version == version && state.is_enabled(id))
        });
        if !holds || !state.leases.contains(&premise.lease) {
            return Ok(Begun::Refused);
        }
        state.owners.insert(intent.id, premise.lease);
        state.insert(IntegrationLog { intent: intent.clone(), completion: None, attempt_count: 0 });
        let paused = intent.connector_id.is_some_and(|id| state.is_paused(id));
        Ok(Begun::InProgress { paused })
    }

    async fn skip_call(&self, intent: &CallIntent, completion: &Completion) -> StorageResult<()> {
        let mut state = self.enter(Operation::SkipCall)?;
        holdable(completion.failure.as_ref().map_or("", |failure| failure.message.as_str()))?;
        state.insert(IntegrationLog::completed(intent.clone(), completion.clone()));
        Ok(())
    }

    async fn is_enabled_since(
        &self,
        connector: ConnectorId,
        switched_at: Option<DateTime<Utc>>,
    ) -> StorageResult<bool> {
        let state = self.enter(Operation::IsEnabled)?;
        let row = state.tables.connectors.get(&connector);
        let same = row.is_some_and(|row| row.connector.switch.changed_at() == switched_at);
        Ok(same && state.is_enabled(connector))
    }

    async fn record_attempt(&self, call: LogId, attempt: &Attempt) -> StorageResult<Recorded> {
        let mut state = self.enter(Operation::RecordAttempt)?;
        holdable_attempt(attempt)?;
        if !state.is_owned(call) {
            return Ok(Recorded::Refused);
        }
        let page = state.call(call)?;
        page.log.attempt_count = page.log.attempt_count.max(attempt.number);
        insert_attempt(page, attempt);
        Ok(Recorded::Kept)
    }

    async fn complete_call(&self, outcome: &Arc<Outcome>) -> StorageResult<Recorded> {
        let Outcome { call, endpoint, completion, last_attempt, payloads } = outcome.as_ref();
        let mut state = self.enter(Operation::CompleteCall)?;
        completion.failure.as_ref().map_or(Ok(()), holdable_failure)?;
        last_attempt.as_ref().map_or(Ok(()), holdable_attempt)?;
        payloads.request.as_ref().map_or(Ok(()), holdable_json)?;
        payloads.response.as_ref().map_or(Ok(()), holdable_json)?;
        let owned = state.is_owned(*call);
        let page = state.call(*call)?;
        if let Some(known) = &page.log.completion {
            return Ok(if known == completion { Recorded::Kept } else { Recorded::Refused });
        }
        if !owned {
            return Ok(Recorded::Refused);
        }
        let intent = CallIntent { endpoint: endpoint.clone(), ..page.log.intent.clone() };
        page.log = IntegrationLog::completed(intent, completion.clone());
        if let Some(attempt) = last_attempt {
            insert_attempt(page, attempt);
        }
        page.payloads = payloads.clone();
        Ok(Recorded::Kept)
    }
}

#[async_trait]
impl IntegrationLogRepository for MemoryStorage {
    async fn find_log(&self, id: LogId) -> StorageResult<Option<IntegrationLogPage>> {
        Ok(self.enter(Operation::FindLog)?.calls.get(&id).cloned())
    }

    async fn list_logs(
        &self,
        filter: &LogFilter,
        scope: &Scope,
        order: LogOrder,
        page: &PageRequest<LogPosition>,
    ) -> StorageResult<Page<IntegrationLog, LogPosition>> {
        let state = self.enter(Operation::ListLogs)?;
        let mut found: Vec<IntegrationLog> = state.calls.values().map(|page| page.log.clone()).collect();
        found.retain(|log| scope.contains_call(log.intent.connector_id) && matches(filter, log));
        found.sort_by_key(place);
        if order == LogOrder::NewestFirst {
            found.reverse();
        }
        if let Some(after) = page.after {
            let after = (after.started_at, after.id);
            found.retain(|log| match order {
                LogOrder::NewestFirst => place(log) < after,
                LogOrder::OldestFirst => place(log) > after,
            });
        }
        Ok(Page::of(found, page.size, LogPosition::of))
    }
}

impl State {
    fn is_enabled(&self, id: ConnectorId) -> bool {
        let row = self.tables.connectors.get(&id);
        row.is_some_and(|row| !row.deleted && row.connector.switch.status == ConnectorStatus::Enabled)
    }

    fn is_owned(&self, call: LogId) -> bool {
        self.owners.get(&call).is_some_and(|lease| self.leases.contains(lease))
    }

    fn insert(&mut self, log: IntegrationLog) {
        let page = IntegrationLogPage { log, attempts: Vec::new(), payloads: Payloads::default() };
        let taken = self.calls.insert(page.log.intent.id, page);
        assert!(taken.is_none(), "a call is begun once");
    }

    fn call(&mut self, id: LogId) -> StorageResult<&mut IntegrationLogPage> {
        self.calls.get_mut(&id).ok_or_else(|| StorageError::unreadable(format!("there is no call {id}")))
    }
}

fn insert_attempt(page: &mut IntegrationLogPage, attempt: &Attempt) {
    if page.attempts.iter().all(|known| known.number != attempt.number) {
        page.attempts.push(attempt.clone());
        page.attempts.sort_by_key(|attempt| attempt.number);
    }
}

const fn place(log: &IntegrationLog) -> (chrono::DateTime<chrono::Utc>, LogId) {
    (log.intent.started_at, log.intent.id)
}

pub(super) fn matches(filter: &LogFilter, log: &IntegrationLog) -> bool {
    let intent = &log.intent;
    let completion = log.completion.as_ref();
    filter.connector_id.is_none_or(|id| intent.connector_id == Some(id))
        && filter.correlation_id.as_ref().is_none_or(|id| intent.correlation_id == *id)
        && filter.status.is_none_or(|status| log.status() == status)
        && filter.operation_type.as_ref().is_none_or(|operation| intent.operation_type.as_str() == operation)
        && filter.from.is_none_or(|from| intent.started_at >= from)
        && filter.to.is_none_or(|to| intent.started_at < to)
        && filter.http_status_code.is_none_or(|code| completion.and_then(|end| end.http_status_code) == Some(code))
        && filter.min_duration.is_none_or(|least| completion.is_some_and(|end| end.duration >= least))
}

/// As PostgreSQL: no text has a NUL.
fn holdable(text: &str) -> StorageResult<()> {
    if text.contains('\0') { Err(StorageError::unreadable("a NUL in a text")) } else { Ok(()) }
}

fn holdable_failure(failure: &Failure) -> StorageResult<()> {
    holdable(&failure.message)?;
    holdable(failure.details.as_deref().unwrap_or_default())
}

fn holdable_attempt(attempt: &Attempt) -> StorageResult<()> {
    attempt.error.as_ref().map_or(Ok(()), |(_, message)| holdable(message))
}

fn holdable_json(value: &Value) -> StorageResult<()> {
    match value {
        Value::String(text) => holdable(text),
        Value::Array(elements) => elements.iter().try_for_each(holdable_json),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            holdable(name)?;
            holdable_json(member)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}
