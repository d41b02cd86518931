//! Counting calls.

use async_trait::async_trait;
use domain::access::Scope;
use domain::integration_log::LogFilter;
use domain::repository::{CallStatistics, StorageResult};
use domain::statistics::{CallGroup, ConnectorCalls, DurationClass, LastError, Timeline};

use super::calls::matches;
use super::{MemoryStorage, Operation};

#[async_trait]
impl CallStatistics for MemoryStorage {
    async fn count_calls(&self, timeline: &Timeline, scope: &Scope) -> StorageResult<Vec<ConnectorCalls>> {
        let state = self.enter(Operation::CountCalls)?;
        let rows = state.tables.connectors.iter().filter(|(id, row)| !row.deleted && scope.contains(**id));
        let mut connectors: Vec<_> = rows.map(|(id, row)| (*id, row.connector.settings.name.clone())).collect();
        connectors.sort_by_key(|(_, name)| name.key());
        let counted = connectors.into_iter().map(|(id, name)| {
            let filter = LogFilter {
                connector_id: Some(id),
                from: Some(timeline.from()),
                to: Some(timeline.to()),
                ..LogFilter::default()
            };
            let mut calls = ConnectorCalls { id, name: name.as_str().to_owned(), groups: Vec::new(), last_error: None };
            for log in state.calls.values().map(|page| &page.log).filter(|log| matches(&filter, log)) {
                let completion = log.completion.as_ref();
                let begun_in = |(begins, ends)| begins <= log.intent.started_at && log.intent.started_at < ends;
                calls.groups.push(CallGroup {
                    bucket: timeline.buckets().position(begun_in).expect("it is within"),
                    status: log.status(),
                    duration: completion
                        .map(|end| DurationClass::of(end.duration.as_millis().try_into().expect("a short time"))),
                    calls: 1,
                    attempts: log.attempt_count.into(),
                });
                if let Some((end, failure)) = completion.and_then(|end| end.failure.as_ref().map(|why| (end, why)))
                    && end.status == domain::integration_log::IntegrationStatus::Failed
                {
                    calls.last_error = Some(LastError {
                        log_id: log.intent.id,
                        correlation_id: log.intent.correlation_id.clone(),
                        started_at: log.intent.started_at,
                        code: failure.code,
                        message: failure.message.clone(),
                        http_status_code: end.http_status_code,
                    });
                }
            }
            calls
        });
        Ok(counted.collect())
    }
}
