//! The journal of calls: writes in groups. What calls want to write while one group is being committed gathers and is
//! committed as the next: no write waits for company, and one that is alone is committed at once.
//!
//! The guarantee: whoever is told that a write was kept has it on disk. A write is refused when its call is not this
//! process's any more. A write that failed is not kept, or is one that may be kept twice without harm; an intent that
//! may have been kept although its caller was told that it failed is taken away again before anybody else can be.

mod entry;
mod group;
mod once;
mod postgres;
mod sqlite;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::error::StorageError;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{Attempt, CallIntent, Completion, Outcome};
use domain::lease::Premise;
use domain::repository::{Begun, CallJournal, IntegrationLogRepository, Recorded, StorageResult};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use self::entry::{Entry, Write};
use self::group::{Broken, Kept, Written};
pub(super) use self::postgres::Line;
use super::SqlStorage;
use super::columns::{Id, Timestamp};
use super::connector::Known;
use super::engine::{Pool, fetch};

/// The most writes in one group. Callers wait for the whole group, and statements are not to grow without bound.
const LARGEST_GROUP: usize = 256;

/// For how long an intent that may have been kept by mistake is looked for: longer than any statement runs on.
const DOUBT: Duration = Duration::from_secs(15);

/// How long is waited for a group to take such intents away with.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection that breaks within this time is replaced and the group written again; callers wait no longer for one
/// that hangs.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Where writes are handed in. Clones hand in at the same place.
#[derive(Clone)]
pub(super) struct Journal {
    entries: mpsc::UnboundedSender<Entry>,
    end: Arc<Notify>,
}

impl Journal {
    /// A journal that writes with `writer` until the last clone is gone.
    pub(super) fn start(writer: Writer) -> Self {
        let (entries, receiver) = mpsc::unbounded_channel();
        let end = Arc::new(Notify::new());
        let keeping = Keeper { writer, doubtful: VecDeque::new() }.run(receiver, Arc::clone(&end));
        tokio::spawn(keeping);
        Self { entries, end }
    }

    /// Ends it and its connection, after the group under way.
    pub(super) async fn close(&self) {
        self.end.notify_one();
        self.entries.closed().await;
    }

    /// Whether it still writes. It does not when it was closed, or panicked: then no call is begun any more, and only a
    /// new process helps.
    pub(super) fn check(&self) -> StorageResult<()> {
        if self.entries.is_closed() { Err(ended()) } else { Ok(()) }
    }

    /// What was kept; `None` when it was refused.
    async fn write(&self, write: Write) -> StorageResult<Option<Kept>> {
        let (answer, answered) = oneshot::channel();
        self.entries.send(Entry { write, answer }).map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// The connections that groups are written with.
pub(super) enum Writer {
    /// Of their own, with settings of their own.
    Postgres(Box<Line>),
    /// The one writer of the file.
    Sqlite(Pool),
}

impl Writer {
    /// Commits a group.
    async fn write(&mut self, group: &[Entry], doubtful: &[LogId]) -> Result<Written, Broken> {
        match self {
            Self::Postgres(line) => line.write(group, doubtful).await,
            Self::Sqlite(pool) => sqlite::write(pool, group, doubtful).await,
        }
    }
}

struct Keeper {
    writer: Writer,
    /// Intents that may have been kept although their callers were told that they failed.
    doubtful: VecDeque<(LogId, Instant)>,
}

impl Keeper {
    async fn run(mut self, mut entries: mpsc::UnboundedReceiver<Entry>, end: Arc<Notify>) {
        let mut group = Vec::new();
        loop {
            let gathering = entries.recv_many(&mut group, LARGEST_GROUP);
            // What may have been kept by mistake is taken away also when nobody writes any more.
            let again = if self.doubtful.is_empty() { Duration::MAX } else { PAUSE };
            let gathered = tokio::select! {
                gathered = timeout(again, gathering) => gathered,
                () = end.notified() => return,
            };
            if gathered == Ok(0) {
                return;
            }
            let gathered = std::mem::take(&mut group);
            if let Err(why) = self.commit(gathered).await {
                // Those who came meanwhile have waited long enough for a store that is away.
                while let Ok(entry) = entries.try_recv() {
                    entry.answer(Err(StorageError::Unavailable(why.clone().into())));
                }
            }
        }
    }

    /// Commits a group and answers it; the error is that the store is away.
    async fn commit(&mut self, group: Vec<Entry>) -> Result<(), String> {
        let started = Instant::now();
        let mut again = true;
        let broken = loop {
            let doubtful: Vec<LogId> = self.doubtful.iter().map(|(id, _)| *id).collect();
            let asked = Instant::now();
            let written = self.writer.write(&group, &doubtful).await;
            crate::metrics::journal_committed(group.len(), asked.elapsed());
            match written {
                Ok(written) => {
                    self.doubtful.retain(|(_, since)| since.elapsed() < DOUBT);
                    self.answer(group, &written);
                    return Ok(());
                }
                Err(broken @ Broken::Connection(_)) => {
                    self.doubt(&group);
                    // It broke at once, as it does when the server is restarted: the next one may be sound.
                    if !again || started.elapsed() > AT_ONCE {
                        break broken;
                    }
                    again = false;
                }
                Err(broken) => break broken,
            }
        };
        match broken {
            Broken::Away(why) | Broken::Connection(why) => {
                let why = why.to_string();
                for entry in group {
                    entry.answer(Err(StorageError::Unavailable(why.clone().into())));
                }
                Err(why)
            }
            Broken::Refused(error) if group.len() == 1 => {
                for entry in group {
                    entry.answer(Err(unwritable(&error)));
                }
                Ok(())
            }
            Broken::Refused(_) => {
                // One of them cannot be written, whatever the store is asked; the others are not to suffer from it.
                let mut group = group.into_iter();
                while let Some(entry) = group.next() {
                    if let Err(why) = Box::pin(self.commit(vec![entry])).await {
                        for entry in group {
                            entry.answer(Err(StorageError::Unavailable(why.clone().into())));
                        }
                        return Err(why);
                    }
                }
                Ok(())
            }
        }
    }

    fn answer(&mut self, group: Vec<Entry>, written: &Written) {
        for entry in group {
            let kept = written.of(&entry.write);
            if kept.is_some()
                && let Write::Begin { intent, .. } = &entry.write
            {
                let id = intent.id;
                self.doubtful.retain(|(doubtful, _)| *doubtful != id);
            }
            entry.answer(Ok(kept));
        }
    }

    /// Whether the group was kept is not known. Its attempts and outcomes may be written again; its intents must not
    /// stay where their callers are told that they failed.
    fn doubt(&mut self, group: &[Entry]) {
        let now = Instant::now();
        for entry in group {
            if let Write::Begin { intent, .. } = &entry.write {
                self.doubtful.push_back((intent.id, now));
            }
        }
    }
}

fn ended() -> StorageError {
    StorageError::Unavailable("the journal of calls has ended".into())
}

fn unwritable(error: &StorageError) -> StorageError {
    StorageError::unreadable(format!("writing about a call: {}", application::error::Causes(error)))
}

#[async_trait]
impl CallJournal for SqlStorage {
    async fn begin_call(&self, intent: &CallIntent, premise: &Premise) -> StorageResult<Begun> {
        let write = Write::Begin { intent: Box::new(intent.clone()), premise: *premise };
        let kept = self.journal.write(write).await?;
        Ok(kept.map_or(Begun::Refused, |Kept { paused }| Begun::InProgress { paused }))
    }

    async fn skip_call(&self, intent: &CallIntent, completion: &Completion) -> StorageResult<()> {
        let ended = Box::new((intent.clone(), completion.clone()));
        match self.journal.write(Write::Skip(ended)).await? {
            Some(_) => Ok(()),
            None => Err(StorageError::unreadable("a call that was skipped was refused")),
        }
    }

    async fn is_enabled_since(
        &self,
        connector: ConnectorId,
        switched_at: Option<DateTime<Utc>>,
    ) -> StorageResult<bool> {
        let sql = "SELECT id FROM connectors WHERE id = $1 AND status = 'Enabled' AND status_changed_at = $2 \
             AND deleted_at IS NULL";
        let switched_at = switched_at.map(Timestamp);
        Ok(!fetch!(&mut self.pool.reader().await?, Known, sql, Id(connector.as_uuid()), switched_at)?.is_empty())
    }

    async fn record_attempt(&self, call: LogId, attempt: &Attempt) -> StorageResult<Recorded> {
        let kept = self.journal.write(Write::Attempt { call, attempt: Box::new(attempt.clone()) }).await?;
        Ok(if kept.is_some() { Recorded::Kept } else { Recorded::Refused })
    }

    async fn complete_call(&self, outcome: &Arc<Outcome>) -> StorageResult<Recorded> {
        if self.journal.write(Write::Complete(Arc::clone(outcome))).await?.is_some() {
            return Ok(Recorded::Kept);
        }
        self.kept_before(outcome).await
    }
}

impl SqlStorage {
    /// Perhaps an outcome that is refused was kept before, and only the answer was lost.
    async fn kept_before(&self, outcome: &Outcome) -> StorageResult<Recorded> {
        let log = self.find_log(outcome.call).await?.map(|page| page.log);
        let known = log.and_then(|log| log.completion);
        let same = known.is_some_and(|known| {
            (known.status, known.completed_at) == (outcome.completion.status, outcome.completion.completed_at)
        });
        Ok(if same { Recorded::Kept } else { Recorded::Refused })
    }
}
