//! The log of calls beside what arrived: no hit without a row, and no more hits than attempts (RT-11).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use test_support::TestDatabase;

use super::upstream::Hit;

/// How often is looked whether calls have ended.
const PAUSE: Duration = Duration::from_millis(100);

/// One row of the log.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) correlation: String,
    pub(crate) method: String,
    pub(crate) status: String,
    /// `-` where there is none.
    pub(crate) code: String,
    pub(crate) attempts: usize,
    /// From the beginning to the recorded end.
    pub(crate) duration: Duration,
}

/// All rows, as the database has them.
pub(crate) async fn rows(database: &TestDatabase) -> Vec<Row> {
    let sql = "SELECT correlation_id, http_method, status, error_code, CAST(attempt_count AS TEXT), \
         CAST(coalesce(duration_ms, 0) AS TEXT) FROM integration_logs ORDER BY started_at, id";
    let read = |row: Vec<String>| {
        let [correlation, method, status, code, attempts, duration] = row.try_into().expect("six columns");
        let duration = Duration::from_millis(duration.parse().expect("milliseconds"));
        Row { correlation, method, status, code, attempts: attempts.parse().expect("a number"), duration }
    };
    database.rows(sql).await.into_iter().map(read).collect()
}

/// How many calls are in progress.
pub(crate) async fn in_progress(database: &TestDatabase) -> usize {
    let sql = "SELECT CAST(count(*) AS TEXT) FROM integration_logs WHERE status = 'InProgress'";
    database.rows(sql).await[0][0].parse().expect("a number")
}

/// Waits until no call is in progress; answers how long it took.
pub(crate) async fn wait_until_all_have_ended(database: &TestDatabase, patience: Duration) -> Duration {
    let since = Instant::now();
    loop {
        let left = in_progress(database).await;
        if left == 0 {
            return since.elapsed();
        }
        assert!(since.elapsed() < patience, "{left} calls are in progress after {patience:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Compares the two by correlation id; answers the hits of every row. A call has one row, every hit has one, no row has
/// more hits than attempts, and a request that is not safe to repeat arrived once at most.
pub(crate) fn reconcile(hits: &[Hit], rows: &[Row]) -> HashMap<String, usize> {
    let mut hits_of: HashMap<String, usize> = rows.iter().map(|row| (row.correlation.clone(), 0)).collect();
    assert_eq!(hits_of.len(), rows.len(), "two rows of one call");
    for hit in hits {
        let correlation = hit.header("x-correlation-id").expect("a correlation id");
        *hits_of.get_mut(correlation).unwrap_or_else(|| panic!("a hit without a row: {correlation}")) += 1;
    }
    for row in rows {
        let hits = hits_of[&row.correlation];
        assert!(hits <= row.attempts, "{hits} hits of {row:?}");
        assert!(hits <= 1 || !matches!(row.method.as_str(), "POST" | "PATCH"), "{hits} hits of {row:?}");
    }
    hits_of
}
