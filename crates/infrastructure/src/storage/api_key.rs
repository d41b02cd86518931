//! The tables `api_keys` and `api_key_connectors`.

use async_trait::async_trait;
use domain::access::{Role, Scope};
use domain::api_key::{ApiKey, KeyChange, KeyDigest, KeyName};
use domain::audit::Stamp;
use domain::error::StorageError;
use domain::id::{ApiKeyId, ConnectorId};
use domain::repository::{ApiKeyRepository, StorageResult};
use sqlx::FromRow;

use super::SqlStorage;
use super::columns::{Digest, Id, Timestamp};
use super::connector::stamp;
use super::engine::{Session, execute, fetch};
use super::rows::{Stored, Unreadable, known};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, role, all_connectors, \
             (SELECT string_agg(CAST(connector_id AS TEXT), ',') FROM api_key_connectors WHERE key_id = id) \
             AS connectors, digest, created_at, created_by, expires_at, revoked_at, revoked_by FROM api_keys",
            $rest
        )
    };
}

const FIND_BY_DIGEST: &str = select!(" WHERE digest = $1");
const FIND_BY_NAME: &str = select!(" WHERE name = $1 AND revoked_at IS NULL");
const FIND_BY_NAME_AND_HOLD: &str = select!(" WHERE name = $1 AND revoked_at IS NULL FOR UPDATE");
const LIST: &str = select!(" ORDER BY name, created_at, id");

const INSERT: &str = "INSERT INTO api_keys (id, name, role, all_connectors, digest, created_at, created_by, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const INSERT_CONNECTOR: &str = "INSERT INTO api_key_connectors (key_id, connector_id) VALUES ($1, $2)";

const REVOKE: &str = "UPDATE api_keys SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL";

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

    async fn list_keys(&self) -> StorageResult<Vec<ApiKey>> {
        fetch!(&mut self.pool.reader().await?, KeyRow, LIST)
    }
}
