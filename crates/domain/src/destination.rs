//! Where outbound calls may go (SE-D). Pure: the adapter resolves names and asks here about every address before it
//! connects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::fault::{FaultCode, Refusal};

/// The IANA special-purpose ranges and their kin that no call reaches unless the deployment allows it (SE-D-2).
/// IPv4-mapped addresses (`::ffff:0:0/96`) are judged by the address inside.
const SPECIAL_PURPOSE: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The cloud providers' metadata services, which hand out credentials. Denied whatever the allow-list says.
const METADATA: &[&str] = &[
    "169.254.169.254", // AWS, Azure, Google, OpenStack
    "169.254.170.2",   // AWS ECS task credentials
    "169.254.170.23",  // AWS EKS pod identity
    "168.63.129.16",   // Azure wire server
    "100.100.100.200", // Alibaba
    "192.0.0.192",     // Oracle
    "fd00:ec2::254",   // AWS
    "fd00:ec2::23",    // AWS EKS pod identity
    "fd20:ce::254",    // Google
];

static SPECIAL_RANGES: LazyLock<Vec<IpNet>> =
    LazyLock::new(|| SPECIAL_PURPOSE.iter().filter_map(|range| range.parse().ok()).collect());
static METADATA_ADDRESSES: LazyLock<Vec<IpAddr>> =
    LazyLock::new(|| METADATA.iter().filter_map(|address| address.parse().ok()).collect());

/// One entry of the deployment's `allowed_destinations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedDestination {
    /// Every address of the range.
    Network(IpNet),
    /// Every address that this host name resolves to.
    Host(String),
}

impl AllowedDestination {
    /// Reads a CIDR range, a bare address or a host name.
    ///
    /// # Errors
    /// `invalid-value` for anything else.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(IpNet::from(address)));
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if !text.contains('/') => Ok(Self::Host(without_trailing_dot(&name).to_owned())),
            _ => Err(Refusal::new(
                FaultCode::InvalidValue,
                "must be a CIDR range such as `10.20.0.0/16`, an address, or a host name",
            )),
        }
    }
}

/// A destination that is not called. It says no more than this, whatever stands behind the address (SE-D-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this deployment does not call that destination")]
pub struct DestinationBlocked;

/// The deployment's decision about destinations: public `https` only, unless it opens more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationPolicy {
    allow_http: bool,
    allowed: Vec<AllowedDestination>,
}

impl DestinationPolicy {
    /// A policy that opens `allowed` beside the public internet, and plain `http` where `allow_http` says so.
    #[must_use]
    pub const fn new(allow_http: bool, allowed: Vec<AllowedDestination>) -> Self {
        Self { allow_http, allowed }
    }

    /// Whether plain `http` upstreams are served.
    #[must_use]
    pub const fn allows_http(&self) -> bool {
        self.allow_http
    }

    /// Judges what can be known before resolution: the scheme, address literals in any spelling (the URL parser has
    /// made them addresses), and names that always mean this machine.
    ///
    /// # Errors
    /// [`DestinationBlocked`].
    pub fn judge_url(&self, url: &Url) -> Result<(), DestinationBlocked> {
        let scheme_is_served = url.scheme() == "https" || (self.allow_http && url.scheme() == "http");
        if !scheme_is_served {
            return Err(DestinationBlocked);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.judge_address(None, address.into()),
            Some(Host::Ipv6(address)) => self.judge_address(None, address.into()),
            Some(Host::Domain(name)) if means_this_machine(name) => {
                self.judge_address(Some(name), Ipv4Addr::LOCALHOST.into())
            }
            Some(Host::Domain(_)) => Ok(()),
            None => Err(DestinationBlocked),
        }
    }

    /// Judges one address, and the host name that resolved to it.
    ///
    /// # Errors
    /// [`DestinationBlocked`].
    pub fn judge_address(&self, host: Option<&str>, address: IpAddr) -> Result<(), DestinationBlocked> {
        let address = address.to_canonical();
        if is_metadata(address) {
            return Err(DestinationBlocked);
        }
        let special = SPECIAL_RANGES.iter().any(|range| range.contains(&address));
        if special && !self.opens(host, address) { Err(DestinationBlocked) } else { Ok(()) }
    }

    fn opens(&self, host: Option<&str>, address: IpAddr) -> bool {
        self.allowed.iter().any(|allowed| match allowed {
            AllowedDestination::Network(range) => canonical(range).contains(&address),
            AllowedDestination::Host(name) => {
                host.is_some_and(|host| without_trailing_dot(host).eq_ignore_ascii_case(name))
            }
        })
    }
}

fn canonical(range: &IpNet) -> IpNet {
    match range {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .network()
            .to_ipv4_mapped()
            .and_then(|inner| Ipv4Net::new(inner, v6.prefix_len() - 96).ok())
            .map_or(*range, IpNet::V4),
        other => *other,
    }
}

fn is_metadata(address: IpAddr) -> bool {
    METADATA_ADDRESSES.contains(&address)
        || match address {
            IpAddr::V6(v6) => embedded_v4(v6).is_some_and(|inner| METADATA_ADDRESSES.contains(&inner.into())),
            IpAddr::V4(_) => false,
        }
}

/// The IPv4 address that a translating prefix carries: NAT64, 6to4 or IPv4-compatible.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let nat64 = Ipv6Net::new(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96).ok()?;
    let compatible = Ipv6Net::new(Ipv6Addr::UNSPECIFIED, 96).ok()?;
    let (high, low) = if segments[0] == 0x2002 {
        (segments[1], segments[2])
    } else if nat64.contains(&address) || compatible.contains(&address) {
        (segments[6], segments[7])
    } else {
        return None;
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

/// RFC 6761 §6.3: `localhost` and everything below it.
fn means_this_machine(name: &str) -> bool {
    let name = without_trailing_dot(name);
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn without_trailing_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn verdict(policy: &DestinationPolicy, url: &str) -> bool {
        policy.judge_url(&Url::parse(url).expect("a URL")).is_ok()
    }

    fn opening(entries: &[&str]) -> DestinationPolicy {
        DestinationPolicy::new(
            true,
            entries.iter().map(|entry| AllowedDestination::parse(entry).expect("entry")).collect(),
        )
    }

    #[test]
    fn every_listed_range_and_metadata_address_is_well_formed() {
        assert_eq!(SPECIAL_RANGES.len(), SPECIAL_PURPOSE.len());
        assert_eq!(METADATA_ADDRESSES.len(), METADATA.len());
    }

    #[rstest]
    #[case("https://93.184.215.14/v1", true)]
    #[case("https://[2606:2800:220:1::1]/", true)]
    #[case("https://api.example.com:8443/v1", true)]
    #[case("http://api.example.com/", false)]
    #[case("ftp://api.example.com/", false)]
    #[case("https://127.0.0.1/", false)]
    #[case("https://2130706433/", false)]
    #[case("https://0x7f.1/", false)]
    #[case("https://0177.0.0.1/", false)]
    #[case("https://127.0.0.1./", false)]
    #[case("https://１２７.0.0.1/", false)]
    #[case("https://[::1]/", false)]
    #[case("https://[::ffff:10.0.0.1]/", false)]
    #[case("https://[::10.0.0.1]/", false)]
    #[case("https://[64:ff9b::a9fe:a9fe]/", false)]
    #[case("https://[fd00:ec2::254]/", false)]
    #[case("https://169.254.169.254/latest/meta-data", false)]
    #[case("https://168.63.129.16/", false)]
    #[case("https://localhost/", false)]
    #[case("https://x.LOCALHOST./", false)]
    fn by_default_only_public_https_is_called(#[case] url: &str, #[case] expected: bool) {
        assert_eq!(verdict(&DestinationPolicy::default(), url), expected, "{url}");
    }

    #[test]
    fn the_deployment_can_open_networks_and_hosts() {
        let policy = opening(&["10.20.0.0/16", "erp.internal", "127.0.0.1"]);
        assert!(verdict(&policy, "http://10.20.3.4/"));
        assert!(!verdict(&policy, "http://10.21.3.4/"));
        assert!(verdict(&policy, "http://127.0.0.1:8080/"));
        assert!(!verdict(&policy, "http://127.0.0.2:8080/"));
        assert!(verdict(&policy, "http://[::ffff:127.0.0.1]:8080/"));
        let private: IpAddr = "192.168.7.7".parse().expect("address");
        assert!(policy.judge_address(Some("ERP.internal."), private).is_ok());
        assert!(policy.judge_address(Some("other.internal"), private).is_err());
    }

    #[test]
    fn metadata_stays_denied_whatever_is_opened() {
        let policy = opening(&["0.0.0.0/0", "::/0", "metadata.google.internal"]);
        for address in
            METADATA.iter().copied().chain(["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"])
        {
            let address = address.parse().expect("address");
            assert!(policy.judge_address(Some("metadata.google.internal"), address).is_err(), "{address}");
        }
    }
}
