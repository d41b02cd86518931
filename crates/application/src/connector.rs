//! Registering, changing and switching connectors.

use std::sync::Arc;

use domain::access::Scope;
use domain::audit::Act;
use domain::connector::{BaseUrl, Change, Connector, ConnectorDraft};
use domain::destination::DestinationPolicy;
use domain::error::StorageError;
use domain::fault::{FaultCode, Faults};
use domain::id::ConnectorId;
use domain::page::{Page, PageRequest};
use domain::repository::{ConnectorFilter, ConnectorPosition, Storage, UnitOfWork};
use domain::secret_ref::SecretRef;

use crate::context::RequestContext;
use crate::error::Error;
use crate::idempotency::{Once, OnceAnswer, Recalled, recall};
use crate::ports::{Clock, Ids, SecretError, SecretStore};
use crate::reason;

/// Which version of a connector its caller means to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Whatever version it has.
    #[default]
    None,
    /// One of these versions.
    OneOf(Vec<i64>),
}

impl Precondition {
    fn check(&self, connector: &Connector) -> Result<(), Error> {
        match self {
            Self::OneOf(versions) if !versions.contains(&connector.version) => {
                Err(Error::VersionMismatch { current: connector.version })
            }
            _ => Ok(()),
        }
    }
}

const SECRET: &str = "/authenticationSecretRef";

/// The use cases of connectors. Every change is saved together with its audit entry.
pub struct ConnectorService {
    storage: Arc<dyn Storage>,
    secrets: Arc<dyn SecretStore>,
    destinations: DestinationPolicy,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl ConnectorService {
    /// The service over its ports.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        secrets: Arc<dyn SecretStore>,
        destinations: DestinationPolicy,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self { storage, secrets, destinations, clock, ids }
    }

    /// Registers a connector; it is `Disabled`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault, [`Error::NameTaken`], or that a store is unavailable.
    pub async fn register(&self, context: &RequestContext, draft: ConnectorDraft) -> Result<Connector, Error> {
        let change = self.registration(context, draft).await?;
        let mut unit = self.storage.begin().await?;
        unit.save(&change).await?;
        unit.commit().await?;
        tracing::info!(connector_id = %change.connector().id, "connector registered");
        Ok(change.into_connector())
    }

    /// Registers a connector under a request that names itself; a repetition is answered as it was the first time.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`], [`Error::IdempotencyKeyInFlight`], or as [`Self::register`].
    pub async fn register_once(
        &self,
        context: &RequestContext,
        draft: ConnectorDraft,
        once: &Once<Connector>,
    ) -> Result<OnceAnswer, Error> {
        let claim = once.claim(context, self.clock.as_ref());
        if let Recalled::Answer(answer) = recall(self.storage.as_ref(), &claim).await? {
            return Ok(OnceAnswer::replayed(answer));
        }
        let change = self.registration(context, draft).await?;
        let answer = (once.render)(change.connector().clone());
        let mut unit = self.storage.begin().await?;
        if !unit.keep_answer(&claim, &answer).await? {
            drop(unit);
            return match recall(self.storage.as_ref(), &claim).await? {
                Recalled::Answer(answer) => Ok(OnceAnswer::replayed(answer)),
                Recalled::Nothing | Recalled::Call(_) => Err(Error::IdempotencyKeyInFlight),
            };
        }
        unit.save(&change).await?;
        unit.commit().await?;
        tracing::info!(connector_id = %change.connector().id, "connector registered");
        Ok(OnceAnswer::fresh(answer))
    }

    async fn registration(&self, context: &RequestContext, mut draft: ConnectorDraft) -> Result<Change, Error> {
        draft.refuse_raw_secrets();
        self.check_surroundings(&mut draft).await?;
        let settings = draft.parse()?;
        Ok(Connector::register(ConnectorId::new(self.ids.uuid()), settings, &self.act(context)))
    }

    /// The connector, if it exists for the caller.
    ///
    /// # Errors
    /// [`Error::ConnectorNotFound`], or that the store is unavailable.
    pub async fn find(&self, context: &RequestContext, id: ConnectorId) -> Result<Connector, Error> {
        in_scope(context, id)?;
        self.storage.find_connector(id).await?.ok_or(Error::ConnectorNotFound)
    }

    /// Passes when the connector exists for the caller, or existed: its logs and its audit outlive it.
    ///
    /// # Errors
    /// [`Error::ConnectorNotFound`], or that the store is unavailable.
    pub async fn known(&self, context: &RequestContext, id: ConnectorId) -> Result<(), Error> {
        in_scope(context, id)?;
        if self.storage.connector_was_known(id).await? { Ok(()) } else { Err(Error::ConnectorNotFound) }
    }

    /// Connectors by name.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn list(
        &self,
        context: &RequestContext,
        filter: &ConnectorFilter,
        page: &PageRequest<ConnectorPosition>,
    ) -> Result<Page<Connector, ConnectorPosition>, Error> {
        Ok(self.storage.list_connectors(filter, &context.principal.scope, page).await?)
    }

    /// Replaces the configuration of a connector; its status stays. A replacement by the same changes nothing.
    ///
    /// # Errors
    /// In this order: [`Error::ConnectorNotFound`], [`Error::VersionMismatch`], [`Error::Invalid`] with every fault,
    /// [`Error::NameTaken`]; or that a store is unavailable.
    pub async fn reconfigure(
        &self,
        context: &RequestContext,
        id: ConnectorId,
        precondition: &Precondition,
        mut draft: ConnectorDraft,
    ) -> Result<Connector, Error> {
        let current = self.find(context, id).await?;
        precondition.check(&current)?;
        draft.keep_type_of(&current);
        draft.refuse_raw_secrets();
        // Outside of the transaction, since a secret store may be far away.
        self.check_surroundings(&mut draft).await?;
        let settings = draft.parse()?;

        let mut unit = self.storage.begin().await?;
        let current = held(unit.as_mut(), id).await?;
        precondition.check(&current)?;
        let Some(change) = current.clone().reconfigure(settings, &self.act(context))? else {
            return Ok(current);
        };
        unit.save(&change).await?;
        unit.commit().await?;
        tracing::info!(connector_id = %id, version = change.connector().version, "connector reconfigured");
        Ok(change.into_connector())
    }

    /// Lets calls out. Once more changes nothing.
    ///
    /// # Errors
    /// [`Error::ConnectorNotFound`], [`Error::Invalid`] for the reason, or that the store is unavailable.
    pub async fn enable(
        &self,
        context: &RequestContext,
        id: ConnectorId,
        reason: Option<&str>,
    ) -> Result<Connector, Error> {
        self.switch(context, id, reason, Connector::enable).await
    }

    /// Keeps calls in; also those that wait for their next attempt. Once more changes nothing.
    ///
    /// # Errors
    /// [`Error::ConnectorNotFound`], [`Error::Invalid`] for the reason, or that the store is unavailable.
    pub async fn disable(
        &self,
        context: &RequestContext,
        id: ConnectorId,
        reason: Option<&str>,
    ) -> Result<Connector, Error> {
        self.switch(context, id, reason, Connector::disable).await
    }

    /// Removes a disabled connector.
    ///
    /// # Errors
    /// [`Error::ConnectorNotFound`], [`Error::VersionMismatch`], [`Error::ConnectorEnabled`], or that the store is
    /// unavailable.
    pub async fn delete(
        &self,
        context: &RequestContext,
        id: ConnectorId,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        in_scope(context, id)?;
        let mut unit = self.storage.begin().await?;
        let current = held(unit.as_mut(), id).await?;
        precondition.check(&current)?;
        let change = current.delete(&self.act(context)).map_err(|_| Error::ConnectorEnabled)?;
        unit.save(&change).await?;
        unit.commit().await?;
        tracing::info!(connector_id = %id, "connector deleted");
        Ok(())
    }

    async fn switch(
        &self,
        context: &RequestContext,
        id: ConnectorId,
        reason: Option<&str>,
        turn: impl FnOnce(Connector, Option<String>, &Act) -> Option<Change>,
    ) -> Result<Connector, Error> {
        let mut faults = Faults::new();
        let reason = faults.check("/reason", reason::read(reason));
        in_scope(context, id)?;
        let mut unit = self.storage.begin().await?;
        let current = held(unit.as_mut(), id).await?;
        let reason = faults.into_result(reason)?;
        let Some(change) = turn(current.clone(), reason, &self.act(context)) else {
            return Ok(current);
        };
        unit.save(&change).await?;
        unit.commit().await?;
        tracing::info!(connector_id = %id, status = change.connector().switch.status.as_str(), "connector switched");
        Ok(change.into_connector())
    }

    /// Notes what only the deployment can know: whether the destination is called, whether the secret exists.
    async fn check_surroundings(&self, draft: &mut ConnectorDraft) -> Result<(), Error> {
        let url = draft.endpoint_base_url.as_deref().and_then(|given| BaseUrl::parse(given).ok());
        if let Some(url) = url {
            self.check_destination("/endpointBaseUrl", &url, &mut draft.faults);
        }
        if let Some(url) = draft.token_url().and_then(|given| BaseUrl::parse(given).ok()) {
            self.check_destination("/authenticationSettings/tokenUrl", &url, &mut draft.faults);
        }
        let reference = draft.authentication_secret_ref.as_deref().and_then(|given| SecretRef::parse(given).ok());
        match reference {
            // A store that is asked for a secret by the secret itself would have it in its log.
            Some(_) if draft.faults.is_raw_secret(SECRET) => Ok(()),
            Some(reference) => self.check_secret(&reference, &mut draft.faults).await,
            None => Ok(()),
        }
    }

    fn check_destination(&self, pointer: &str, url: &BaseUrl, faults: &mut Faults) {
        if url.url().scheme() == "http" && !self.destinations.allows_http() {
            let detail = "must be `https`; this deployment does not allow plain `http`";
            faults.push(pointer, FaultCode::InvalidValue, detail);
        } else if self.destinations.judge_url(url.url()).is_err() {
            let detail =
                "this deployment does not call that address; its operator can open it with `allowed_destinations`";
            faults.push(pointer, FaultCode::DestinationBlocked, detail);
        }
    }

    async fn check_secret(&self, reference: &SecretRef, faults: &mut Faults) -> Result<(), Error> {
        match self.secrets.resolve(reference).await {
            Ok(_) => Ok(()),
            Err(error @ SecretError::UnknownStore { .. }) => {
                faults.push(SECRET, FaultCode::SecretStoreUnknown, error.to_string());
                Ok(())
            }
            Err(error @ SecretError::NotFound(_)) => {
                faults.push(SECRET, FaultCode::SecretNotFound, error.to_string());
                Ok(())
            }
            Err(SecretError::Unavailable(cause)) => Err(Error::SecretStoreUnavailable(cause)),
        }
    }

    fn act(&self, context: &RequestContext) -> Act {
        context.act(self.clock.as_ref())
    }
}

fn in_scope(context: &RequestContext, id: ConnectorId) -> Result<(), Error> {
    let scope: &Scope = &context.principal.scope;
    if scope.contains(id) { Ok(()) } else { Err(Error::ConnectorNotFound) }
}

async fn held(unit: &mut dyn UnitOfWork, id: ConnectorId) -> Result<Connector, Error> {
    let found: Result<Option<Connector>, StorageError> = unit.connector(id).await;
    found?.ok_or(Error::ConnectorNotFound)
}
