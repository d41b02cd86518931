//! The services over the fakes, and what most tests begin with.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use application::api_key::ApiKeyService;
use application::audit::AuditService;
use application::connector::ConnectorService;
use application::context::RequestContext;
use application::error::Error;
use application::execution::{CallLimits, CredentialSources, Execution, IntegrationExecutionService};
use application::integration_log::IntegrationLogService;
use application::lease::LeaseKeeper;
use domain::access::{Actor, ActorType, Principal, Role, Scope};
use domain::call::CallDraft;
use domain::connector::{Connector, ConnectorDraft};
use domain::correlation::{CorrelationId, TraceContext};
use domain::destination::DestinationPolicy;
use domain::failure::{ErrorCode, Failure};
use domain::fault::Faults;
use domain::id::ConnectorId;
use domain::integration_log::IntegrationStatus;
use tokio_util::sync::CancellationToken;

use crate::fakes::{
    CountingIds, Journal, MemoryStorage, ScriptedExecutor, ScriptedSecrets, ScriptedTokens, Step, SteppableClock,
};

pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(crate) struct World {
    pub(crate) journal: Journal,
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) secrets: Arc<ScriptedSecrets>,
    pub(crate) tokens: Arc<ScriptedTokens>,
    pub(crate) executor: Arc<ScriptedExecutor>,
    pub(crate) clock: Arc<SteppableClock>,
    pub(crate) leases: Arc<LeaseKeeper>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) connectors: ConnectorService,
    pub(crate) calls: Arc<IntegrationExecutionService>,
    pub(crate) logs: IntegrationLogService,
    pub(crate) audit: AuditService,
    pub(crate) keys: ApiKeyService,
}

impl World {
    /// Empty, with the secret `HR` in its store.
    pub(crate) fn new() -> Self {
        let journal = Journal::default();
        let storage = Arc::new(MemoryStorage::new(journal.clone()));
        let secrets = Arc::new(ScriptedSecrets::new(journal.clone()));
        secrets.put("HR", "hr-secret-value");
        let tokens = Arc::new(ScriptedTokens::new(journal.clone()));
        let clock = Arc::new(SteppableClock::default());
        let executor = Arc::new(ScriptedExecutor::new(clock.clone(), journal.clone()));
        let ids = Arc::new(CountingIds::default());
        let leases = Arc::new(LeaseKeeper::new(storage.clone(), ids.clone()));
        let shutdown = CancellationToken::new();
        Self {
            connectors: ConnectorService::new(
                storage.clone(),
                secrets.clone(),
                DestinationPolicy::default(),
                clock.clone(),
                ids.clone(),
            ),
            calls: Arc::new(IntegrationExecutionService::new(
                storage.clone(),
                CredentialSources { secrets: secrets.clone(), tokens: tokens.clone() },
                executor.clone(),
                clock.clone(),
                ids.clone(),
                leases.clone(),
                shutdown.clone(),
            )),
            logs: IntegrationLogService::new(storage.clone()),
            audit: AuditService::new(storage.clone()),
            keys: ApiKeyService::new(storage.clone(), clock.clone(), ids),
            journal,
            storage,
            secrets,
            tokens,
            executor,
            clock,
            leases,
            shutdown,
        }
    }

    /// With these limits on calls.
    pub(crate) fn limited(mut self, limits: CallLimits) -> Self {
        self.calls = Arc::new(Arc::unwrap_or_clone(self.calls).limited(limits));
        self
    }

    pub(crate) async fn registered(&self, draft: ConnectorDraft) -> Connector {
        self.connectors.register(&context(), draft).await.expect("registered")
    }

    /// A registered and enabled connector; the lease is kept, and the journal is empty after it.
    pub(crate) async fn enabled(&self, draft: ConnectorDraft) -> ConnectorId {
        let id = self.registered(draft).await.id;
        self.connectors.enable(&context(), id, None).await.expect("enabled");
        self.leases.lease().await.expect("a lease");
        let (leases, never) = (Arc::clone(&self.leases), CancellationToken::new());
        tokio::spawn(async move { leases.keep(never).await });
        self.journal.clear();
        id
    }

    /// Executes `call` while the upstream follows `steps`.
    pub(crate) async fn executed(
        &self,
        id: ConnectorId,
        call: CallDraft,
        steps: impl IntoIterator<Item = Step>,
    ) -> Execution {
        self.executor.will(steps);
        self.calls.execute(&context(), id, call).await.expect("executed")
    }

    /// A call through a new enabled connector without authentication.
    pub(crate) async fn pulled(&self, steps: impl IntoIterator<Item = Step>) -> Execution {
        let id = self.enabled(open_draft()).await;
        self.executed(id, pull(), steps).await
    }
}

/// The request of an administrator.
pub(crate) fn context() -> RequestContext {
    context_of(Principal {
        actor: Actor { name: "ana".to_owned(), kind: ActorType::ApiKey },
        role: Role::Admin,
        scope: Scope::All,
    })
}

pub(crate) fn context_of(principal: Principal) -> RequestContext {
    RequestContext {
        principal,
        correlation_id: CorrelationId::parse("corr-12345").expect("an id"),
        trace: TraceContext::parse(TRACE).expect("a trace"),
        source_address: Some("192.0.2.7".parse().expect("an address")),
    }
}

/// The request of a service for which only these connectors exist.
pub(crate) fn context_only(connectors: impl IntoIterator<Item = ConnectorId>) -> RequestContext {
    context_of(Principal {
        actor: Actor { name: "importer".to_owned(), kind: ActorType::ApiKey },
        role: Role::Service,
        scope: Scope::Only(connectors.into_iter().collect::<BTreeSet<_>>()),
    })
}

/// A connector with an API key.
pub(crate) fn draft() -> ConnectorDraft {
    ConnectorDraft {
        authentication_type: Some("ApiKey".to_owned()),
        authentication_secret_ref: Some("SecretStore:HR".to_owned()),
        ..open_draft()
    }
}

/// A connector without authentication and without a rate limit, for reading and writing.
pub(crate) fn open_draft() -> ConnectorDraft {
    ConnectorDraft {
        name: Some("Company HR System".to_owned()),
        connector_type: Some("HR".to_owned()),
        endpoint_base_url: Some("https://api.hr.example.com/v1".to_owned()),
        authentication_type: Some("None".to_owned()),
        capabilities: Some(vec!["pull".to_owned(), "push".to_owned()]),
        rate_limit_per_minute: Some(0.into()),
        ..ConnectorDraft::default()
    }
}

pub(crate) fn pull() -> CallDraft {
    CallDraft {
        operation_type: Some("pull".to_owned()),
        endpoint: Some("/employees".to_owned()),
        ..CallDraft::default()
    }
}

pub(crate) fn push(body: &serde_json::Value) -> CallDraft {
    CallDraft { operation_type: Some("push".to_owned()), body: Some(body.to_string().into()), ..pull() }
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How a call ended, as one line: the status, and why it was no success.
#[track_caller]
pub(crate) fn outcome(execution: &Execution) -> (IntegrationStatus, Option<ErrorCode>) {
    (execution.log.status(), failure_of(execution).map(|failure| failure.code))
}

pub(crate) fn failure_of(execution: &Execution) -> Option<&Failure> {
    execution.log.completion.as_ref().and_then(|completion| completion.failure.as_ref())
}

/// What is wrong with an input, as `pointer: code`.
#[track_caller]
pub(crate) fn faults<T: std::fmt::Debug>(refused: Result<T, Error>) -> Vec<String> {
    let Err(Error::Invalid(faults)) = refused else { panic!("is not invalid: {refused:?}") };
    spelled(&faults)
}

fn spelled(faults: &Faults) -> Vec<String> {
    faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.code.as_str())).collect()
}
