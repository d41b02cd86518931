//! Calls that are judged or skipped before anything goes out.

use application::error::Error;
use domain::call::CallDraft;
use domain::failure::ErrorCode;
use domain::id::ConnectorId;
use domain::integration_log::IntegrationStatus;
use domain::repository::ConnectorRepository;
use uuid::Uuid;

use crate::fakes::Operation;
use crate::world::{World, context, draft, faults, outcome, pull};

const SKIPPED: (IntegrationStatus, Option<ErrorCode>) =
    (IntegrationStatus::Skipped, Some(ErrorCode::ConnectorDisabled));

#[tokio::test]
async fn a_call_through_a_disabled_connector_is_skipped_with_a_row_and_touches_nothing_else() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    world.journal.clear();
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), SKIPPED);
    assert_eq!(world.journal.lines(), ["FindConnector", "SkipCall"], "neither the secret store nor the executor");
    assert!(world.executor.plans().is_empty());
    assert!(execution.recorded && execution.response.is_none() && execution.mapping.is_none());
    let page = world.storage.only_call();
    assert_eq!((&page.log, page.attempts.len(), page.log.attempt_count), (&execution.log, 0, 0));
    assert_eq!(page.log.intent.initiated_by, "ana");
    assert_eq!(page.log.intent.correlation_id.as_str(), "corr-12345");
}

#[tokio::test]
async fn a_connector_disabled_between_its_reading_and_the_intent_skips_the_call() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    world.storage.disable_right_before(Operation::BeginCall, id);
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), SKIPPED);
    assert_eq!(world.journal.lines(), ["FindConnector", "BeginCall", "FindConnector", "SkipCall"]);
    assert_eq!(world.storage.only_call().log, execution.log);
}

#[tokio::test]
async fn a_skipped_call_that_cannot_be_recorded_is_an_error() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    world.storage.take_away(Operation::SkipCall);
    let refused = world.calls.execute(&context(), id, pull()).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn an_unknown_connector_comes_before_faults_and_faults_before_skipping() {
    let world = World::new();
    let invalid = || CallDraft { endpoint: None, method: Some("TRACE".to_owned()), ..pull() };
    let unknown = world.calls.execute(&context(), ConnectorId::new(Uuid::nil()), invalid()).await;
    assert!(matches!(unknown, Err(Error::ConnectorNotFound)), "{unknown:?}");
    let id = world.registered(draft()).await.id;
    let refused = world.calls.execute(&context(), id, invalid()).await;
    assert_eq!(faults(refused), ["/method: invalid-value", "/endpoint: required"]);
    assert!(world.storage.calls().is_empty());
    assert!(world.storage.find_connector(id).await.expect("asked").is_some());
}
