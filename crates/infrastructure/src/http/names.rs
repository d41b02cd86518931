//! Which name servers are asked. The hosts file of the machine is read before any of them.

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// Where names are resolved.
#[derive(Debug, Clone, Default)]
pub enum NameServers {
    /// As the operating system is configured (`/etc/resolv.conf`), search domains included.
    #[default]
    System,
    /// At these servers, over UDP and TCP.
    At(Vec<SocketAddr>),
}

impl NameServers {
    pub(super) fn resolver(&self) -> Result<TokioResolver, NetError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = match self {
            Self::At(servers) => TokioResolver::builder_with_config(config(servers), provider),
            Self::System => TokioResolver::builder_tokio().unwrap_or_else(|error| {
                // Literal addresses and the hosts file still work; names fail one by one, as `dns-failure`.
                tracing::warn!(%error, "no name servers are configured on this machine");
                TokioResolver::builder_with_config(config(&[]), provider)
            }),
        };
        let options = builder.options_mut();
        // Both families always: the guard judges every address that the name has.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Always;
        builder.build()
    }
}

fn config(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = server.port();
        }
        NameServerConfig::new(server.ip(), true, connections)
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}
