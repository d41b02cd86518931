use std::time::{Duration, Instant};

use domain::error::StorageError;
use domain::repository::{Begun, CallJournal, ConnectorRepository, Storage};
use infrastructure::storage::{DatabaseUrl, SqlStorage, StorageOptions};
use sqlx::{Connection, SqliteConnection};
use test_support::{Engine, TestDatabase};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::samples::{begin, complete, connector_id, intent, log_id, outcome, premise, register_enabled, success};

/// A store on a PostgreSQL that is not one.
async fn unavailable(port: u16) -> SqlStorage {
    let url = DatabaseUrl::parse(&format!("postgres://nobody@127.0.0.1:{port}/nothing")).expect("a URL");
    let options = StorageOptions { acquire_timeout: Duration::from_millis(300), ..StorageOptions::default() };
    SqlStorage::connect(&url, &options).await.expect("nothing is connected to yet")
}

async fn assert_unavailable_soon(storage: &SqlStorage) {
    let started = Instant::now();
    let refused = storage.begin_call(&intent(1, 1), &premise()).await;
    assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
    assert!(storage.check().await.is_err());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_unavailable_within_the_acquire_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    assert_unavailable_soon(&unavailable(port).await).await;
}

#[tokio::test]
async fn du_3_a_server_that_never_answers_is_unavailable_within_the_acquire_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    assert_unavailable_soon(&unavailable(port).await).await;
}

/// A network before `server` that can be told to forget its connections: they stay open, and nothing arrives any more.
async fn network(server: String) -> (u16, watch::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (forget, forgotten) = watch::channel(());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let mut upstream = TcpStream::connect(&server).await.expect("the server");
            let mut forgotten = forgotten.clone();
            forgotten.mark_unchanged();
            open.push(tokio::spawn(async move {
                tokio::select! {
                    _ended = copy_bidirectional(&mut client, &mut upstream) => {}
                    _asked = forgotten.changed() => std::future::pending().await,
                }
            }));
        }
    });
    (port, forget)
}

#[tokio::test]
async fn connections_that_a_network_forgets_are_given_up_and_replaced() {
    let database = TestDatabase::start(Engine::Postgres).await;
    register_enabled(&database.storage().await, 1, "One").await;
    let (user, rest) = database.url().split_once('@').expect("a user");
    let (server, name) = rest.split_once('/').expect("a database");
    let (port, forget) = network(server.to_owned()).await;
    let url = DatabaseUrl::parse(&format!("{user}@127.0.0.1:{port}/{name}")).expect("a URL");
    let one = StorageOptions { max_connections: 1, ..StorageOptions::default() };
    let storage = SqlStorage::connect(&url, &one).await.expect("open");
    begin(&storage, &intent(1, 1)).await;

    forget.send(()).expect("the network is there");
    let started = Instant::now();
    // The network takes a moment.
    for number in 100.. {
        match storage.begin_call(&intent(number, 1), &premise()).await {
            Ok(_) => assert!(number < 10_000, "it does not forget"),
            Err(StorageError::Unavailable(_)) => break,
            Err(other) => panic!("{other:?}"),
        }
    }
    // The connection was lost: that there is one again shows that nothing waits for the old one for ever.
    let healed = loop {
        match storage.begin_call(&intent(3, 1), &premise()).await {
            Ok(begun) => break begun,
            Err(StorageError::Unavailable(_)) => {
                assert!(started.elapsed() < Duration::from_secs(20), "it does not heal");
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(healed, Begun::InProgress { paused: false });
}

#[tokio::test]
async fn connections_that_are_killed_are_replaced() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    for round in 0..5 {
        database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        for call in 0..5 {
            let answer = storage.begin_call(&intent(round * 10 + call, 1), &premise()).await;
            assert!(matches!(answer, Ok(_) | Err(StorageError::Unavailable(_))), "{answer:?}");
        }
    }
    // The pool held five connections at most, so that by now every one is new.
    begin(&storage, &intent(99, 1)).await;
}

#[tokio::test]
async fn a_transaction_that_is_killed_is_unavailable_and_undone() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let storage = database.storage().await;
    let connector = register_enabled(&storage, 1, "One").await;
    let mut unit = storage.begin().await.expect("begun");
    unit.connector(connector.id).await.expect("read");
    database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    let committed = unit.commit().await;
    assert!(matches!(committed, Err(StorageError::Unavailable(_))), "{committed:?}");
}

#[tokio::test]
async fn a_file_that_another_process_keeps_locked_is_unavailable_to_writers_alone() {
    let database = TestDatabase::start(Engine::Sqlite).await;
    register_enabled(&database.storage().await, 1, "One").await;
    let options = StorageOptions { busy_timeout: Duration::from_millis(200), ..StorageOptions::default() };
    let url = DatabaseUrl::parse(database.url()).expect("a URL");
    let storage = SqlStorage::connect(&url, &options).await.expect("open");

    let mut other = SqliteConnection::connect(database.url()).await.expect("open");
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
    for refused in [storage.begin_call(&intent(1, 1), &premise()).await.map(drop), storage.begin().await.map(drop)] {
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
    }
    storage.find_connector(connector_id(1)).await.expect("readers do not wait").expect("it");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("released");
    begin(&storage, &intent(1, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_writers_of_one_file_all_get_their_turn() {
    let database = TestDatabase::start(Engine::Sqlite).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    let mut writers = JoinSet::new();
    for number in 0..300 {
        let storage = storage.clone();
        writers.spawn(async move {
            begin(&storage, &intent(number, 1)).await;
            complete(&storage, number, &success()).await;
        });
    }
    writers.join_all().await;
    let counted = database.rows("SELECT count(*) FROM integration_logs WHERE status = 'Success'").await;
    assert_eq!(counted, [["300"]]);
}

#[tokio::test]
async fn work_that_is_given_up_half_way_leaves_a_store_that_works() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let database = TestDatabase::start(engine).await;
        let storage = database.storage().await;
        register_enabled(&storage, 1, "One").await;
        for number in 0..20 {
            begin(&storage, &intent(number, 1)).await;
            // Dropped at whichever await it has reached by then.
            let patience = Duration::from_micros(u64::try_from(number).expect("small") * 150);
            let completion = success();
            let payloads = domain::integration_log::Payloads::default();
            let ended = outcome(log_id(number), "/employees", &completion, None, &payloads);
            let work = storage.complete_call(&ended);
            let _late = tokio::time::timeout(patience, work).await;
        }
        for number in 0..20 {
            complete(&storage, number, &success()).await;
        }
        let counted = database.rows("SELECT count(*) FROM integration_logs WHERE status = 'Success'").await;
        assert_eq!(counted, [["20"]], "{engine:?}");
    }
}
