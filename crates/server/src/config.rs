//! The configuration: defaults, overridden by the file, overridden by the environment, overridden by flags. Nothing is
//! half-valid: what [`Config::load`] answers can be used as it is, and everything that is wrong is said at once.

mod authentication;
mod demo;
mod environment;
mod fault;
mod file;
mod keys;
mod origins;
mod raw;
mod secret_stores;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;

use application::execution::CallLimits;
use domain::destination::AllowedDestination;
use domain::retention::RetentionPeriods;
use infrastructure::storage::DatabaseUrl;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

pub(crate) use self::authentication::AuthConfig;
pub(crate) use self::environment::Environment;
pub(crate) use self::fault::ConfigFaults;
use self::fault::Origin;
use self::raw::{Raw, Wrong};
pub(crate) use self::secret_stores::{DEFAULT_STORE, SecretStoreConfig};
use self::settings::{Settings, Sourced};

/// What the command line says about the configuration.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--database-url`
    pub database_url: Option<String>,
    /// Whether the command is `demo`, which has defaults of its own.
    pub demo: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Where metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetricsListen {
    pub address: SocketAddr,
    /// Whether somebody said so, and it is not the default.
    pub chosen: bool,
}

impl MetricsListen {
    fn of(read: &Sourced<Option<SocketAddr>>) -> Option<Self> {
        let chosen = read.origin != Origin::Default;
        read.value.map(|address| Self { address, chosen })
    }
}

/// Everything that a deployment decides.
#[derive(Clone)]
pub(crate) struct Config {
    pub listen: SocketAddr,
    /// `None`: nothing is counted, and no metrics are served.
    pub metrics_listen: Option<MetricsListen>,
    pub database_url: DatabaseUrl,
    pub allow_http: bool,
    pub allowed_destinations: Vec<AllowedDestination>,
    pub require_if_match: bool,
    /// Per principal; 0 is no limit.
    pub inbound_limit_per_minute: u32,
    /// As browsers spell them; none is no page of another origin.
    pub cors_allowed_origins: Vec<String>,
    pub extra_ca_file: Option<PathBuf>,
    pub call_limits: CallLimits,
    pub retention: RetentionPeriods,
    /// `None`: callers do not prove who they are.
    pub auth: Option<AuthConfig>,
    /// Of one address; 0 is no limit.
    pub failed_logins_per_minute: u32,
    /// By name.
    pub secret_stores: Vec<(String, SecretStoreConfig)>,
    /// `None`: as it suits where the log goes.
    pub log_format: Option<LogFormat>,
    pub log_level: String,
    /// Where the secrets of the stores of the kind `env` are.
    pub environment: Environment,
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// Every fault of every source, each with its place.
    pub(crate) fn load(flags: &Flags, environment: Environment) -> Result<Self, ConfigFaults> {
        let mut settings = Settings::default();
        settings.store(DEFAULT_STORE, &Origin::Default);
        if flags.demo {
            demo::presume(&mut settings);
        }
        read_file(flags, &environment, &mut settings);
        let unknown = environment.read(&mut settings);
        for (flag, key, value) in
            [("--listen", &keys::LISTEN, &flags.listen), ("--database-url", &keys::DATABASE_URL, &flags.database_url)]
        {
            if let Some(value) = value {
                settings.set(key, Raw::Word(value.clone()), Origin::Flag(flag));
            }
        }
        let stores = secret_stores::read(&mut settings);
        report_unknown(&unknown, &stores, &mut settings);
        let config = Self::read(&mut settings, stores, environment);
        match config {
            Some(config) if settings.faults.is_empty() => Ok(config),
            _ => Err(settings.faults),
        }
    }

    fn read(
        settings: &mut Settings,
        secret_stores: Vec<(String, SecretStoreConfig)>,
        environment: Environment,
    ) -> Option<Self> {
        let listen = settings.read(&keys::LISTEN, raw::address);
        let metrics_listen = settings.read(&keys::METRICS_LISTEN, metrics_listen);
        let auth = authentication::read(settings);
        let database_url = settings.read(&keys::DATABASE_URL, database_url);
        let allow_http = settings.read(&keys::ALLOW_HTTP, raw::boolean);
        let allowed_destinations = settings.read(&keys::ALLOWED_DESTINATIONS, destinations);
        let require_if_match = settings.read(&keys::REQUIRE_IF_MATCH, raw::boolean);
        let inbound_limit = settings.read(&keys::INBOUND_LIMIT, per_minute);
        let failed_logins = settings.read(&keys::FAILED_LOGINS, per_minute);
        let cors_allowed_origins = settings.read(&keys::CORS_ALLOWED_ORIGINS, origins::read);
        let extra_ca_file = settings.read(&keys::EXTRA_CA_FILE, |raw| raw::text(raw).map(PathBuf::from));
        let call_limits = call_limits(settings);
        let retention = retention(settings);
        let log_format = settings.read(&keys::LOG_FORMAT, log_format);
        let log_level = settings.read(&keys::LOG_LEVEL, log_level);
        if let (Some(listen), Some(auth)) = (&listen, &auth) {
            refuse_open_door(listen, auth, settings);
        }
        if let (Some(listed), Some(auth)) = (&cors_allowed_origins, &auth) {
            origins::refuse_foreign(listed, auth, settings);
        }
        Some(Self {
            listen: listen?.value,
            metrics_listen: metrics_listen.as_ref().map(MetricsListen::of)?,
            database_url: database_url?.value,
            allow_http: allow_http?.value,
            allowed_destinations: allowed_destinations?.value,
            require_if_match: require_if_match?.value,
            inbound_limit_per_minute: inbound_limit?.value,
            cors_allowed_origins: cors_allowed_origins?.value,
            extra_ca_file: extra_ca_file.map(|file| file.value),
            call_limits: call_limits?,
            retention: retention?,
            auth: auth?.value,
            failed_logins_per_minute: failed_logins?.value,
            secret_stores,
            log_format: log_format.map(|format| format.value),
            log_level: log_level?.value,
            environment,
        })
    }
}

/// `None` is `off`.
fn metrics_listen(raw: &Raw) -> Result<Option<SocketAddr>, Wrong> {
    if raw::text(raw)?.trim() == "off" { Ok(None) } else { raw::address(raw).map(Some) }
}

fn call_limits(settings: &mut Settings) -> Option<CallLimits> {
    let count = |raw: &Raw, range| usize::try_from(raw::number(raw, range)?).map_err(|_| Wrong::Unexpected);
    let overall = settings.read(&keys::MAX_CALLS, |raw| count(raw, 1..=100_000));
    let per_connector = settings.read(&keys::MAX_CALLS_PER_CONNECTOR, |raw| count(raw, 1..=1_000));
    let circuit_breaker = settings.read(&keys::CIRCUIT_BREAKER, raw::boolean);
    Some(CallLimits {
        max_concurrent_calls: overall?.value,
        max_concurrent_calls_per_connector: per_connector?.value,
        circuit_breaker: circuit_breaker?.value,
    })
}

fn retention(settings: &mut Settings) -> Option<RetentionPeriods> {
    let days = |raw: &Raw| u32::try_from(raw::number(raw, 1..=36_500)?).map_err(|_| Wrong::Unexpected);
    let logs_days = settings.read(&keys::LOGS_DAYS, days);
    let bodies_days = settings.read(&keys::BODIES_DAYS, days);
    Some(RetentionPeriods { logs_days: logs_days?.value, bodies_days: bodies_days?.value })
}

fn read_file(flags: &Flags, environment: &Environment, settings: &mut Settings) {
    let (path, origin) = match (&flags.config, environment.get(keys::FILE_VARIABLE)) {
        (Some(path), _) => (path.clone(), Origin::Flag("--config")),
        (None, Some(path)) => (PathBuf::from(path), Origin::Variable(keys::FILE_VARIABLE.to_owned())),
        (None, None) => return,
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => file::read(&path, &text, settings),
        Err(error) => {
            settings.faults.push(&origin, format!("cannot read the file {}: {error}", path.display()));
        }
    }
}

/// A variable that is no key may belong to a secret store.
fn report_unknown(unknown: &[String], stores: &[(String, SecretStoreConfig)], settings: &mut Settings) {
    let is_secret = |name: &str| {
        stores.iter().any(|(_, store)| match store {
            SecretStoreConfig::Env { prefix } => name.starts_with(prefix.as_str()),
            _ => false,
        })
    };
    for name in unknown.iter().filter(|name| !is_secret(name)) {
        let stores: Vec<&str> = settings.stores.keys().map(String::as_str).collect();
        let fault = environment::unknown(name, &stores);
        settings.faults.push(&Origin::Variable(name.clone()), fault);
    }
}

/// Without authentication everybody who reaches the port is admin.
fn refuse_open_door(listen: &Sourced<SocketAddr>, auth: &Sourced<Option<AuthConfig>>, settings: &mut Settings) {
    if auth.value.is_none() && !listen.value.ip().to_canonical().is_loopback() {
        let fault = format!(
            "`listen` is {}, which others can reach, and `auth.mode` is `none`, which lets everybody in as admin; \
             set `auth.mode` to `api-key` (keys come from `connectors keys create`) or `oidc`, or listen on 127.0.0.1",
            listen.value
        );
        settings.faults.push(&listen.origin.clone().max(auth.origin.clone()), fault);
    }
}

/// A `/`, `?` or `#` in a password ends the host early: `postgres://me:1/2@db/esg` has the host `me`, and would be
/// shown with a part of the password as its port.
fn database_url(raw: &Raw) -> Result<DatabaseUrl, Wrong> {
    let text = raw::text(raw)?;
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let behind = authority.split_once(['/', '?', '#']).map_or("", |(_, behind)| behind);
    if text.starts_with("postgres") && behind.contains('@') {
        let reason = "has an `@` behind its host; in a password write `/` as %2F, `?` as %3F, `#` as %23, `@` as %40";
        return Err(Wrong::Because(reason.to_owned()));
    }
    DatabaseUrl::parse(text).map_err(|invalid| Wrong::Because(invalid.to_string()))
}

fn per_minute(raw: &Raw) -> Result<u32, Wrong> {
    u32::try_from(raw::number(raw, 0..=1_000_000)?).map_err(|_| Wrong::Unexpected)
}

fn destinations(raw: &Raw) -> Result<Vec<AllowedDestination>, Wrong> {
    let parse = |entry: &String| {
        let refused = |refusal: domain::fault::Refusal| {
            Wrong::Because(format!("contains \"{}\"; every entry {}", entry.escape_debug(), refusal.detail))
        };
        AllowedDestination::parse(entry).map_err(refused)
    };
    raw::list(raw)?.iter().map(parse).collect()
}

fn log_format(raw: &Raw) -> Result<LogFormat, Wrong> {
    match raw::text(raw)? {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(Wrong::Unexpected),
    }
}

/// A bare word that is no level would be taken for the name of a module, and silence everything else.
fn log_level(raw: &Raw) -> Result<String, Wrong> {
    let directives = raw::text(raw)?;
    let mut bare = directives.split(',').filter(|directive| !directive.contains(['=', '[']));
    if bare.any(|word| word.trim().parse::<LevelFilter>().is_err()) {
        return Err(Wrong::Unexpected);
    }
    EnvFilter::builder().parse(directives).map(|_| directives.to_owned()).map_err(|_| Wrong::Unexpected)
}
