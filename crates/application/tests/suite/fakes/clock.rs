//! A clock that stands still until it is told to move.

use std::sync::Mutex;

use application::ports::Clock;
use chrono::{DateTime, TimeDelta, Utc};

pub(crate) struct SteppableClock(Mutex<DateTime<Utc>>);

impl SteppableClock {
    pub(crate) fn advance(&self, seconds: i64) {
        *self.0.lock().expect("not poisoned") += TimeDelta::seconds(seconds);
    }
}

impl Default for SteppableClock {
    fn default() -> Self {
        Self(Mutex::new("2026-01-31T04:05:00.000001Z".parse().expect("a time")))
    }
}

impl Clock for SteppableClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("not poisoned")
    }
}
