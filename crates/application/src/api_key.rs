//! Making, listing, revoking and recognising API keys.

mod draft;
mod uses;

use std::sync::Arc;

use domain::access::Principal;
use domain::api_key::{self, ApiKey, KeyChange, KeyFilter};
use domain::error::StorageError;
use domain::fault::Faults;
use domain::id::ApiKeyId;
use domain::idempotency::StoredAnswer;
use domain::page::{Page, PageRequest};
use domain::repository::{Storage, UnitOfWork};
use secrecy::SecretString;

pub use self::draft::{ApiKeyDraft, MAX_CONNECTORS};
pub use self::uses::KeyUses;
use crate::context::RequestContext;
use crate::error::Error;
use crate::idempotency::{Once, Recalled, recall};
use crate::ports::{Clock, Ids};
use crate::reason;

/// A key that was made now, with its value, which is shown this once and kept nowhere.
#[derive(Debug)]
pub struct NewKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// What its holder presents.
    pub value: SecretString,
}

/// What the making of a key came to.
#[derive(Debug)]
pub enum Creation {
    /// A key.
    New(NewKey),
    /// The answer to an earlier request, which does not have the value.
    Repeated(StoredAnswer),
}

/// The use cases of API keys.
pub struct ApiKeyService {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    uses: KeyUses,
}

impl ApiKeyService {
    /// The service over its ports.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let uses = KeyUses::new(storage.clone());
        Self { storage, clock, ids, uses }
    }

    /// Makes a key. What is answered is shown once; only its digest is kept.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault, [`Error::GrantBeyondCaller`], [`Error::KeyNameTaken`], or that the store is
    /// unavailable.
    pub async fn create(&self, context: &RequestContext, draft: ApiKeyDraft) -> Result<NewKey, Error> {
        let (change, value) = self.creation(context, draft).await?;
        let mut unit = self.storage.begin().await?;
        save(unit.as_mut(), &change).await?;
        unit.commit().await?;
        Ok(created(change, value))
    }

    /// Makes a key under a request that names itself; a repetition learns which key was made, but not its value.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`], [`Error::IdempotencyKeyInFlight`], or as [`Self::create`].
    pub async fn create_once(
        &self,
        context: &RequestContext,
        draft: ApiKeyDraft,
        once: &Once<ApiKey>,
    ) -> Result<Creation, Error> {
        let claim = once.claim(context, self.clock.as_ref());
        if let Recalled::Answer(answer) = recall(self.storage.as_ref(), &claim).await? {
            return Ok(Creation::Repeated(answer));
        }
        let (change, value) = self.creation(context, draft).await?;
        let answer = (once.render)(change.key().clone());
        let mut unit = self.storage.begin().await?;
        if !unit.keep_answer(&claim, &answer).await? {
            drop(unit);
            return match recall(self.storage.as_ref(), &claim).await? {
                Recalled::Answer(answer) => Ok(Creation::Repeated(answer)),
                Recalled::Nothing | Recalled::Call(_) => Err(Error::IdempotencyKeyInFlight),
            };
        }
        save(unit.as_mut(), &change).await?;
        unit.commit().await?;
        Ok(Creation::New(created(change, value)))
    }

    async fn creation(&self, context: &RequestContext, draft: ApiKeyDraft) -> Result<(KeyChange, SecretString), Error> {
        let act = context.act(self.clock.as_ref());
        let order = draft.parse(&context.principal, act.at, self.storage.as_ref()).await?;
        let spelled = api_key::spell(&self.ids.key_material());
        let digest = api_key::digest(&spelled).ok_or_else(|| Error::Internal("a new key does not read back".into()))?;
        let key = ApiKey {
            id: ApiKeyId::new(self.ids.uuid()),
            name: order.name,
            role: order.role,
            scope: order.scope,
            digest,
            created: act.stamp(),
            expires_at: order.expires_at,
            revoked: None,
            last_used_at: None,
        };
        Ok((key.create(order.reason, &act), SecretString::from(spelled)))
    }

    /// Keys that match `filter`, the newest first; never the keys themselves.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn list(
        &self,
        filter: &KeyFilter,
        page: &PageRequest<ApiKeyId>,
    ) -> Result<Page<ApiKey, ApiKeyId>, Error> {
        Ok(self.storage.list_keys(filter, self.clock.now(), page).await?)
    }

    /// The key of that id, also when it is revoked or has expired.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], or that the store is unavailable.
    pub async fn find(&self, id: ApiKeyId) -> Result<ApiKey, Error> {
        self.storage.find_key_of_id(id).await?.ok_or(Error::KeyNotFound)
    }

    /// Revokes the key of that id, from now on and everywhere. Once more changes nothing.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::Invalid`] for the reason, or that the store is unavailable.
    pub async fn revoke(&self, context: &RequestContext, id: ApiKeyId, reason: Option<&str>) -> Result<ApiKey, Error> {
        let mut faults = Faults::new();
        let reason = faults.check("/reason", reason::read(reason));
        let mut unit = self.storage.begin().await?;
        let key = unit.key_of_id(id).await?.ok_or(Error::KeyNotFound)?;
        let reason = faults.into_result(reason)?;
        let Some(change) = key.clone().revoke(reason, &context.act(self.clock.as_ref())) else { return Ok(key) };
        revoked(unit, change).await
    }

    /// Revokes the key that has that name now.
    ///
    /// # Errors
    /// As [`Self::revoke`]; [`Error::KeyNotFound`] also when every key of that name is revoked already.
    pub async fn revoke_named(
        &self,
        context: &RequestContext,
        name: &str,
        reason: Option<&str>,
    ) -> Result<ApiKey, Error> {
        let mut faults = Faults::new();
        let reason = faults.check("/reason", reason::read(reason));
        let reason = faults.into_result(reason)?;
        let mut unit = self.storage.begin().await?;
        let key = unit.key(name).await?.ok_or(Error::KeyNotFound)?;
        let change = key.revoke(reason, &context.act(self.clock.as_ref())).ok_or(Error::KeyNotFound)?;
        revoked(unit, change).await
    }

    /// The caller that presents `key`; `None` when it is no key, unknown, expired or revoked. Asked of the store every
    /// time, so that a revocation is in force with the next request.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn recognise(&self, key: &str) -> Result<Option<Principal>, Error> {
        let Some(digest) = api_key::digest(key) else { return Ok(None) };
        let Some(found) = self.storage.find_key(&digest).await? else { return Ok(None) };
        let now = self.clock.now();
        let principal = found.principal(&digest, now);
        if principal.is_some() {
            self.uses.note(found.id, now);
        }
        Ok(principal)
    }

    /// When keys were used, as far as this process knows.
    #[must_use]
    pub const fn uses(&self) -> &KeyUses {
        &self.uses
    }
}

async fn save(unit: &mut dyn UnitOfWork, change: &KeyChange) -> Result<(), Error> {
    unit.save_key(change).await.map_err(|error| match error {
        StorageError::NameTaken => Error::KeyNameTaken,
        other => other.into(),
    })
}

fn created(change: KeyChange, value: SecretString) -> NewKey {
    let key = change.into_key();
    tracing::info!(key_id = %key.id, key_name = key.name.as_str(), role = key.role.as_str(), "API key created");
    NewKey { key, value }
}

async fn revoked(mut unit: Box<dyn UnitOfWork>, change: KeyChange) -> Result<ApiKey, Error> {
    save(unit.as_mut(), &change).await?;
    unit.commit().await?;
    let key = change.into_key();
    tracing::info!(key_id = %key.id, key_name = key.name.as_str(), "API key revoked");
    Ok(key)
}
