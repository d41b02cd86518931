//! A connector: the configured way to one external system, and the changes it can go through.

pub mod authentication;
mod capability;
mod endpoint;
pub mod header;
mod name;
mod settings;
mod text;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

pub use self::authentication::{ApiKeyPlacement, Authentication, ClientAuthentication, ClientCredentials, MAX_SCOPES};
pub use self::capability::{Capabilities, Capability};
pub use self::endpoint::BaseUrl;
pub use self::name::{ConnectorName, fold};
pub use self::settings::{ConnectorDraft, ConnectorSettings, seconds_as_json};
use crate::audit::{Act, Action, AuditEntry, Stamp, differences};
use crate::fault::{FaultCode, Faults, Refusal};
use crate::id::ConnectorId;

/// Whether calls are let out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectorStatus {
    /// Calls go out.
    Enabled,
    /// Calls are recorded as `Skipped`.
    Disabled,
}

impl ConnectorStatus {
    /// The status as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
        }
    }

    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled].into_iter().find(|status| status.as_str() == text)
    }
}

/// The status, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Enabled or disabled.
    pub status: ConnectorStatus,
    /// The reason given with the last switching.
    pub reason: Option<String>,
    /// The last switching; `None` before the first.
    pub changed: Option<Stamp>,
}

impl Switch {
    /// When the status last changed.
    #[must_use]
    pub fn changed_at(&self) -> Option<DateTime<Utc>> {
        self.changed.as_ref().map(|stamp| stamp.at)
    }
}

/// A connector as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// For ever.
    pub id: ConnectorId,
    /// 1 at creation, one more with every change.
    pub version: i64,
    /// The configuration.
    pub settings: ConnectorSettings,
    /// Whether calls are let out.
    pub switch: Switch,
    /// The creation.
    pub created: Stamp,
    /// The last change; `None` before the first.
    pub updated: Option<Stamp>,
}

/// What a change does to the row of its connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A new row.
    Insert,
    /// The row is replaced, if it still has the version before.
    Update,
    /// The row is marked deleted, if it still has the version before.
    Delete,
}

/// One change of one connector together with its audit entry. It can only be saved whole
/// ([`crate::repository::UnitOfWork::save`]), so that there is no change without its trace.
#[must_use = "a change that is not saved did not happen"]
#[derive(Debug)]
pub struct Change {
    kind: ChangeKind,
    connector: Connector,
    entry: AuditEntry,
}

impl Change {
    /// What the change does to the row.
    #[must_use]
    pub const fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// The connector after the change.
    #[must_use]
    pub const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Its trace.
    #[must_use]
    pub const fn entry(&self) -> &AuditEntry {
        &self.entry
    }

    /// The connector after the change, once it is saved.
    #[must_use]
    pub fn into_connector(self) -> Connector {
        self.connector
    }
}

impl Connector {
    /// The longest reason for enabling or disabling, in characters.
    pub const MAX_REASON: usize = 500;

    /// A new connector; always `Disabled`.
    pub fn register(id: ConnectorId, settings: ConnectorSettings, act: &Act) -> Change {
        let connector = Self {
            id,
            version: 1,
            settings,
            switch: Switch { status: ConnectorStatus::Disabled, reason: None, changed: None },
            created: act.stamp(),
            updated: None,
        };
        let entry = connector.entry(Action::ConnectorCreated, None, None, act);
        Change { kind: ChangeKind::Insert, connector, entry }
    }

    /// Replaces the configuration; `None` when it is the same already.
    ///
    /// # Errors
    /// `immutable` when the connector's type would change.
    pub fn reconfigure(self, settings: ConnectorSettings, act: &Act) -> Result<Option<Change>, Faults> {
        if settings.connector_type != self.settings.connector_type {
            let mut faults = Faults::new();
            faults.push("/connectorType", FaultCode::Immutable, "is fixed after creation");
            return Err(faults);
        }
        if settings == self.settings {
            return Ok(None);
        }
        let before = self.audited();
        let after = Self { settings, ..self }.touched(act);
        let entry = after.entry(Action::ConnectorUpdated, Some(&before), None, act);
        Ok(Some(Change { kind: ChangeKind::Update, connector: after, entry }))
    }

    /// Lets calls out; `None` when they are let out already.
    #[must_use]
    pub fn enable(self, reason: Option<String>, act: &Act) -> Option<Change> {
        self.turn(ConnectorStatus::Enabled, Action::ConnectorEnabled, reason, act)
    }

    /// Keeps calls in; `None` when they are kept in already.
    #[must_use]
    pub fn disable(self, reason: Option<String>, act: &Act) -> Option<Change> {
        self.turn(ConnectorStatus::Disabled, Action::ConnectorDisabled, reason, act)
    }

    /// Removes the connector; its logs and its audit stay, its name is free again.
    ///
    /// # Errors
    /// [`StillEnabled`]: only a disabled connector can be deleted.
    pub fn delete(self, act: &Act) -> Result<Change, StillEnabled> {
        if self.switch.status == ConnectorStatus::Enabled {
            return Err(StillEnabled);
        }
        let before = self.audited();
        let after = self.touched(act);
        let changes = differences(&Value::Object(before), &Value::Object(Map::new()));
        let entry = AuditEntry { changes, ..after.entry(Action::ConnectorDeleted, None, None, act) };
        Ok(Change { kind: ChangeKind::Delete, connector: after, entry })
    }

    fn turn(self, status: ConnectorStatus, action: Action, reason: Option<String>, act: &Act) -> Option<Change> {
        if self.switch.status == status {
            return None;
        }
        let before = self.audited();
        let switch = Switch { status, reason: reason.clone(), changed: Some(act.stamp()) };
        let after = Self { switch, ..self }.touched(act);
        let entry = after.entry(action, Some(&before), reason, act);
        Some(Change { kind: ChangeKind::Update, connector: after, entry })
    }

    fn touched(self, act: &Act) -> Self {
        Self { version: self.version + 1, updated: Some(act.stamp()), ..self }
    }

    fn audited(&self) -> Map<String, Value> {
        let mut members = self.settings.as_json();
        members.insert("status".to_owned(), json!(self.switch.status.as_str()));
        members.insert("statusReason".to_owned(), json!(self.switch.reason));
        members
    }

    fn entry(
        &self,
        action: Action,
        before: Option<&Map<String, Value>>,
        reason: Option<String>,
        act: &Act,
    ) -> AuditEntry {
        let before = Value::Object(before.cloned().unwrap_or_default());
        AuditEntry {
            at: act.at,
            actor: act.actor.clone(),
            action,
            subject: format!("connectors/{}", self.id),
            connector_id: Some(self.id),
            reason,
            changes: differences(&before, &Value::Object(self.audited())),
            correlation_id: act.correlation_id.clone(),
            source_address: act.source_address,
        }
    }
}

/// Reads the reason of an enabling or disabling: at most [`Connector::MAX_REASON`] characters; blank is none.
///
/// # Errors
/// `out-of-range` or `invalid-value`.
pub fn parse_reason(given: Option<&str>) -> Result<Option<String>, Refusal> {
    let reason = given.map(|given| text::lines(given.trim(), Connector::MAX_REASON)).transpose()?;
    Ok(reason.filter(|reason| !reason.is_empty()))
}

/// Only a disabled connector can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connector is enabled")]
pub struct StillEnabled;
