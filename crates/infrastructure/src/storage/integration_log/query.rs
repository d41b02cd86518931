//! The text of a list of calls.

use domain::access::Scope;
use domain::integration_log::{IntegrationStatus, LogFilter, LogOrder, LogPosition};
use domain::page::PageRequest;

use super::row;
use crate::storage::columns::{Id, Milliseconds, Timestamp};
use crate::storage::conditions::{Conditions, Value};

/// The query of one page, or `None` when there can be no such row.
pub(in crate::storage) fn page(
    filter: &LogFilter,
    scope: &Scope,
    order: LogOrder,
    page: &PageRequest<LogPosition>,
) -> Option<(String, Vec<Value>)> {
    let mut conditions = Conditions::default();
    match filter.connector_id {
        Some(asked) if !scope.contains(asked) => return None,
        Some(asked) => conditions.add("connector_id = ?", [Value::Id(Id(asked.as_uuid()))]),
        None => conditions.keep_to(scope, "connector_id IN "),
    }
    add_filters(&mut conditions, filter);
    if let Some(position) = page.after {
        let place = [Value::Time(Timestamp(position.started_at)), Value::Id(Id(position.id.as_uuid()))];
        conditions.add(
            match order {
                LogOrder::NewestFirst => "(started_at, id) < (?, ?)",
                LogOrder::OldestFirst => "(started_at, id) > (?, ?)",
            },
            place,
        );
    }
    let order = match order {
        LogOrder::NewestFirst => " ORDER BY started_at DESC, id DESC",
        LogOrder::OldestFirst => " ORDER BY started_at, id",
    };
    conditions.page(row::SELECT, order, page.size)
}

fn add_filters(conditions: &mut Conditions, filter: &LogFilter) {
    let correlation_id = filter.correlation_id.as_ref().map(|id| Value::Text(id.as_str().to_owned()));
    conditions.add_some("correlation_id = ?", correlation_id);
    // Literals, because a partial index serves a query only if its condition stands there as it is.
    match filter.status {
        Some(IntegrationStatus::InProgress) => conditions.add("status = 'InProgress'", []),
        Some(IntegrationStatus::Success) => conditions.add("status = 'Success'", []),
        Some(IntegrationStatus::Failed) => conditions.add("status = 'Failed'", []),
        Some(IntegrationStatus::Skipped) => conditions.add("status = 'Skipped'", []),
        None => {}
    }
    conditions.add_some("operation_type = ?", filter.operation_type.clone().map(Value::Text));
    conditions.add_some("started_at >= ?", filter.from.map(|from| Value::Time(Timestamp(from))));
    conditions.add_some("started_at < ?", filter.to.map(|to| Value::Time(Timestamp(to))));
    conditions.add_some("http_status_code = ?", filter.http_status_code.map(|status| Value::Number(status.into())));
    let least = filter.min_duration.map(|least| Value::Number(Milliseconds(least).count()));
    conditions.add_some("duration_ms >= ?", least);
}
