//! The tables `api_keys` and `api_key_connectors`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::access::{Role, Scope};
use domain::api_key::{ApiKey, KeyChange, KeyDigest, KeyFilter, KeyName, KeyStatus};
use domain::audit::Stamp;
use domain::error::StorageError;
use domain::id::{ApiKeyId, ConnectorId};
use domain::page::{Page, PageRequest};
use domain::repository::{ApiKeyRepository, StorageResult};
use sqlx::FromRow;

use super::SqlStorage;
use super::columns::{Digest, Id, Timestamp};
use super::conditions::{Conditions, Value};
use super::connector::stamp;
use super::engine::{Session, execute, fetch};
use super::rows::{Stored, Unreadable, known};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, role, all_connectors, \
             (SELECT string_agg(CAST(connector_id AS TEXT), ',') FROM api_key_connectors WHERE key_id = id) \
             AS connectors, digest, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at FROM api_keys",
            $rest
        )
    };
}

const FIND_BY_DIGEST: &str = select!(" WHERE digest = $1");
const FIND_BY_NAME: &str = select!(" WHERE name = $1 AND revoked_at IS NULL");
const FIND_BY_NAME_AND_HOLD: &str = select!(" WHERE name = $1 AND revoked_at IS NULL FOR UPDATE");
const FIND_BY_ID: &str = select!(" WHERE id = $1");
const FIND_BY_ID_AND_HOLD: &str = select!(" WHERE id = $1 FOR UPDATE");

const INSERT: &str = "INSERT INTO api_keys (id, name, role, all_connectors, digest, created_at, created_by, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const INSERT_CONNECTOR: &str = "INSERT INTO api_key_connectors (key_id, connector_id) VALUES ($1, $2)";

const REVOKE: &str = "UPDATE api_keys SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL";

/// Only forward: replicas write what each of them has seen.
const USE: &str = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";

#[derive(FromRow)]
struct KeyRow {
    id: Id,
    name: String,
    role: String,
    all_connectors: bool,
    connectors: Option<String>,
    digest: Digest,
    created_at: Timestamp,
    created_by: String,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    revoked_by: Option<String>,
    last_used_at: Option<Timestamp>,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = Unreadable;

    fn try_from(row: KeyRow) -> Result<Self, Unreadable> {
        let listed = row.connectors.iter().flat_map(|ids| ids.split(',')).map(ConnectorId::parse).collect();
        Ok(Self {
            id: ApiKeyId::new(row.id.0),
            name: known(KeyName::parse(&row.name).ok(), "name")?,
            role: known(Role::parse(&row.role), "role")?,
            scope: if row.all_connectors { Scope::All } else { Scope::Only(known(listed, "connectors")?) },
            digest: row.digest.0,
            created: Stamp { at: row.created_at.0, by: row.created_by },
            expires_at: row.expires_at.map(|column| column.0),
            revoked: stamp(row.revoked_at, row.revoked_by),
            last_used_at: row.last_used_at.map(|column| column.0),
        })
    }
}

impl Stored for KeyRow {
    type Domain = ApiKey;

    const TABLE: &'static str = "api_keys";
    const KEY: &'static str = "id";

    fn read(self) -> Result<ApiKey, Unreadable> {
        self.try_into()
    }
}

/// The key of this name that is not revoked, held against other changes until the transaction ends.
pub(super) async fn find_and_hold(transaction: &mut Session, name: &str) -> StorageResult<Option<ApiKey>> {
    // As for connectors: the transaction of SQLite holds everything already.
    let sql = if transaction.is_postgres() { FIND_BY_NAME_AND_HOLD } else { FIND_BY_NAME };
    Ok(fetch!(transaction, KeyRow, sql, name)?.into_iter().next())
}

/// The key of this id, held against other changes until the transaction ends.
pub(super) async fn find_of_id_and_hold(transaction: &mut Session, id: ApiKeyId) -> StorageResult<Option<ApiKey>> {
    let sql = if transaction.is_postgres() { FIND_BY_ID_AND_HOLD } else { FIND_BY_ID };
    Ok(fetch!(transaction, KeyRow, sql, Id(id.as_uuid()))?.into_iter().next())
}

/// Writes the row of a change.
///
/// # Errors
/// [`StorageError::NameTaken`], or [`StorageError::Stale`] when the key was revoked in the meantime.
pub(super) async fn save(transaction: &mut Session, change: &KeyChange) -> StorageResult<()> {
    let key = change.key();
    match &key.revoked {
        None => insert(transaction, key).await,
        Some(Stamp { at, by }) => {
            let touched = execute!(transaction, REVOKE, Id(key.id.as_uuid()), Timestamp(*at), by)?;
            if touched == 1 { Ok(()) } else { Err(StorageError::Stale) }
        }
    }
}

async fn insert(transaction: &mut Session, key: &ApiKey) -> StorageResult<()> {
    execute!(
        transaction,
        INSERT,
        Id(key.id.as_uuid()),
        key.name.as_str(),
        key.role.as_str(),
        key.scope == Scope::All,
        Digest(key.digest),
        Timestamp(key.created.at),
        &key.created.by,
        key.expires_at.map(Timestamp),
    )?;
    if let Scope::Only(listed) = &key.scope {
        for connector in listed {
            execute!(transaction, INSERT_CONNECTOR, Id(key.id.as_uuid()), Id(connector.as_uuid()))?;
        }
    }
    Ok(())
}

#[async_trait]
impl ApiKeyRepository for SqlStorage {
    async fn find_key(&self, digest: &KeyDigest) -> StorageResult<Option<ApiKey>> {
        let found = fetch!(&mut self.pool.reader().await?, KeyRow, FIND_BY_DIGEST, Digest(*digest))?;
        Ok(found.into_iter().next())
    }

    async fn find_key_of_id(&self, id: ApiKeyId) -> StorageResult<Option<ApiKey>> {
        let found = fetch!(&mut self.pool.reader().await?, KeyRow, FIND_BY_ID, Id(id.as_uuid()))?;
        Ok(found.into_iter().next())
    }

    async fn list_keys(
        &self,
        filter: &KeyFilter,
        at: DateTime<Utc>,
        page: &PageRequest<ApiKeyId>,
    ) -> StorageResult<Page<ApiKey, ApiKeyId>> {
        let found = match self::page(filter, at, page) {
            Some((sql, values)) => fetch!(&mut self.pool.reader().await?, KeyRow, sql; values)?,
            None => Vec::new(),
        };
        Ok(Page::of(found, page.size, |key| key.id))
    }

    async fn record_key_uses(&self, uses: &[(ApiKeyId, DateTime<Utc>)]) -> StorageResult<()> {
        let mut uses = uses.to_vec();
        // In one order, so that replicas that write the same keys wait for each other and never in a circle.
        uses.sort_unstable();
        let mut transaction = self.pool.transaction().await?;
        for (key, at) in uses {
            execute!(&mut transaction, USE, Id(key.as_uuid()), Timestamp(at))?;
        }
        transaction.commit().await
    }
}

/// The query of one page, or `None` when there can be no such row.
pub(super) fn page(
    filter: &KeyFilter,
    at: DateTime<Utc>,
    page: &PageRequest<ApiKeyId>,
) -> Option<(String, Vec<Value>)> {
    let mut conditions = Conditions::default();
    conditions.add_some("name = ?", filter.name.clone().map(Value::Text));
    conditions.add_some("role = ?", filter.role.map(|role| Value::Text(role.as_str().to_owned())));
    let at = Value::Time(Timestamp(at));
    match filter.status {
        Some(KeyStatus::Active) => {
            conditions.add("revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)", [at]);
        }
        Some(KeyStatus::Expired) => conditions.add("revoked_at IS NULL AND expires_at <= ?", [at]),
        Some(KeyStatus::Revoked) => conditions.add("revoked_at IS NOT NULL", []),
        None => {}
    }
    conditions.add_some(
        "id IN (SELECT key_id FROM api_key_connectors WHERE connector_id = ?)",
        filter.connector_id.map(|id| Value::Id(Id(id.as_uuid()))),
    );
    // Ids are in order of creation.
    conditions.add_some("id < ?", page.after.map(|id| Value::Id(Id(id.as_uuid()))));
    conditions.page(select!(""), " ORDER BY id DESC", page.size)
}
