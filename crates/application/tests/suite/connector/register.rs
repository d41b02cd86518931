//! Registering.

use application::error::Error;
use domain::connector::{ConnectorDraft, ConnectorStatus};
use domain::fault::FaultCode;
use domain::page::PageRequest;
use domain::repository::ConnectorFilter;
use rstest::rstest;

use crate::fakes::Operation;
use crate::world::{World, context, draft, faults, open_draft};

async fn names(world: &World) -> Vec<String> {
    let page = world.connectors.list(&context(), &ConnectorFilter::default(), &PageRequest::default()).await;
    page.expect("listed").items.into_iter().map(|connector| connector.settings.name.to_string()).collect()
}

#[tokio::test]
async fn a_new_connector_is_disabled_and_has_version_1() {
    let world = World::new();
    let connector = world.connectors.register(&context(), draft()).await.expect("registered");
    assert_eq!((connector.version, connector.switch.status), (1, ConnectorStatus::Disabled));
    assert_eq!((connector.created.by.as_str(), connector.updated.as_ref()), ("ana", None));
    assert_eq!((connector.switch.reason.as_ref(), connector.switch.changed.as_ref()), (None, None));
    let found = world.connectors.find(&context(), connector.id).await.expect("found");
    assert_eq!(found, connector);
}

#[tokio::test]
async fn faults_of_the_draft_the_destination_and_the_secret_are_found_at_once() {
    let world = World::new();
    let mut draft = ConnectorDraft {
        name: Some(" ".to_owned()),
        connector_type: None,
        endpoint_base_url: Some("https://169.254.169.254/latest".to_owned()),
        authentication_secret_ref: Some("SecretStore:Nobody".to_owned()),
        capabilities: Some(Vec::new()),
        retry_jitter: Some("Some".to_owned()),
        ..draft()
    };
    draft.faults.push("/deadlineSeconds", FaultCode::Type, "must be a number");
    let mut found = faults(world.connectors.register(&context(), draft).await);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/authenticationSecretRef: secret-not-found",
            "/capabilities: out-of-range",
            "/connectorType: required",
            "/deadlineSeconds: type",
            "/endpointBaseUrl: destination-blocked",
            "/name: out-of-range",
            "/retryJitter: invalid-value",
        ]
    );
    assert_eq!((names(&world).await.len(), world.storage.entries().len()), (0, 0));
}

#[rstest]
#[case("https://10.0.0.1/v1", "destination-blocked")]
#[case("https://[::ffff:127.0.0.1]/", "destination-blocked")]
#[case("https://0x7f000001/", "destination-blocked")]
#[case("https://localhost:8443/", "destination-blocked")]
#[case("http://api.hr.example.com/v1", "invalid-value")]
#[case("ftp://api.hr.example.com/v1", "invalid-value")]
#[tokio::test]
async fn a_destination_that_the_deployment_does_not_call_is_refused(#[case] url: &str, #[case] code: &str) {
    let world = World::new();
    let draft = ConnectorDraft { endpoint_base_url: Some(url.to_owned()), ..open_draft() };
    let found = faults(world.connectors.register(&context(), draft).await);
    assert_eq!(found, [format!("/endpointBaseUrl: {code}")]);
}

#[tokio::test]
async fn se_s_3_nothing_is_saved_while_the_secret_store_is_down() {
    let world = World::new();
    world.secrets.go_down();
    let refused = world.connectors.register(&context(), draft()).await;
    assert!(matches!(refused, Err(Error::SecretStoreUnavailable(_))), "{refused:?}");
    assert_eq!((names(&world).await.len(), world.storage.entries().len()), (0, 0));
    assert_eq!(world.journal.count("Begin"), 0, "not even begun");
}

#[tokio::test]
async fn se_s_3_a_reference_into_an_unknown_store_is_refused_with_the_names_of_the_known_ones() {
    let world = World::new();
    let draft = ConnectorDraft { authentication_secret_ref: Some("vault:esg/hr".to_owned()), ..draft() };
    let Err(Error::Invalid(found)) = world.connectors.register(&context(), draft).await else { panic!("is valid") };
    let fault = found.iter().next().expect("a fault");
    assert_eq!((fault.pointer.as_str(), fault.code), ("/authenticationSecretRef", FaultCode::SecretStoreUnknown));
    assert!(fault.detail.contains("SecretStore") && !fault.detail.contains("esg/hr"), "{}", fault.detail);
}

#[rstest]
#[case("Company HR", "invalid-value")]
#[case("hunter2", "raw-secret-detected")]
#[tokio::test]
async fn a_text_that_is_no_reference_is_not_looked_up_and_not_repeated(#[case] text: &str, #[case] code: &str) {
    let world = World::new();
    let draft = ConnectorDraft { authentication_secret_ref: Some(text.to_owned()), ..draft() };
    let refused = world.connectors.register(&context(), draft).await;
    assert!(!format!("{refused:?}").contains(text));
    assert_eq!(faults(refused), [format!("/authenticationSecretRef: {code}")]);
    assert_eq!(world.journal.count("resolve"), 0);
}

#[tokio::test]
async fn names_are_unique_without_regard_to_case() {
    let world = World::new();
    world.registered(open_draft()).await;
    let draft = ConnectorDraft { name: Some("company hr SYSTEM".to_owned()), ..open_draft() };
    let refused = world.connectors.register(&context(), draft).await;
    assert!(matches!(refused, Err(Error::NameTaken)), "{refused:?}");
    assert_eq!((names(&world).await.len(), world.storage.entries().len()), (1, 1));
}

#[rstest]
#[case(Operation::Begin)]
#[case(Operation::Save)]
#[case(Operation::Commit)]
#[tokio::test]
async fn a_registration_that_the_store_loses_half_way_leaves_nothing(#[case] operation: Operation) {
    let world = World::new();
    world.storage.take_away(operation);
    let refused = world.connectors.register(&context(), open_draft()).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
    assert_eq!((names(&world).await.len(), world.storage.entries().len()), (0, 0));
    world.storage.bring_back(operation);
    world.registered(open_draft()).await;
    assert_eq!(world.storage.entries()[0].sequence, 1, "the lost entry left no gap");
}
