//! The destination guard at connect time (SE-D-2): resolves a name, judges every address, and gives the connector
//! exactly the addresses that were judged. There is no second resolution that could answer otherwise.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::destination::{DestinationBlocked, DestinationPolicy};
use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::Name as DnsName;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

/// Name servers that do not answer within this time have failed. Shorter than the client's connect timeout, so that
/// the failure bears the right name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(8);

/// Why a host has no address to connect to. It crosses reqwest as the source of its error.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    #[error(transparent)]
    Blocked(#[from] DestinationBlocked),
    #[error("the host name does not exist")]
    NotFound,
    #[error("{0}")]
    Failed(String),
}

/// Resolves and judges. Clones share everything.
#[derive(Clone)]
pub(super) struct Guard(Arc<Shared>);

struct Shared {
    policy: DestinationPolicy,
    resolver: TokioResolver,
    /// How many look-ups of a name are under way.
    pending: Mutex<HashMap<String, usize>>,
}

impl Guard {
    pub(super) fn new(policy: DestinationPolicy, resolver: TokioResolver) -> Self {
        Self(Arc::new(Shared { policy, resolver, pending: Mutex::default() }))
    }

    pub(super) fn policy(&self) -> &DestinationPolicy {
        &self.0.policy
    }

    /// Judges scheme and literal address, for which reqwest never asks a resolver (SE-D-3).
    pub(super) fn judge(&self, url: &Url) -> Result<(), DestinationBlocked> {
        self.0.policy.judge_url(url)
    }

    /// Whether the name of `url` is being looked up right now.
    pub(super) fn is_resolving(&self, url: &Url) -> bool {
        url.domain().is_some_and(|host| self.0.pending().contains_key(host))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = shared.resolve(name.as_str()).await?;
            // Port 0 stands for the port of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

impl Shared {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, GuardError> {
        let addresses = self.look_up(host).await?;
        // One denied address condemns the name: an answer that mixes both is how rebinding starts.
        for address in &addresses {
            self.policy.judge_address(Some(host), *address)?;
        }
        Ok(addresses)
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, GuardError> {
        let _pending = PendingLookup::of(self, host);
        let name = DnsName::from_utf8(host).map_err(|_| GuardError::NotFound)?;
        let answer = tokio::time::timeout(LOOKUP_TIMEOUT, self.resolver.lookup_ip(name))
            .await
            .map_err(|_| GuardError::Failed("the name servers did not answer in time".to_owned()))?
            .map_err(|error| GuardError::from(&error))?;
        let addresses: Vec<_> = answer.iter().collect();
        if addresses.is_empty() { Err(GuardError::NotFound) } else { Ok(addresses) }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&NetError> for GuardError {
    fn from(error: &NetError) -> Self {
        if error.is_no_records_found() {
            return Self::NotFound;
        }
        let cause = match error {
            NetError::Timeout => "the name servers did not answer in time".to_owned(),
            NetError::NoConnections => "no name server could be reached".to_owned(),
            other => other.to_string(),
        };
        Self::Failed(cause)
    }
}

/// A look-up that is under way until this is dropped.
struct PendingLookup<'a> {
    shared: &'a Shared,
    host: &'a str,
}

impl<'a> PendingLookup<'a> {
    fn of(shared: &'a Shared, host: &'a str) -> Self {
        *shared.pending().entry(host.to_owned()).or_default() += 1;
        Self { shared, host }
    }
}

impl Drop for PendingLookup<'_> {
    fn drop(&mut self) {
        let mut pending = self.shared.pending();
        if let Some(count) = pending.get_mut(self.host) {
            *count -= 1;
            if *count == 0 {
                pending.remove(self.host);
            }
        }
    }
}
