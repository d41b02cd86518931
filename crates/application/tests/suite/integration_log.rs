//! Reading what calls did.

use application::connector::Precondition;
use application::context::RequestContext;
use application::error::Error;
use domain::connector::ConnectorDraft;
use domain::correlation::CorrelationId;
use domain::id::LogId;
use domain::integration_log::{IntegrationStatus, LogFilter, LogOrder, LogPosition};
use domain::page::{PageRequest, PageSize};
use uuid::Uuid;

use crate::fakes::{Operation, Step};
use crate::world::{World, context, context_only, open_draft, pull, seconds};

async fn listed(world: &World, context: &RequestContext, filter: &LogFilter, order: LogOrder) -> Vec<LogId> {
    let page = world.logs.list(context, filter, order, &PageRequest::default()).await.expect("listed");
    page.items.iter().map(|log| log.intent.id).collect()
}

#[tokio::test]
async fn co_5_calls_of_a_connector_outside_the_scope_are_not_there() {
    let world = World::new();
    let visible = world.enabled(open_draft()).await;
    let hidden = world.enabled(ConnectorDraft { name: Some("hidden".to_owned()), ..open_draft() }).await;
    let seen = world.executed(visible, pull(), [Step::status(204)]).await.log.intent.id;
    let unseen = world.executed(hidden, pull(), [Step::status(204)]).await.log.intent.id;
    let service = context_only([visible]);
    let found = world.logs.find(&service, unseen).await;
    assert!(matches!(found, Err(Error::LogNotFound)), "{found:?}");
    world.logs.find(&service, seen).await.expect("found");
    let by_correlation = LogFilter { correlation_id: CorrelationId::parse("corr-12345"), ..LogFilter::default() };
    for filter in [&LogFilter::default(), &by_correlation] {
        assert_eq!(listed(&world, &service, filter, LogOrder::NewestFirst).await, [seen]);
        assert_eq!(listed(&world, &context(), filter, LogOrder::NewestFirst).await, [unseen, seen]);
    }
    let asked = LogFilter { connector_id: Some(hidden), ..LogFilter::default() };
    assert!(listed(&world, &service, &asked, LogOrder::NewestFirst).await.is_empty());
}

#[tokio::test]
async fn an_unknown_call_is_not_found() {
    let world = World::new();
    let found = world.logs.find(&context(), LogId::new(Uuid::nil())).await;
    assert!(matches!(found, Err(Error::LogNotFound)), "{found:?}");
}

#[tokio::test]
async fn a_trace_is_read_the_oldest_first_and_a_list_goes_on_behind_its_last_call() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(world.executed(id, pull(), [Step::status(204)]).await.log.intent.id);
        world.clock.advance(1);
    }
    let everything = LogFilter::default();
    assert_eq!(listed(&world, &context(), &everything, LogOrder::OldestFirst).await, calls);
    let mut page = PageRequest { size: PageSize::new(2).expect("a size"), after: None };
    let first = world.logs.list(&context(), &everything, LogOrder::NewestFirst, &page).await.expect("listed");
    assert_eq!(first.next.map(|position| position.id), Some(calls[1]));
    page.after = first.items.last().map(LogPosition::of);
    let second = world.logs.list(&context(), &everything, LogOrder::NewestFirst, &page).await.expect("listed");
    assert_eq!(second.items.iter().map(|log| log.intent.id).collect::<Vec<_>>(), [calls[0]]);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_is_seen_in_progress_with_the_attempts_it_made() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will([Step::status(503), Step::status(204)]);
    let context = context();
    let during = async {
        tokio::time::sleep(seconds(1)).await;
        let filter = LogFilter { status: Some(IntegrationStatus::InProgress), ..LogFilter::default() };
        let page = world.logs.list(&context, &filter, LogOrder::NewestFirst, &PageRequest::default()).await;
        let log = page.expect("listed").items.into_iter().next().expect("a call");
        assert_eq!((log.attempt_count, log.completion.as_ref()), (1, None));
        world.logs.find(&context, log.intent.id).await.expect("found").attempts.len()
    };
    let (executed, attempts) = tokio::join!(world.calls.execute(&context, id, pull()), during);
    assert_eq!((executed.expect("executed").log.status(), attempts), (IntegrationStatus::Success, 1));
}

#[tokio::test]
async fn the_calls_of_a_deleted_connector_stay() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    let call = world.executed(id, pull(), []).await.log.intent.id;
    world.connectors.delete(&context(), id, &Precondition::None).await.expect("deleted");
    let page = world.logs.find(&context(), call).await.expect("found");
    assert_eq!(page.log.intent.connector_name, "Company HR System");
    assert_eq!(listed(&world, &context(), &LogFilter::default(), LogOrder::NewestFirst).await, [call]);
}

#[tokio::test]
async fn logs_that_cannot_be_read_are_no_empty_list() {
    let world = World::new();
    world.storage.take_away(Operation::ListLogs);
    world.storage.take_away(Operation::FindLog);
    let (everything, first) = (LogFilter::default(), PageRequest::default());
    let listed = world.logs.list(&context(), &everything, LogOrder::NewestFirst, &first).await;
    assert!(matches!(listed, Err(Error::StoreUnavailable(_))), "{listed:?}");
    let found = world.logs.find(&context(), LogId::new(Uuid::nil())).await;
    assert!(matches!(found, Err(Error::StoreUnavailable(_))), "{found:?}");
}
