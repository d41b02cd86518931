//! Things to store, and short ways of storing them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::access::{Actor, ActorType};
use domain::audit::Act;
use domain::connector::{Connector, ConnectorDraft, ConnectorSettings};
use domain::correlation::{CorrelationId, TraceId};
use domain::id::{ConnectorId, LeaseId, LogId};
use domain::integration_log::{
    Attempt, CallIntent, Completion, HttpMethod, IntegrationStatus, OperationType, Outcome, Payloads,
};
use domain::lease::Premise;
use domain::repository::{Begun, CallJournal, Leases, Storage, StorageResult};
use infrastructure::storage::SqlStorage;
use uuid::Uuid;

/// A moment with microseconds, and as many microseconds later.
pub(super) fn moment(microseconds: i64) -> DateTime<Utc> {
    let start = DateTime::from_timestamp_micros(1_769_831_100_000_001).expect("a moment");
    start + TimeDelta::microseconds(microseconds)
}

pub(super) fn connector_id(number: u128) -> ConnectorId {
    ConnectorId::new(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + number))
}

pub(super) fn log_id(number: u128) -> LogId {
    LogId::new(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + number))
}

pub(super) fn correlation(text: &str) -> CorrelationId {
    CorrelationId::parse(text).expect("a correlation id")
}

/// An act of `actor` under the request `corr-<actor>`.
pub(super) fn act(actor: &str) -> Act {
    Act {
        actor: Actor { name: actor.to_owned(), kind: ActorType::ApiKey },
        at: moment(0),
        correlation_id: correlation(&format!("corr-{actor}")),
        source_address: Some("2001:db8::7".parse().expect("an address")),
    }
}

pub(super) fn draft(name: &str) -> ConnectorDraft {
    ConnectorDraft {
        name: Some(name.to_owned()),
        connector_type: Some("HR".to_owned()),
        endpoint_base_url: Some("https://hr.example.com/v1".to_owned()),
        authentication_type: Some("None".to_owned()),
        capabilities: Some(vec!["pull".to_owned()]),
        ..ConnectorDraft::default()
    }
}

pub(super) fn settings(name: &str) -> ConnectorSettings {
    draft(name).parse().expect("valid settings")
}

/// Stores a new connector.
pub(super) async fn register(
    storage: &SqlStorage,
    number: u128,
    settings: ConnectorSettings,
) -> StorageResult<Connector> {
    // It is open already when this is not the first.
    storage.open_lease(lease()).await.ok();
    let change = Connector::register(connector_id(number), settings, &act("ana"));
    let mut unit = storage.begin().await?;
    unit.save(&change).await?;
    unit.commit().await?;
    Ok(change.into_connector())
}

/// Stores a new connector and enables it.
pub(super) async fn register_enabled(storage: &SqlStorage, number: u128, name: &str) -> Connector {
    let connector = register(storage, number, settings(name)).await.expect("registered");
    let change = connector.enable(None, &act("ana")).expect("a change");
    let mut unit = storage.begin().await.expect("begun");
    unit.save(&change).await.expect("saved");
    unit.commit().await.expect("committed");
    change.into_connector()
}

/// Disables a connector, and deletes it.
pub(super) async fn delete(storage: &SqlStorage, connector: Connector) {
    let mut unit = storage.begin().await.expect("begun");
    let mut connector = connector;
    if let Some(change) = connector.clone().disable(None, &act("ana")) {
        unit.save(&change).await.expect("disabled");
        connector = change.into_connector();
    }
    unit.save(&connector.delete(&act("ana")).expect("it is disabled")).await.expect("deleted");
    unit.commit().await.expect("committed");
}

/// The lease that calls are begun under.
pub(super) fn lease() -> LeaseId {
    LeaseId::new(Uuid::from_u128(0x0196_0000_0000_7000_8000_0000_0000_0001))
}

/// What a call through a connector of [`register_enabled`] is judged by.
pub(super) fn premise() -> Premise {
    Premise { connector_version: Some(2), lease: lease() }
}

pub(super) fn outcome(
    call: LogId,
    endpoint: &str,
    completion: &Completion,
    last_attempt: Option<&Attempt>,
    payloads: &Payloads,
) -> Arc<Outcome> {
    Arc::new(Outcome {
        call,
        endpoint: endpoint.to_owned(),
        completion: completion.clone(),
        last_attempt: last_attempt.cloned(),
        payloads: payloads.clone(),
    })
}

/// A pull through connector `connector`, begun as many microseconds after [`moment`]`(0)` as its number says.
pub(super) fn intent(number: u128, connector: u128) -> CallIntent {
    CallIntent {
        id: log_id(number),
        connector_id: Some(connector_id(connector)),
        connector_name: "Ökostrom 電力".to_owned(),
        correlation_id: correlation("corr-12345"),
        trace_id: TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).expect("a trace id"),
        operation_type: OperationType::Pull,
        method: HttpMethod::Get,
        endpoint: "/employees/ä%20b".to_owned(),
        initiated_by: "ana".to_owned(),
        started_at: moment(i64::try_from(number).expect("a small number")),
    }
}

pub(super) fn success() -> Completion {
    Completion {
        status: IntegrationStatus::Success,
        http_status_code: Some(200),
        attempt_count: 1,
        failure: None,
        duration: Duration::from_millis(123),
        completed_at: moment(5_000_000),
    }
}

pub(super) fn attempt(number: u32) -> Attempt {
    Attempt {
        number,
        started_at: moment(i64::from(number)),
        duration: Duration::from_millis(40),
        waited: Duration::ZERO,
        wait_reason: None,
        http_status_code: Some(200),
        error: None,
    }
}

pub(super) async fn begin(storage: &SqlStorage, intent: &CallIntent) {
    assert_eq!(storage.begin_call(intent, &premise()).await.expect("begun"), Begun::InProgress { paused: false });
}

pub(super) async fn complete(storage: &SqlStorage, number: u128, completion: &Completion) {
    let payloads = Payloads::default();
    storage
        .complete_call(&outcome(log_id(number), &intent(number, number).endpoint, completion, None, &payloads))
        .await
        .expect("completed");
}
