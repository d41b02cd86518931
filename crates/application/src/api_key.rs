//! Making, revoking and recognising API keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::access::{Principal, Role, Scope};
use domain::api_key::{self, ApiKey, KeyName};
use domain::fault::{FaultCode, Faults};
use domain::id::{ApiKeyId, ConnectorId};
use domain::raw_secret;
use domain::repository::Storage;
use secrecy::SecretString;

use crate::context::RequestContext;
use crate::error::Error;
use crate::ports::{Clock, Ids};

/// A key as somebody wants it.
#[derive(Debug, Clone)]
pub struct ApiKeyDraft {
    /// Under which name its acts are recorded.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// On which connectors; only for [`Role::Service`], which needs at least one.
    pub connectors: BTreeSet<ConnectorId>,
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The use cases of API keys.
pub struct ApiKeyService {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl ApiKeyService {
    /// The service over its ports.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { storage, clock, ids }
    }

    /// Makes a key. What is answered is shown once; only its digest is kept.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NameTaken`], or that the store is unavailable.
    pub async fn create(&self, context: &RequestContext, draft: ApiKeyDraft) -> Result<SecretString, Error> {
        let act = context.act(self.clock.as_ref());
        let mut faults = Faults::new();
        let name = faults.check("/name", raw_secret::refuse(&draft.name).and_then(|()| KeyName::parse(&draft.name)));
        if draft.expires_at.is_some_and(|end| end <= act.at) {
            faults.push("/expires", FaultCode::OutOfRange, "must be in the future");
        }
        let scope = self.scope(draft.role, draft.connectors, &mut faults).await?;
        let name = faults.into_result(name)?;

        let spelled = api_key::spell(&self.ids.key_material());
        let digest = api_key::digest(&spelled).ok_or_else(|| Error::Internal("a new key does not read back".into()))?;
        let key = ApiKey {
            id: ApiKeyId::new(self.ids.uuid()),
            name,
            role: draft.role,
            scope,
            digest,
            created: act.stamp(),
            expires_at: draft.expires_at,
            revoked: None,
        };
        let mut unit = self.storage.begin().await?;
        unit.save_key(&key.create(&act)).await?;
        unit.commit().await?;
        Ok(SecretString::from(spelled))
    }

    /// Every key ever made; never the keys themselves.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn list(&self) -> Result<Vec<ApiKey>, Error> {
        Ok(self.storage.list_keys().await?)
    }

    /// Revokes the key of that name, from now on and everywhere.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], or that the store is unavailable.
    pub async fn revoke(&self, context: &RequestContext, name: &str) -> Result<(), Error> {
        let mut unit = self.storage.begin().await?;
        let key = unit.key(name).await?.ok_or(Error::KeyNotFound)?;
        let change = key.revoke(&context.act(self.clock.as_ref())).ok_or(Error::KeyNotFound)?;
        unit.save_key(&change).await?;
        unit.commit().await?;
        Ok(())
    }

    /// The caller that presents `key`; `None` when it is no key, unknown, expired or revoked. Asked of the store every
    /// time, so that a revocation is in force with the next request.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn recognise(&self, key: &str) -> Result<Option<Principal>, Error> {
        let Some(digest) = api_key::digest(key) else { return Ok(None) };
        let found = self.storage.find_key(&digest).await?;
        Ok(found.and_then(|key| key.principal(self.clock.now())))
    }

    async fn scope(&self, role: Role, connectors: BTreeSet<ConnectorId>, faults: &mut Faults) -> Result<Scope, Error> {
        if role != Role::Service {
            if !connectors.is_empty() {
                faults.push(
                    "/connector",
                    FaultCode::NotAllowed,
                    "only a key of the role `service` is bound to connectors",
                );
            }
            return Ok(Scope::All);
        }
        if connectors.is_empty() {
            faults.push("/connector", FaultCode::Required, "a key of the role `service` needs at least one connector");
        }
        for connector in &connectors {
            if self.storage.find_connector(*connector).await?.is_none() {
                faults.push("/connector", FaultCode::InvalidValue, format!("there is no connector {connector}"));
            }
        }
        Ok(Scope::Only(connectors))
    }
}
