//! A gate that writes down what it is told, and can be scripted to end a call.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use application::ports::{AttemptGate, Credential, Passed};
use async_trait::async_trait;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::Attempt;

#[derive(Default)]
pub(crate) struct Gate {
    /// The attempt that is not let go.
    pub(crate) deny_at: Option<u32>,
    /// The attempt after which the call is ended.
    pub(crate) stop_after: Option<u32>,
    /// Whether waiting is pointless from the beginning.
    pub(crate) interrupted: bool,
    /// How long an attempt is held up.
    pub(crate) hold: Duration,
    /// What `Authorization` reads after a renewal.
    pub(crate) renewed: Option<&'static str>,
    /// How often a renewal was asked for.
    pub(crate) renewals: AtomicU32,
    pub(crate) told: Mutex<Vec<(Attempt, bool)>>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Vec<(Attempt, bool)>> {
        self.told.lock().expect("not poisoned")
    }

    /// What was told, in order.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.lock().iter().map(|(attempt, _)| attempt.clone()).collect()
    }

    /// After which attempts another one was announced.
    pub(crate) fn announced(&self) -> Vec<bool> {
        self.lock().iter().map(|(_, retrying)| *retrying).collect()
    }

    pub(crate) fn codes(&self) -> Vec<Option<ErrorCode>> {
        self.attempts().iter().map(|attempt| attempt.error.as_ref().map(|(code, _)| *code)).collect()
    }
}

pub(crate) fn disabled() -> Failure {
    Failure::new(ErrorCode::ConnectorDisabled, "the connector was disabled")
}

pub(crate) fn shutting_down() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the service is shutting down")
}

#[async_trait]
impl AttemptGate for Gate {
    async fn before(&self, number: u32) -> Result<Passed, Failure> {
        tokio::time::sleep(self.hold).await;
        if self.deny_at == Some(number) { Err(disabled()) } else { Ok(Passed::default()) }
    }

    async fn after(&self, attempt: Attempt, _failure: Option<&Failure>, retrying: bool) -> Result<(), Failure> {
        let number = attempt.number;
        self.lock().push((attempt, retrying));
        if self.stop_after == Some(number) { Err(disabled()) } else { Ok(()) }
    }

    async fn renewed_credential(&self) -> Option<Credential> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        self.renewed.map(|value| Credential::Header("Authorization".to_owned(), value.into()))
    }

    async fn interrupted(&self) -> Failure {
        if self.interrupted { shutting_down() } else { std::future::pending().await }
    }
}
