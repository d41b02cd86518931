//! Permits and pauses, by a clock that goes with tokio's.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::error::StorageError;
use domain::id::ConnectorId;
use domain::rate_limit::{Permits, Window};
use domain::repository::{RateLimits, StorageResult};
use tokio::time::Instant;

use super::{MemoryStorage, Operation, State};

/// What the store knows about the limits of its connectors.
#[derive(Default)]
pub(super) struct Limited {
    since: Option<Instant>,
    windows: HashMap<ConnectorId, Window>,
    /// The switching under which a pause was asked for.
    paused_under: HashMap<ConnectorId, Option<DateTime<Utc>>>,
    /// How many were asked for, ask by ask.
    asks: Vec<u32>,
}

impl Limited {
    fn clock(&mut self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.since.get_or_insert_with(Instant::now).elapsed()
    }
}

impl State {
    pub(super) fn is_paused(&mut self, connector: ConnectorId) -> bool {
        let switched_at = self.terms(connector).ok().map(|(_, switched_at)| switched_at);
        let clock = self.limited.clock();
        let paused_until = self.limited.windows.get(&connector).and_then(|window| window.paused_until);
        self.limited.paused_under.get(&connector).copied() == switched_at && paused_until > Some(clock)
    }

    fn terms(&self, connector: ConnectorId) -> StorageResult<(u32, Option<DateTime<Utc>>)> {
        let row = self.tables.connectors.get(&connector);
        let row = row.ok_or_else(|| StorageError::unreadable("no such connector"))?;
        Ok((row.connector.settings.rate_limit_per_minute, row.connector.switch.changed_at()))
    }
}

impl MemoryStorage {
    /// How many permits were asked for, ask by ask.
    pub(crate) fn asks(&self) -> Vec<u32> {
        self.state().limited.asks.clone()
    }
}

#[async_trait]
impl RateLimits for MemoryStorage {
    async fn take_permits(&self, connector: ConnectorId, wanted: u32) -> StorageResult<Permits> {
        // Those who come at the same time are waiting by the time the store sees the ask.
        tokio::task::yield_now().await;
        let mut state = self.enter(Operation::TakePermits)?;
        let (limit, switched_at) = state.terms(connector)?;
        let clock = state.limited.clock();
        let paused_under = state.limited.paused_under.get(&connector).copied();
        state.limited.asks.push(wanted);
        let window = state.limited.windows.entry(connector).or_default();
        if paused_under != Some(switched_at) {
            window.paused_until = None;
        }
        let granted = window.take(clock, limit, wanted);
        Ok(window.answer(clock, limit, wanted, granted))
    }

    async fn pause(&self, connector: ConnectorId, length: Duration) -> StorageResult<()> {
        let mut state = self.enter(Operation::Pause)?;
        let (_, switched_at) = state.terms(connector)?;
        let end = state.limited.clock() + length;
        let before = state.limited.paused_under.insert(connector, switched_at);
        let window = state.limited.windows.entry(connector).or_default();
        let old = window.paused_until.filter(|_| before == Some(switched_at));
        window.paused_until = old.max(Some(end));
        Ok(())
    }
}
