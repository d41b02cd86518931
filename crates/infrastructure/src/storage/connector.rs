//! The table `connectors`.

use async_trait::async_trait;
use domain::access::Scope;
use domain::audit::Stamp;
use domain::connector::{
    Capability, Change, ChangeKind, Connector, ConnectorDraft, ConnectorSettings, ConnectorStatus, Switch, fold,
    seconds_as_json,
};
use domain::error::StorageError;
use domain::id::ConnectorId;
use domain::page::{Page, PageRequest};
use domain::repository::{ConnectorFilter, ConnectorPosition, ConnectorRepository, StorageResult};
use serde_json::Number;
use sqlx::FromRow;

use super::SqlStorage;
use super::columns::{Id, Json, Milliseconds, Timestamp};
use super::conditions::{Conditions, Value};
use super::engine::{Session, execute, fetch};
use super::rows::{Stored, Unreadable, known};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, version, name, connector_type, description, status, status_reason, status_changed_at, \
             status_changed_by, endpoint_base_url, authentication_type, authentication_secret_ref, \
             authentication_settings, supports_pull, supports_push, supports_webhook, rate_limit_per_minute, \
             max_retry_attempts, retry_delay_ms, use_exponential_backoff, retry_jitter, max_retry_delay_ms, \
             attempt_timeout_ms, deadline_ms, idempotency_key_header, mapping_configuration, created_at, created_by, \
             updated_at, updated_by FROM connectors",
            $rest
        )
    };
}

const FIND: &str = select!(" WHERE id = $1 AND deleted_at IS NULL");

/// The weakest lock that keeps other changes away: calls that refer to the connector go on.
const FIND_AND_HOLD: &str = select!(" WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE");

const INSERT: &str = "INSERT INTO connectors (id, version, name, name_key, connector_type, description, status, \
     status_reason, status_changed_at, status_changed_by, endpoint_base_url, authentication_type, \
     authentication_secret_ref, authentication_settings, supports_pull, supports_push, supports_webhook, \
     rate_limit_per_minute, max_retry_attempts, retry_delay_ms, use_exponential_backoff, retry_jitter, \
     max_retry_delay_ms, attempt_timeout_ms, deadline_ms, idempotency_key_header, mapping_configuration, updated_at, \
     updated_by, deleted_at, deleted_by, created_at, created_by) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, \
     $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)";

/// Takes the binds of [`INSERT`]; those of the creation are not used.
const UPDATE: &str = "UPDATE connectors SET version = $2, name = $3, name_key = $4, connector_type = $5, \
     description = $6, status = $7, status_reason = $8, status_changed_at = $9, status_changed_by = $10, \
     endpoint_base_url = $11, authentication_type = $12, authentication_secret_ref = $13, \
     authentication_settings = $14, supports_pull = $15, supports_push = $16, supports_webhook = $17, \
     rate_limit_per_minute = $18, max_retry_attempts = $19, retry_delay_ms = $20, use_exponential_backoff = $21, \
     retry_jitter = $22, max_retry_delay_ms = $23, attempt_timeout_ms = $24, deadline_ms = $25, \
     idempotency_key_header = $26, mapping_configuration = $27, updated_at = $28, updated_by = $29, deleted_at = $30, \
     deleted_by = $31 WHERE id = $1 AND version = $2 - 1 AND deleted_at IS NULL";

#[derive(FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "one field for every column")]
struct ConnectorRow {
    id: Id,
    version: i64,
    name: String,
    connector_type: String,
    description: Option<String>,
    status: String,
    status_reason: Option<String>,
    status_changed_at: Option<Timestamp>,
    status_changed_by: Option<String>,
    endpoint_base_url: String,
    authentication_type: String,
    authentication_secret_ref: Option<String>,
    authentication_settings: Json,
    supports_pull: bool,
    supports_push: bool,
    supports_webhook: bool,
    rate_limit_per_minute: i32,
    max_retry_attempts: i32,
    retry_delay_ms: Milliseconds,
    use_exponential_backoff: bool,
    retry_jitter: String,
    max_retry_delay_ms: Milliseconds,
    attempt_timeout_ms: Milliseconds,
    deadline_ms: Milliseconds,
    idempotency_key_header: Option<String>,
    mapping_configuration: Json,
    created_at: Timestamp,
    created_by: String,
    updated_at: Option<Timestamp>,
    updated_by: Option<String>,
}

impl TryFrom<ConnectorRow> for Connector {
    type Error = Unreadable;

    fn try_from(row: ConnectorRow) -> Result<Self, Unreadable> {
        let capabilities = [
            (Capability::Pull, row.supports_pull),
            (Capability::Push, row.supports_push),
            (Capability::Webhook, row.supports_webhook),
        ];
        let draft = ConnectorDraft {
            name: Some(row.name),
            connector_type: Some(row.connector_type),
            description: row.description,
            endpoint_base_url: Some(row.endpoint_base_url),
            authentication_type: Some(row.authentication_type),
            authentication_secret_ref: row.authentication_secret_ref,
            authentication_settings: Some(row.authentication_settings.0),
            capabilities: Some(
                capabilities.iter().filter(|(_, has)| *has).map(|(kind, _)| kind.as_str().to_owned()).collect(),
            ),
            rate_limit_per_minute: Some(row.rate_limit_per_minute.into()),
            max_retry_attempts: Some(row.max_retry_attempts.into()),
            retry_delay_seconds: seconds(row.retry_delay_ms),
            use_exponential_backoff: Some(row.use_exponential_backoff),
            retry_jitter: Some(row.retry_jitter),
            max_retry_delay_seconds: seconds(row.max_retry_delay_ms),
            attempt_timeout_seconds: seconds(row.attempt_timeout_ms),
            deadline_seconds: seconds(row.deadline_ms),
            idempotency_key_header: row.idempotency_key_header,
            mapping_configuration: Some(row.mapping_configuration.0),
            ..ConnectorDraft::default()
        };
        Ok(Self {
            id: ConnectorId::new(row.id.0),
            version: row.version,
            settings: draft.parse().map_err(|faults| faults.to_string())?,
            switch: Switch {
                status: known(ConnectorStatus::parse(&row.status), "status")?,
                reason: row.status_reason,
                changed: stamp(row.status_changed_at, row.status_changed_by),
            },
            created: Stamp { at: row.created_at.0, by: row.created_by },
            updated: stamp(row.updated_at, row.updated_by),
        })
    }
}

impl Stored for ConnectorRow {
    type Domain = Connector;

    const TABLE: &'static str = "connectors";
    const KEY: &'static str = "id";

    fn read(self) -> Result<Connector, Unreadable> {
        self.try_into()
    }
}

/// A row of which only its existence matters.
#[derive(FromRow)]
pub(super) struct Known {
    id: Id,
}

impl Stored for Known {
    type Domain = ConnectorId;

    const TABLE: &'static str = "connectors";
    const KEY: &'static str = "id";

    fn read(self) -> Result<ConnectorId, Unreadable> {
        Ok(ConnectorId::new(self.id.0))
    }
}

/// Who and when, from their two columns.
pub(super) fn stamp(at: Option<Timestamp>, by: Option<String>) -> Option<Stamp> {
    at.zip(by).map(|(at, by)| Stamp { at: at.0, by })
}

fn seconds(column: Milliseconds) -> Option<Number> {
    match seconds_as_json(column.0) {
        serde_json::Value::Number(seconds) => Some(seconds),
        _ => None,
    }
}

/// The connector, held against other changes until the transaction ends.
pub(super) async fn find_and_hold(transaction: &mut Session, id: ConnectorId) -> StorageResult<Option<Connector>> {
    // SQLite knows no row locks and needs none: its transaction began with the lock of the whole file.
    let sql = if transaction.is_postgres() { FIND_AND_HOLD } else { FIND };
    let found = fetch!(transaction, ConnectorRow, sql, Id(id.as_uuid()))?;
    Ok(found.into_iter().next())
}

/// Writes the row of a change.
///
/// # Errors
/// [`StorageError::NameTaken`], or [`StorageError::Stale`] when the row no longer has the version before.
pub(super) async fn save(transaction: &mut Session, change: &Change) -> StorageResult<()> {
    let Connector { id, version, settings, switch, created, updated } = change.connector();
    let ConnectorSettings { authentication, retry, .. } = settings;
    let sql = if change.kind() == ChangeKind::Insert { INSERT } else { UPDATE };
    let deleted = updated.as_ref().filter(|_| change.kind() == ChangeKind::Delete);
    let touched = execute!(
        transaction,
        sql,
        Id(id.as_uuid()),
        *version,
        settings.name.as_str(),
        settings.name.key(),
        &settings.connector_type,
        &settings.description,
        switch.status.as_str(),
        &switch.reason,
        switch.changed.as_ref().map(|stamp| Timestamp(stamp.at)),
        switch.changed.as_ref().map(|stamp| &stamp.by),
        settings.endpoint_base_url.as_str(),
        authentication.kind(),
        authentication.secret().map(ToString::to_string),
        Json(authentication.settings()),
        settings.capabilities.contains(Capability::Pull),
        settings.capabilities.contains(Capability::Push),
        settings.capabilities.contains(Capability::Webhook),
        i64::from(settings.rate_limit_per_minute),
        i64::from(retry.max_retry_attempts),
        Milliseconds(retry.delay),
        retry.exponential,
        retry.jitter.as_str(),
        Milliseconds(retry.max_delay),
        Milliseconds(settings.attempt_timeout),
        Milliseconds(settings.deadline),
        &settings.idempotency_key_header,
        Json(settings.mapping_configuration.as_json().clone()),
        updated.as_ref().map(|stamp| Timestamp(stamp.at)),
        updated.as_ref().map(|stamp| &stamp.by),
        deleted.map(|stamp| Timestamp(stamp.at)),
        deleted.map(|stamp| &stamp.by),
        Timestamp(created.at),
        &created.by,
    )?;
    if touched == 1 { Ok(()) } else { Err(StorageError::Stale) }
}

#[async_trait]
impl ConnectorRepository for SqlStorage {
    async fn find_connector(&self, id: ConnectorId) -> StorageResult<Option<Connector>> {
        let found = fetch!(&mut self.pool.reader().await?, ConnectorRow, FIND, Id(id.as_uuid()))?;
        Ok(found.into_iter().next())
    }

    async fn connector_was_known(&self, id: ConnectorId) -> StorageResult<bool> {
        let sql = "SELECT id FROM connectors WHERE id = $1";
        Ok(!fetch!(&mut self.pool.reader().await?, Known, sql, Id(id.as_uuid()))?.is_empty())
    }

    async fn list_connectors(
        &self,
        filter: &ConnectorFilter,
        scope: &Scope,
        page: &PageRequest<ConnectorPosition>,
    ) -> StorageResult<Page<Connector, ConnectorPosition>> {
        let found = match self::page(filter, scope, page) {
            Some((sql, values)) => fetch!(&mut self.pool.reader().await?, ConnectorRow, sql; values)?,
            None => Vec::new(),
        };
        Ok(Page::of(found, page.size, |connector| ConnectorPosition { name_key: connector.settings.name.key() }))
    }
}

/// The query of one page, or `None` when there can be no such row.
pub(super) fn page(
    filter: &ConnectorFilter,
    scope: &Scope,
    page: &PageRequest<ConnectorPosition>,
) -> Option<(String, Vec<Value>)> {
    let mut conditions = Conditions::default();
    conditions.add("deleted_at IS NULL", []);
    conditions.add_some("status = ?", filter.status.map(|status| Value::Text(status.as_str().to_owned())));
    conditions.add_some("connector_type = ?", filter.connector_type.clone().map(Value::Text));
    match filter.capability {
        Some(Capability::Pull) => conditions.add("supports_pull", []),
        Some(Capability::Push) => conditions.add("supports_push", []),
        Some(Capability::Webhook) => conditions.add("supports_webhook", []),
        None => {}
    }
    let contains = filter.name_contains.as_deref().map(|part| Value::Text(containing(&fold(part))));
    conditions.add_some(r"name_key LIKE ? ESCAPE '\'", contains);
    conditions.keep_to(scope, "id IN ");
    conditions.add_some("name_key > ?", page.after.clone().map(|position| Value::Text(position.name_key)));
    conditions.page(select!(""), " ORDER BY name_key", page.size)
}

/// A LIKE pattern for what contains `part` as it is written.
fn containing(part: &str) -> String {
    let escaped = part.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{escaped}%")
}
