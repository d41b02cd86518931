//! Trying a connection out: one attempt with a client of its own, which has no connection and no TLS session from
//! before, and whose resolver and connector note when they were done.

mod watch;

use std::sync::Arc;
use std::time::Duration;

use application::ports::{CallPlan, CallReport, ConnectionProbe, Leg, ProbeReport};
use async_trait::async_trait;
use domain::failure::{ErrorCode, Failure};
use reqwest::Client;
use tokio::time::Instant;

use self::watch::Watch;
use super::client::{self, ClientError};
use super::executor::ReqwestExecutor;
use super::guard::Guard;
use super::request::OutgoingRequest;

#[async_trait]
impl ConnectionProbe for ReqwestExecutor {
    async fn probe(&self, plan: &CallPlan) -> ProbeReport {
        let watch = Watch::default();
        let (guard, roots, watching) = (self.guard().clone(), self.roots().clone(), watch.clone());
        // It reads the system's certificates.
        let building = tokio::task::spawn_blocking(move || client(&guard, &roots, &watching));
        let built = building.await.ok().and_then(Result::ok);
        let Some(client) = built else {
            let message = "the service could not set up a connection; no request was made";
            return unmade(Failure::new(ErrorCode::InternalError, message));
        };
        let outgoing = match OutgoingRequest::of(plan, &plan.credential) {
            Ok(outgoing) => outgoing,
            Err(failure) => return unmade(failure),
        };
        let begun = Instant::now();
        let outcome = self.with_client(client).attempt(plan, &outgoing).await;
        let whole = begun.elapsed();
        let call = CallReport {
            response: outcome.response,
            status: outcome.status,
            failure: outcome.failed.map(|failed| failed.failure),
            attempts: 1,
        };
        watch.report(call, whole)
    }
}

fn client(guard: &Guard, roots: &client::TrustedRoots, watch: &Watch) -> Result<Client, ClientError> {
    client::builder(guard, roots)?
        .dns_resolver(Arc::new(watch.resolver(guard.clone())))
        .connector_layer(watch.connections())
        .build()
        .map_err(ClientError::Client)
}

fn unmade(failure: Failure) -> ProbeReport {
    let call = CallReport { response: None, status: None, failure: Some(failure), attempts: 0 };
    let (connecting, exchanging) = (Duration::ZERO, Duration::ZERO);
    ProbeReport { call, reached: Leg::Exchanging, resolving: None, connecting, exchanging }
}
