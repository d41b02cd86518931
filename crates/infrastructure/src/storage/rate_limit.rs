//! The table `rate_windows` (`docs/adr/0014-rate-windows.md`).

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::id::ConnectorId;
use domain::rate_limit::{Bucket, Permits, Window};
use domain::repository::{RateLimits, StorageResult};
use sqlx::FromRow;

use super::SqlStorage;
use super::columns::{Counts, Id, Milliseconds, Moments, Timestamp};
use super::engine::{Pool, Session, execute, fetch, only};
use super::rows::{Stored, Unreadable};

/// [`Window::take`] in SQL, as one statement: the row is locked for its length alone, so that a replica that is stopped
/// holds nobody up. What follows `DO UPDATE` is evaluated when the lock is held, on the row as it is by then, and reads
/// the clock there: a moment read before would let the permit count for as much less as the lock was waited for. The
/// first ask of a connector makes its row, empty, and is asked again; `granted` is NULL then.
const TAKE_ON_POSTGRES: &str = "INSERT INTO rate_windows AS w (connector_id, moments, permits) \
     SELECT id, '{}', '{}' FROM connectors WHERE id = $1 \
     ON CONFLICT (connector_id) DO UPDATE SET (moments, permits, asked_at, granted) = ( \
         SELECT kept.moments, kept.permits, clock.shows, given.permits \
         FROM connectors c \
         CROSS JOIN (SELECT clock_timestamp() AS shows) clock \
         CROSS JOIN LATERAL (SELECT greatest(clock.shows, w.moments[cardinality(w.moments)]) AS moment) now \
         CROSS JOIN LATERAL ( \
             SELECT coalesce(sum(b.permits), 0) AS permits FROM unnest(w.moments, w.permits) b (at, permits) \
             WHERE b.at > now.moment - interval '61 seconds' \
         ) live \
         CROSS JOIN LATERAL ( \
             SELECT CASE \
                 WHEN w.paused_until > clock.shows AND w.paused_under = c.status_changed_at THEN 0 \
                 WHEN c.rate_limit_per_minute = 0 THEN $2 \
                 ELSE least($2, greatest(c.rate_limit_per_minute - live.permits, 0)) \
             END AS permits \
         ) allowed \
         CROSS JOIN LATERAL ( \
             SELECT allowed.permits, allowed.permits > 0 AND c.rate_limit_per_minute > 0 AS counts \
         ) given \
         CROSS JOIN LATERAL ( \
             SELECT coalesce(array_agg(s.at ORDER BY s.at), '{}') AS moments, \
                 coalesce(array_agg(s.permits ORDER BY s.at), '{}') AS permits \
             FROM ( \
                 SELECT max(b.at) AS at, sum(b.permits)::integer AS permits \
                 FROM ( \
                     SELECT at, permits FROM unnest(w.moments, w.permits) u (at, permits) \
                     WHERE NOT given.counts OR at > now.moment - interval '61 seconds' \
                     UNION ALL \
                     SELECT now.moment, given.permits WHERE given.counts \
                 ) b \
                 GROUP BY date_trunc('second', b.at) \
             ) s \
         ) kept \
         WHERE c.id = w.connector_id \
     ) \
     RETURNING connector_id, moments, permits, asked_at, granted, \
         (SELECT rate_limit_per_minute FROM connectors c WHERE c.id = w.connector_id) AS rate_limit_per_minute, \
         (SELECT w.paused_until FROM connectors c \
          WHERE c.id = w.connector_id AND c.status_changed_at = w.paused_under) AS paused_until";

/// Asked and answered by [`WRITE_ON_SQLITE`] within one transaction, which holds the lock of the file from its beginning.
const READ_ON_SQLITE: &str = "SELECT c.id AS connector_id, coalesce(w.moments, '[]') AS moments, \
     coalesce(w.permits, '[]') AS permits, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') AS asked_at, w.granted, \
     c.rate_limit_per_minute, \
     CASE WHEN c.status_changed_at = w.paused_under THEN w.paused_until END AS paused_until \
     FROM connectors c LEFT JOIN rate_windows w ON w.connector_id = c.id WHERE c.id = $1";

const WRITE_ON_SQLITE: &str = "INSERT INTO rate_windows (connector_id, moments, permits, asked_at, granted) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (connector_id) DO UPDATE SET moments = excluded.moments, \
     permits = excluded.permits, asked_at = excluded.asked_at, granted = excluded.granted";

macro_rules! pause {
    ($empty:literal, $end:literal, $later:literal) => {
        concat!(
            "INSERT INTO rate_windows AS w (connector_id, moments, permits, paused_until, paused_under) SELECT id, '",
            $empty,
            "', '",
            $empty,
            "', ",
            $end,
            ", status_changed_at FROM connectors WHERE id = $1 ON CONFLICT (connector_id) DO UPDATE SET \
             paused_until = CASE WHEN w.paused_under = excluded.paused_under THEN ",
            $later,
            "(w.paused_until, excluded.paused_until) ELSE excluded.paused_until END, \
             paused_under = excluded.paused_under"
        )
    };
}

const PAUSE_ON_POSTGRES: &str = pause!("{}", "clock_timestamp() + $2 * interval '1 millisecond'", "greatest");
const PAUSE_ON_SQLITE: &str =
    pause!("[]", "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', ($2 / 1000.0) || ' seconds')", "max");

#[derive(FromRow)]
struct WindowRow {
    moments: Moments,
    permits: Counts,
    asked_at: Option<Timestamp>,
    granted: Option<i32>,
    rate_limit_per_minute: i32,
    paused_until: Option<Timestamp>,
}

/// A window as an ask finds it, and where it was given something, as it leaves it.
struct Asked {
    window: Window,
    clock: DateTime<Utc>,
    limit: u32,
    granted: Option<u32>,
}

impl TryFrom<WindowRow> for Asked {
    type Error = Unreadable;

    fn try_from(row: WindowRow) -> Result<Self, Unreadable> {
        let buckets = row.moments.0.into_iter().zip(row.permits.0);
        let buckets = buckets.map(|(at, permits)| Ok(Bucket { at, permits: permits.try_into()? }));
        let buckets = buckets.collect::<Result<_, Unreadable>>()?;
        Ok(Self {
            window: Window { buckets, paused_until: row.paused_until.map(|column| column.0) },
            clock: row.asked_at.map(|column| column.0).unwrap_or_default(),
            limit: row.rate_limit_per_minute.try_into()?,
            granted: row.granted.map(u32::try_from).transpose()?,
        })
    }
}

impl Stored for WindowRow {
    type Domain = Asked;

    const TABLE: &'static str = "rate_windows";
    const KEY: &'static str = "connector_id";

    fn read(self) -> Result<Asked, Unreadable> {
        self.try_into()
    }
}

async fn take_on_postgres(mut session: Session, connector: ConnectorId, wanted: u32) -> StorageResult<Permits> {
    loop {
        let binds = (Id(connector.as_uuid()), i64::from(wanted));
        let rows = fetch!(&mut session, WindowRow, TAKE_ON_POSTGRES, binds.0, binds.1)?;
        let Asked { window, clock, limit, granted } = only(rows, WindowRow::TABLE)?;
        if let Some(granted) = granted {
            return Ok(window.answer(clock, limit, wanted, granted));
        }
    }
}

async fn take_on_sqlite(mut transaction: Session, connector: ConnectorId, wanted: u32) -> StorageResult<Permits> {
    let id = Id(connector.as_uuid());
    let rows = fetch!(&mut transaction, WindowRow, READ_ON_SQLITE, id)?;
    let Asked { mut window, clock, limit, .. } = only(rows, WindowRow::TABLE)?;
    let granted = window.take(clock, limit, wanted);
    let moments = Moments(window.buckets.iter().map(|bucket| bucket.at).collect());
    let permits = Counts(window.buckets.iter().map(|bucket| bucket.permits.try_into().unwrap_or(i32::MAX)).collect());
    execute!(&mut transaction, WRITE_ON_SQLITE, id, moments, permits, Timestamp(clock), i64::from(granted))?;
    transaction.commit().await?;
    Ok(window.answer(clock, limit, wanted, granted))
}

#[async_trait]
impl RateLimits for SqlStorage {
    async fn take_permits(&self, connector: ConnectorId, wanted: u32) -> StorageResult<Permits> {
        let permits = match &self.pool {
            Pool::Postgres(_) => take_on_postgres(self.pool.writer().await?, connector, wanted).await?,
            Pool::Sqlite { .. } => take_on_sqlite(self.pool.transaction().await?, connector, wanted).await?,
        };
        if permits.granted < wanted {
            crate::metrics::permits_denied(connector, wanted - permits.granted);
        }
        Ok(permits)
    }

    async fn pause(&self, connector: ConnectorId, length: Duration) -> StorageResult<()> {
        let sql = match &self.pool {
            Pool::Postgres(_) => PAUSE_ON_POSTGRES,
            Pool::Sqlite { .. } => PAUSE_ON_SQLITE,
        };
        execute!(&mut self.pool.writer().await?, sql, Id(connector.as_uuid()), Milliseconds(length))?;
        Ok(())
    }
}
