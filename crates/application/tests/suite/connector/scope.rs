//! Which connectors exist for whom, and lists of them.

use application::connector::Precondition;
use application::error::Error;
use domain::connector::{Connector, ConnectorDraft, ConnectorStatus};
use domain::page::{PageRequest, PageSize};
use domain::repository::{ConnectorFilter, ConnectorPosition};

use crate::fakes::Operation;
use crate::world::{World, context, context_only, open_draft, pull};

fn named(name: &str) -> ConnectorDraft {
    ConnectorDraft { name: Some(name.to_owned()), ..open_draft() }
}

fn names(connectors: &[Connector]) -> Vec<&str> {
    connectors.iter().map(|connector| connector.settings.name.as_str()).collect()
}

fn is_hidden<T: std::fmt::Debug>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::ConnectorNotFound))
}

#[tokio::test]
async fn a_connector_outside_the_scope_does_not_exist() {
    let world = World::new();
    let visible = world.enabled(named("visible")).await;
    let hidden = world.enabled(named("hidden")).await;
    let service = context_only([visible]);
    let none = Precondition::None;
    assert!(is_hidden(&world.connectors.find(&service, hidden).await));
    assert!(is_hidden(&world.connectors.known(&service, hidden).await));
    assert!(is_hidden(&world.connectors.enable(&service, hidden, None).await));
    assert!(is_hidden(&world.connectors.disable(&service, hidden, None).await));
    assert!(is_hidden(&world.connectors.delete(&service, hidden, &none).await));
    assert!(is_hidden(&world.connectors.reconfigure(&service, hidden, &none, named("x")).await));
    assert!(is_hidden(&world.calls.execute(&service, hidden, pull()).await.map(|execution| execution.log)));
    assert!(world.storage.calls().is_empty(), "and leaves no trace");
    world.connectors.find(&service, visible).await.expect("found");
    world.connectors.known(&service, visible).await.expect("known");
}

#[tokio::test]
async fn a_list_has_only_what_is_in_the_scope() {
    let world = World::new();
    let visible = world.registered(named("visible")).await.id;
    world.registered(named("hidden")).await;
    let (filter, first) = (ConnectorFilter::default(), PageRequest::default());
    let seen = world.connectors.list(&context_only([visible]), &filter, &first).await.expect("listed");
    assert_eq!(names(&seen.items), ["visible"]);
    let nothing = world.connectors.list(&context_only([]), &filter, &first).await.expect("listed");
    assert!(nothing.items.is_empty());
}

#[tokio::test]
async fn a_list_goes_on_behind_the_last_name_without_regard_to_case() {
    let world = World::new();
    for name in ["beta", "Alpha", "gamma"] {
        world.registered(named(name)).await;
    }
    let (context, filter) = (context(), ConnectorFilter::default());
    let mut page = PageRequest { size: PageSize::new(2).expect("a size"), after: None };
    let first = world.connectors.list(&context, &filter, &page).await.expect("listed");
    assert_eq!(names(&first.items), ["Alpha", "beta"]);
    assert_eq!(first.next, Some(ConnectorPosition { name_key: "beta".to_owned() }));
    page.after = first.next;
    let second = world.connectors.list(&context, &filter, &page).await.expect("listed");
    assert_eq!((names(&second.items), second.next), (vec!["gamma"], None));
}

#[tokio::test]
async fn a_list_is_filtered_by_status_and_leaves_the_deleted_out() {
    let world = World::new();
    world.enabled(named("on")).await;
    world.registered(named("off")).await;
    let gone = world.registered(named("gone")).await.id;
    world.connectors.delete(&context(), gone, &Precondition::None).await.expect("deleted");
    let filter = ConnectorFilter { status: Some(ConnectorStatus::Disabled), ..ConnectorFilter::default() };
    let found = world.connectors.list(&context(), &filter, &PageRequest::default()).await.expect("listed");
    assert_eq!(names(&found.items), ["off"]);
}

#[tokio::test]
async fn without_its_store_nothing_is_found_and_nothing_is_said_to_be_missing() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    world.storage.take_away(Operation::FindConnector);
    world.storage.take_away(Operation::ListConnectors);
    let found = world.connectors.find(&context(), id).await;
    assert!(matches!(found, Err(Error::StoreUnavailable(_))), "{found:?}");
    let listed = world.connectors.list(&context(), &ConnectorFilter::default(), &PageRequest::default()).await;
    assert!(matches!(listed, Err(Error::StoreUnavailable(_))), "{listed:?}");
}
