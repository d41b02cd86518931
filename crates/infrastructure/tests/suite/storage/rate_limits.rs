//! Permits and pauses, by the store's clock (RL-1, RL-2, RT-7). Time passes here by moving what the store remembers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::audit::Act;
use domain::connector::{Connector, ConnectorDraft};
use domain::error::StorageError;
use domain::rate_limit::{Bucket, MAX_PAUSE, Permits, Window};
use domain::repository::{ConnectorRepository, RateLimits, Storage};
use domain::retry::WaitReason;
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::TestDatabase;
use tokio::task::JoinSet;

use super::samples::{act, connector_id, draft, moment, register};

/// An enabled connector with that limit.
async fn limited(storage: &SqlStorage, number: u128, limit: u32) -> Connector {
    let given = ConnectorDraft { rate_limit_per_minute: Some(limit.into()), ..draft(&format!("C {number}")) };
    let connector = register(storage, number, given.parse().expect("valid")).await.expect("registered");
    switch(storage, &connector, 0).await;
    connector
}

/// Turns the connector on or off, so many seconds after [`moment`]`(0)`.
async fn switch(storage: &SqlStorage, connector: &Connector, seconds: i64) {
    let connector = storage.find_connector(connector.id).await.expect("read").expect("it");
    let then = Act { at: moment(seconds * 1_000_000), ..act("ana") };
    let change = connector.clone().enable(None, &then).or_else(|| connector.disable(None, &then)).expect("a change");
    let mut unit = storage.begin().await.expect("begun");
    unit.save(&change).await.expect("saved");
    unit.commit().await.expect("committed");
}

async fn set_limit(database: &TestDatabase, limit: u32) {
    database.execute(&format!("UPDATE connectors SET rate_limit_per_minute = {limit}")).await;
}

/// So much time passes.
async fn pass(database: &TestDatabase, engine: Engine, milliseconds: u32) {
    let aged = match engine {
        Sqlite => format!(
            "UPDATE rate_windows SET paused_until = {}, moments = \
             (SELECT json_group_array({}) FROM (SELECT value FROM json_each(moments) ORDER BY key))",
            earlier("paused_until", milliseconds),
            earlier("value", milliseconds)
        ),
        Postgres => format!(
            "UPDATE rate_windows SET paused_until = paused_until - interval '{milliseconds} milliseconds', \
             moments = ARRAY(SELECT m - interval '{milliseconds} milliseconds' FROM unnest(moments) m ORDER BY 1)"
        ),
    };
    database.execute(&aged).await;
}

/// SQLite's times have three digits of their six after the second.
fn earlier(column: &str, milliseconds: u32) -> String {
    let seconds = f64::from(milliseconds) / 1_000.0;
    format!("strftime('%Y-%m-%dT%H:%M:%f000Z', {column}, '-{seconds:.3} seconds')")
}

/// The buckets in the store.
async fn buckets(database: &TestDatabase, engine: Engine) -> Vec<Bucket> {
    let sql = match engine {
        Sqlite => {
            "SELECT m.value, CAST(p.value AS TEXT) FROM rate_windows, json_each(moments) m \
             JOIN json_each(permits) p ON p.key = m.key ORDER BY m.key"
        }
        Postgres => {
            "SELECT to_char(u.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), u.permits::text \
             FROM rate_windows, unnest(moments, permits) WITH ORDINALITY u (at, permits, n) ORDER BY u.n"
        }
    };
    let rows = database.rows(sql).await;
    rows.iter().map(|row| Bucket { at: time(&row[0]), permits: row[1].parse().expect("a number") }).collect()
}

/// What the clock of the store showed at the last ask.
async fn clock(database: &TestDatabase, engine: Engine) -> DateTime<Utc> {
    let sql = match engine {
        Sqlite => "SELECT asked_at FROM rate_windows",
        Postgres => {
            "SELECT to_char(asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM rate_windows"
        }
    };
    time(&database.rows(sql).await[0][0])
}

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

async fn take(storage: &SqlStorage, wanted: u32) -> Permits {
    storage.take_permits(connector_id(1), wanted).await.expect("an answer")
}

#[rstest]
#[tokio::test]
async fn rl_1_the_store_gives_exactly_what_the_arithmetic_of_the_domain_gives(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    limited(&storage, 1, 60).await;
    // Numbers that look random, the same in every run.
    let mut state = 12_345_u32;
    let mut below = |end: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % end
    };
    let mut limit = 60;
    let mut closed = 0;
    for step in 0..150 {
        if below(10) == 0 {
            limit = below(80);
            set_limit(&database, limit).await;
        }
        // Whole seconds, so that what was one bucket stays one, and two stay two.
        let scale = [1, 2, 2, 40][below(4) as usize];
        pass(&database, engine, below(scale) * 1_000).await;
        let wanted = below(40);

        let mut window = Window { buckets: buckets(&database, engine).await, paused_until: None };
        let answer = take(&storage, wanted).await;
        let now = clock(&database, engine).await;
        let granted = window.take(now, limit, wanted);
        assert_eq!(answer, window.answer(now, limit, wanted, granted), "step {step}");
        assert_eq!(buckets(&database, engine).await, window.buckets, "step {step}");
        closed += u32::from(answer.closed.is_some());
    }
    assert!(closed > 20, "the limit was met {closed} times");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rl_1_replicas_that_ask_at_the_same_time_get_no_more_than_the_limit(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let replicas = [database.storage().await, database.storage().await, database.storage().await];
    limited(&replicas[0], 1, 60).await;
    for (passes, expected) in [(0, 60), (60_000, 0), (1_000, 60)] {
        pass(&database, engine, passes).await;
        let mut asks = JoinSet::new();
        for number in 0..60 {
            let storage = replicas[number % 3].clone();
            asks.spawn(async move { take(&storage, 1 + u32::try_from(number % 4).expect("small")).await.granted });
        }
        let granted: u32 = asks.join_all().await.into_iter().sum();
        assert_eq!(granted, expected, "after {passes} ms");
    }
}

#[rstest]
#[tokio::test]
async fn rl_1_a_change_of_the_limit_is_in_force_at_once_and_gives_no_extra_burst(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    limited(&storage, 1, 60).await;
    assert_eq!(take(&storage, 40).await, Permits { granted: 40, closed: None });
    for (limit, granted) in [(50, 10), (20, 0), (60, 10), (0, 64), (61, 1), (100_000, 64)] {
        set_limit(&database, limit).await;
        assert_eq!(take(&storage, 64).await.granted, granted, "a limit of {limit}");
    }
}

#[rstest]
#[tokio::test]
async fn rl_3_the_store_says_after_how_long_there_is_a_permit(#[values(Sqlite, Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    limited(&storage, 1, 2).await;
    assert_eq!(take(&storage, 2).await.closed, None);
    pass(&database, engine, 20_000).await;
    let closed = take(&storage, 1).await.closed.expect("the limit is met");
    assert_eq!(closed.reason, WaitReason::RateLimit);
    // Of the 61 s of the window, 20 have passed, and a little more by itself.
    assert!(closed.opens_after <= Duration::from_secs(41), "{closed:?}");
    assert!(closed.opens_after > Duration::from_secs(31), "{closed:?}");
    pass(&database, engine, u32::try_from(closed.opens_after.as_millis()).expect("short") + 1).await;
    assert_eq!(take(&storage, 1).await.granted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rl_1_the_clock_is_read_when_the_row_is_held() {
    let database = TestDatabase::start(Postgres).await;
    let storage = database.storage().await;
    limited(&storage, 1, 60).await;
    take(&storage, 1).await;
    database.execute("CREATE TABLE releases (at TIMESTAMPTZ)").await;
    let asking = async {
        while database.rows("SELECT 1::text FROM pg_locks WHERE relation = 'releases'::regclass").await.is_empty() {}
        take(&storage, 1).await
    };
    // The row is let go with nothing changed in it: whoever waited for it goes on with what it had, if it could.
    let holding = database.execute(
        "BEGIN; SELECT 1 FROM rate_windows FOR UPDATE; LOCK TABLE releases IN ROW EXCLUSIVE MODE; \
         SELECT pg_sleep(0.6); INSERT INTO releases SELECT clock_timestamp(); COMMIT",
    );
    let ((), asked) = tokio::join!(holding, asking);
    assert_eq!(asked.granted, 1);
    let waited = database.rows("SELECT (asked_at > at)::text FROM rate_windows, releases").await;
    assert_eq!(waited, [["true"]]);
}

#[rstest]
#[tokio::test]
async fn rl_2_an_ask_that_is_given_up_half_way_holds_nobody_up(#[values(Sqlite, Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let (one, two) = (database.storage().await, database.storage().await);
    limited(&one, 1, 1_000).await;
    let mut granted = 0;
    for patience in 0..40 {
        // Dropped at whichever await it has reached by then.
        let _late =
            tokio::time::timeout(Duration::from_micros(patience * 100), one.take_permits(connector_id(1), 1)).await;
        granted += take(&two, 1).await.granted;
    }
    assert_eq!(granted, 40);
    let counted: u32 = buckets(&database, engine).await.iter().map(|bucket| bucket.permits).sum();
    assert!((40..=80).contains(&counted), "what was given up may be lost, never given twice: {counted}");
}

#[rstest]
#[tokio::test]
async fn rt_7_a_pause_holds_for_every_replica_until_its_end(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(0, 60)] limit: u32,
) {
    let database = TestDatabase::start(engine).await;
    let (one, two) = (database.storage().await, database.storage().await);
    let connector = limited(&one, 1, limit).await;
    one.pause(connector.id, Duration::from_millis(90_500)).await.expect("paused");
    two.pause(connector.id, Duration::from_secs(5)).await.expect("a shorter one changes nothing");
    let answer = take(&two, 3).await;
    let closed = answer.closed.expect("paused");
    assert_eq!((answer.granted, closed.reason), (0, WaitReason::Paused));
    assert!(closed.opens_after <= Duration::from_millis(90_501), "{closed:?}");
    assert!(closed.opens_after > Duration::from_secs(80), "{closed:?}");
    assert_eq!(
        database.rows("SELECT CAST(connector_id AS TEXT) FROM paused_connectors").await,
        [[connector.id.to_string()]]
    );
    pass(&database, engine, 90_501).await;
    assert_eq!(take(&two, 3).await, Permits { granted: 3, closed: None });
    assert!(database.rows("SELECT CAST(connector_id AS TEXT) FROM paused_connectors").await.is_empty());
}

#[rstest]
#[tokio::test]
async fn rt_7_a_real_enabling_ends_a_pause_and_gives_no_permits_back(#[values(Sqlite, Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let connector = limited(&storage, 1, 10).await;
    assert_eq!(take(&storage, 4).await.granted, 4);
    storage.pause(connector.id, MAX_PAUSE).await.expect("paused");
    assert_eq!(take(&storage, 1).await.granted, 0);
    switch(&storage, &connector, 1).await;
    switch(&storage, &connector, 2).await;
    assert_eq!(take(&storage, 10).await.granted, 6);
    // One that is asked for after it holds, also where it is shorter.
    storage.pause(connector.id, Duration::from_secs(30)).await.expect("paused");
    let closed = take(&storage, 1).await.closed.expect("paused");
    assert!(closed.opens_after <= Duration::from_secs(61), "{closed:?}");
    pass(&database, engine, 61_000).await;
    assert_eq!(take(&storage, 10).await.granted, 10);
}

#[rstest]
#[tokio::test]
async fn a_connector_that_never_was_has_no_permits(#[values(Sqlite, Postgres)] engine: Engine) {
    let storage = TestDatabase::start(engine).await;
    let storage = storage.storage().await;
    let refused = storage.take_permits(connector_id(7), 1).await;
    assert!(matches!(refused, Err(StorageError::Failed { .. })), "{refused:?}");
    storage.pause(connector_id(7), Duration::from_secs(1)).await.expect("nothing to pause");
}
