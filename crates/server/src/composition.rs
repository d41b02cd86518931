//! The composition root: configuration → adapters → services → router. Nothing else knows which adapter stands behind
//! which port.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use api::{Authentication, Options, Services};
use application::api_key::ApiKeyService;
use application::audit::AuditService;
use application::authentication::{AuthenticationService, Tokens};
use application::connector::ConnectorService;
use application::execution::{ConnectionTestService, CredentialSources, IntegrationExecutionService};
use application::health::HealthService;
use application::integration_log::IntegrationLogService;
use application::lease::LeaseKeeper;
use application::ports::{Clock, Ids, Meter, SecretStore, Unmetered};
use application::recovery::Recovery;
use application::retention::Purger;
use application::statistics::StatisticsService;
use domain::destination::DestinationPolicy;
use domain::error::StorageError;
use domain::repository::Storage;
use infrastructure::http::{ClientError, ExecutorSettings, NameServers, ReqwestExecutor, TrustedRoots};
use infrastructure::metrics::Metrics;
use infrastructure::oauth2::OAuth2Tokens;
use infrastructure::oidc::{OidcSettings, OidcVerifier};
use infrastructure::secrets::{CachedStore, EnvStore, FileStore, SecretStores, VaultSettings, VaultStore};
use infrastructure::storage::{DatabaseUrl, SqlStorage, StorageOptions};
use infrastructure::system::{SystemClock, UuidV7Ids};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, SecretStoreConfig};
use crate::failure::Failure;
use crate::metrics::MetricsDoor;

/// The service, ready to be served.
pub(crate) struct Application {
    pub router: axum::Router,
    pub services: Services,
    pub store: SqlStorage,
    pub metrics: Option<MetricsDoor>,
    /// The lease of this process on its calls.
    pub leases: Arc<LeaseKeeper>,
    pub recovery: Recovery,
    pub purger: Purger,
    /// Cancelled when the end begins: the replica is no longer ready.
    pub leaving: CancellationToken,
    /// Cancelled when no more connections are accepted, and no call waits for another attempt.
    pub shutdown: CancellationToken,
}

/// Puts the whole service together. Creates the folders, the embedded store and the schema where they are missing.
pub(crate) async fn compose(config: &Config) -> Result<Application, Failure> {
    let (metrics, meter) = metrics(config).await?;
    let store = open_store(&config.database_url).await?;
    migrate_if_needed(&store, &config.database_url).await?;
    let storage: Arc<dyn Storage> = Arc::new(store.clone());
    let cursor_key = storage.cursor_key().await.map_err(|error| store_failure(&config.database_url, &error))?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn Ids> = Arc::new(UuidV7Ids);
    let secrets = secret_stores(config)?;
    let destinations = DestinationPolicy::new(config.allow_http, config.allowed_destinations.clone());
    let outbound = outbound(config, destinations.clone())?;
    let tokens = OAuth2Tokens::new(&outbound, clock.clone()).map_err(|error| no_outbound(&error))?;
    let executor = ReqwestExecutor::new(outbound, ids.clone(), clock.clone()).map_err(|error| no_outbound(&error))?;
    let leases = Arc::new(LeaseKeeper::new(storage.clone(), ids.clone()));
    let recovery = Recovery::new(storage.clone(), clock.clone(), meter.clone());
    let purger = Purger::new(Arc::new(store.clone()), clock.clone(), ids.clone(), config.retention);
    let (leaving, shutdown) = (CancellationToken::new(), CancellationToken::new());

    let executor = Arc::new(executor);
    let connectors =
        ConnectorService::new(storage.clone(), secrets.clone(), destinations.clone(), clock.clone(), ids.clone());
    let execution = Arc::new(
        IntegrationExecutionService::new(
            storage.clone(),
            CredentialSources { secrets, tokens: Arc::new(tokens) },
            executor.clone(),
            clock.clone(),
            ids.clone(),
            leases.clone(),
            shutdown.clone(),
        )
        .limited(config.call_limits)
        .metered(meter.clone()),
    );
    let keys = Arc::new(ApiKeyService::new(storage.clone(), clock.clone(), ids.clone()));
    let services = Services {
        connectors: Arc::new(connectors),
        statistics: Arc::new(StatisticsService::new(storage.clone(), clock.clone(), execution.clone())),
        connection_tests: ConnectionTestService::new(execution.clone(), executor, destinations),
        execution,
        logs: Arc::new(IntegrationLogService::new(storage.clone())),
        audit: Arc::new(AuditService::new(storage.clone())),
        authentication: authentication(config, &keys, &clock)?,
        keys,
        health: Arc::new(HealthService::new(storage, leaving.clone())),
        meter,
        ids,
    };
    let options = Options {
        require_if_match: config.require_if_match,
        inbound_limit_per_minute: config.inbound_limit_per_minute,
        cors_allowed_origins: config.cors_allowed_origins.clone(),
        cursor_key,
    };
    Ok(Application {
        router: api::app(services.clone(), options),
        services,
        store,
        metrics,
        leases,
        recovery,
        purger,
        leaving,
        shutdown,
    })
}

/// What proves a caller, as the deployment says.
fn authentication(
    config: &Config,
    keys: &Arc<ApiKeyService>,
    clock: &Arc<dyn Clock>,
) -> Result<Authentication, Failure> {
    let Some(auth) = &config.auth else { return Ok(Authentication::None) };
    let tokens = match &auth.oidc {
        None => None,
        Some(oidc) => {
            let settings = OidcSettings {
                issuer: oidc.issuer.clone(),
                audience: oidc.audience.clone(),
                roots: trusted_roots(config)?,
            };
            let cannot = |error| Failure::caused("cannot set up the client for the identity provider", &error);
            let verifier = OidcVerifier::new(settings, clock.clone()).map_err(cannot)?;
            Some(Tokens { verifier: Arc::new(verifier), rules: oidc.rules.clone() })
        }
    };
    let keys = auth.keys.then(|| keys.clone());
    let service = AuthenticationService::new(keys, tokens, config.failed_logins_per_minute);
    Ok(Authentication::Bearer(Arc::new(service)))
}

/// Counts everything from now on and binds the listener, unless the deployment wants no metrics.
async fn metrics(config: &Config) -> Result<(Option<MetricsDoor>, Arc<dyn Meter>), Failure> {
    let Some(listen) = config.metrics_listen else { return Ok((None, Arc::new(Unmetered))) };
    let metrics = Metrics::install().map_err(|error| Failure::caused("cannot set up metrics", &error))?;
    Ok((Some(MetricsDoor::open(listen, metrics.clone()).await?), Arc::new(metrics)))
}

/// Opens the store, and creates the folder of an embedded one. The schema is left as it is.
pub(crate) async fn open_store(url: &DatabaseUrl) -> Result<SqlStorage, Failure> {
    if let Some(folder) = url.sqlite_path().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty()) {
        create_private_folder(folder)?;
    }
    SqlStorage::connect(url, &StorageOptions::default()).await.map_err(|error| store_failure(url, &error))
}

/// Migrates a store that does not have the schema of this version. One that has it is not touched, so that a role
/// without rights on the schema can serve (SE-A-6).
pub(crate) async fn migrate_if_needed(store: &SqlStorage, url: &DatabaseUrl) -> Result<bool, Failure> {
    match store.check().await {
        Ok(()) => return Ok(false),
        Err(error @ StorageError::Unavailable(_)) => return Err(store_failure(url, &error)),
        Err(_) => {}
    }
    store.migrate().await.map_err(|error| match error {
        StorageError::Unavailable(_) => store_failure(url, &error),
        _ => Failure::caused(
            format_args!(
                "the store {url} does not have the schema of this version, and it could not be migrated; \
                 run `connectors migrate` with a role that may change the schema"
            ),
            &error,
        ),
    })?;
    tracing::info!(store = %url, "the schema of the store is up to date now");
    Ok(true)
}

/// A store that does not answer, with what to look at.
pub(crate) fn store_failure(url: &DatabaseUrl, error: &StorageError) -> Failure {
    let advice = if url.sqlite_path().is_some() {
        "this user has to be able to write the file and its folder"
    } else {
        "see that PostgreSQL runs there, that the user, password and database are right, or set `database_url`"
    };
    Failure::caused(format_args!("cannot use the store {url} ({advice})"), error)
}

/// The configured stores. What is asked over the network is asked through a cache, and so are files, for a second.
pub(crate) fn secret_stores(config: &Config) -> Result<Arc<dyn SecretStore>, Failure> {
    let mut stores: BTreeMap<String, Arc<dyn SecretStore>> = BTreeMap::new();
    for (name, store) in &config.secret_stores {
        let store: Arc<dyn SecretStore> = match store {
            SecretStoreConfig::File { path } => {
                create_private_folder(path)?;
                Arc::new(CachedStore::local(Arc::new(FileStore::new(path.clone()))))
            }
            SecretStoreConfig::Env { prefix } => {
                let variables = config.environment.with_prefix(prefix);
                Arc::new(EnvStore::new(prefix, variables.map(|(name, value)| (name.to_owned(), value.to_owned()))))
            }
            SecretStoreConfig::Vault { address, mount, namespace, login } => {
                let settings = VaultSettings {
                    address: address.clone(),
                    mount: mount.clone(),
                    namespace: namespace.clone(),
                    login: login.clone(),
                    roots: trusted_roots(config)?,
                };
                cached(name, VaultStore::new(settings))?
            }
            #[cfg(feature = "aws")]
            SecretStoreConfig::Aws { region, endpoint_url, prefix } => {
                let settings = infrastructure::secrets::AwsSettings {
                    region: region.clone(),
                    endpoint_url: endpoint_url.clone(),
                    prefix: prefix.clone(),
                    roots: trusted_roots(config)?,
                };
                cached(name, infrastructure::secrets::AwsStore::new(settings))?
            }
            #[cfg(feature = "azure")]
            SecretStoreConfig::Azure { vault_url, credential, authority_url, resource } => {
                let settings = infrastructure::secrets::AzureSettings {
                    vault_url: vault_url.clone(),
                    credential: credential.clone(),
                    authority_url: authority_url.clone(),
                    resource: resource.clone(),
                    roots: trusted_roots(config)?,
                };
                cached(name, infrastructure::secrets::AzureStore::new(settings))?
            }
        };
        stores.insert(name.clone(), store);
    }
    Ok(Arc::new(SecretStores::new(stores)))
}

/// A store that is asked over the network, behind the cache.
fn cached(name: &str, store: Result<impl SecretStore + 'static, ClientError>) -> Result<Arc<dyn SecretStore>, Failure> {
    let cannot = |error| Failure::caused(format_args!("cannot set up the secret store {name}"), &error);
    Ok(Arc::new(CachedStore::remote(Arc::new(store.map_err(cannot)?))))
}

/// Creates a folder that only this user can read. One that is there is left as it is: Kubernetes mounts secrets with
/// modes and owners of its own.
fn create_private_folder(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    let cannot = |error| Failure::caused(format_args!("cannot create the folder {}", path.display()), &error);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)
}

/// The operating system's, and those of `extra_ca_file`.
fn trusted_roots(config: &Config) -> Result<TrustedRoots, Failure> {
    let mut roots = TrustedRoots::default();
    if let Some(path) = &config.extra_ca_file {
        let cannot = |error| Failure::caused(format_args!("cannot read `extra_ca_file` {}", path.display()), &error);
        roots.extra.push(fs::read(path).map_err(cannot)?);
    }
    Ok(roots)
}

/// What calls and token requests have in common.
fn outbound(config: &Config, policy: DestinationPolicy) -> Result<ExecutorSettings, Failure> {
    Ok(ExecutorSettings { policy, roots: trusted_roots(config)?, names: NameServers::default() })
}

fn no_outbound(error: &ClientError) -> Failure {
    Failure::caused("cannot set up outbound calls", error)
}
