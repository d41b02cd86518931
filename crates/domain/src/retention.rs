//! What is removed by its age, and the entry of the audit that tells of it (DU-8). The audit itself stays.

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::audit::{Act, Action, AuditEntry, FieldChange};
use crate::repository::{IdempotencyKeys, StorageResult};

/// How long calls are kept, in days since they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPeriods {
    /// A call with everything about it.
    pub logs_days: u32,
    /// What was sent and answered.
    pub bodies_days: u32,
}

/// What is removed by its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aged {
    /// The payloads of calls.
    Bodies,
    /// Calls that have ended, with their attempts and payloads.
    Logs,
}

impl Aged {
    /// As in the keys of the configuration and in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Logs => "logs",
        }
    }
}

/// One kind that is to be removed, up to a moment.
#[derive(Debug, Clone)]
pub struct Purge {
    /// What.
    pub what: Aged,
    /// After how many days.
    pub days: u32,
    /// The calls that began earlier.
    pub began_before: DateTime<Utc>,
}

impl Purge {
    /// Of everything that is older at the moment `at`.
    #[must_use]
    pub fn older(what: Aged, periods: RetentionPeriods, at: DateTime<Utc>) -> Self {
        let days = match what {
            Aged::Bodies => periods.bodies_days,
            Aged::Logs => periods.logs_days,
        };
        Self { what, days, began_before: at - TimeDelta::days(i64::from(days)) }
    }

    /// What the audit says of a batch: how many, of what, up to when, and under which setting.
    #[must_use]
    pub fn entry(&self, removed: u64, act: &Act) -> AuditEntry {
        let before = json!({
            "count": removed,
            "beganBefore": self.began_before.to_rfc3339_opts(SecondsFormat::Micros, true),
        });
        let what = self.what.as_str();
        AuditEntry {
            at: act.at,
            actor: act.actor.clone(),
            action: Action::RetentionPurged,
            subject: "integration-logs".to_owned(),
            connector_id: None,
            reason: Some(format!("`retention.{what}_days` is {}", self.days)),
            changes: vec![FieldChange { pointer: format!("/{what}"), before, after: Value::Null }],
            correlation_id: act.correlation_id.clone(),
            source_address: act.source_address,
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// So many are gone, and the audit tells of them; of none it tells nothing.
    Removed(u64),
    /// Another replica is at it. Nothing was removed.
    Elsewhere,
}

/// Removing what is old.
#[async_trait]
pub trait Retention: IdempotencyKeys {
    /// Removes up to `batch` of what `purge` names, together with the entry of the audit. Calls under way stay, however
    /// old they are.
    async fn purge(&self, purge: &Purge, batch: u32, act: &Act) -> StorageResult<Purged>;
}
