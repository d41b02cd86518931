//! What every handler can reach: the use cases, and how this deployment wants them served.

use std::ops::Deref;
use std::sync::Arc;

use application::api_key::ApiKeyService;
use application::audit::AuditService;
use application::authentication::AuthenticationService;
use application::connector::ConnectorService;
use application::execution::{ConnectionTestService, IntegrationExecutionService};
use application::health::HealthService;
use application::integration_log::IntegrationLogService;
use application::ports::{Ids, Meter};
use application::statistics::StatisticsService;

/// The use cases behind the API.
#[derive(Clone)]
#[expect(missing_docs, reason = "each member is the service of the same name")]
pub struct Services {
    pub connectors: Arc<ConnectorService>,
    pub execution: Arc<IntegrationExecutionService>,
    pub connection_tests: ConnectionTestService,
    pub logs: Arc<IntegrationLogService>,
    pub statistics: Arc<StatisticsService>,
    pub audit: Arc<AuditService>,
    pub keys: Arc<ApiKeyService>,
    pub authentication: Authentication,
    pub health: Arc<HealthService>,
    /// Counts requests.
    pub meter: Arc<dyn Meter>,
    /// Mints correlation ids and trace ids for requests that bring none.
    pub ids: Arc<dyn Ids>,
}

/// How callers prove who they are.
#[derive(Clone)]
pub enum Authentication {
    /// They do not: everybody is `local` with the role admin. For loopback only.
    None,
    /// With a bearer token that this service judges.
    Bearer(Arc<AuthenticationService>),
}

/// How this deployment wants the API served.
#[derive(Clone)]
pub struct Options {
    /// Whether PUT and DELETE without `If-Match` are refused with 428.
    pub require_if_match: bool,
    /// How many requests a minute a principal may make of this process; 0 is no limit.
    pub inbound_limit_per_minute: u32,
    /// The origins whose pages may read answers, each as a browser spells it; without any, no page of another origin.
    pub cors_allowed_origins: Vec<String>,
    /// The key that seals list cursors, the same on all replicas.
    pub cursor_key: [u8; 32],
}

/// The state of the router. Every layer and handler of a request has a clone.
#[derive(Clone)]
pub(crate) struct ApiState(Arc<Shared>);

/// What the clones share.
pub(crate) struct Shared {
    pub(crate) services: Services,
    pub(crate) options: Options,
}

impl ApiState {
    pub(crate) fn new(services: Services, options: Options) -> Self {
        Self(Arc::new(Shared { services, options }))
    }
}

impl Deref for ApiState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
