//! How many credentials that are not valid an address may present in a minute (SE-A-4). Attempts come back evenly, one
//! every 60/N s; all N may be used at once.
//!
//! It is asked without being charged, which the limiters of libraries do not offer: a caller with a good credential must
//! not use up what those with bad ones may.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::api_key::KeyDigest;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);

/// The most addresses that are counted at a time. Beyond it, the one with the fewest failures is forgotten.
const MOST_SOURCES: usize = 10_000;

/// The most keys that are remembered as good. Beyond it, any one is forgotten.
const MOST_KEYS: usize = 10_000;

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charge {
    /// Nothing new.
    Counted,
    /// The address is throttled from now on, for the first time since it was quiet for a while.
    BeginsThrottling,
}

/// The failed attempts of one process.
pub(super) struct FailedLogins {
    /// `None`: nothing is counted.
    per_minute: Option<NonZeroU32>,
    sources: Mutex<HashMap<IpAddr, Source>>,
    good_keys: Mutex<HashSet<KeyDigest>>,
}

/// How an address stands.
struct Source {
    /// When all its attempts have come back.
    whole_at: Instant,
    /// Whether its throttling was told.
    is_told: bool,
}

impl FailedLogins {
    pub(super) fn per_minute(attempts: u32) -> Self {
        Self { per_minute: NonZeroU32::new(attempts), sources: Mutex::default(), good_keys: Mutex::default() }
    }

    /// How long the address has to wait until its next attempt is looked at; `None`: it need not.
    pub(super) fn wait(&self, source: Option<IpAddr>) -> Option<Duration> {
        let per_minute = self.per_minute?;
        let whole_at = self.sources().get(&network(source?))?.whole_at;
        let next = whole_at + MINUTE / per_minute.get();
        let wait = next.saturating_duration_since(Instant::now() + MINUTE);
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts an attempt of this address that failed.
    pub(super) fn charge(&self, source: IpAddr) -> Charge {
        let Some(per_minute) = self.per_minute else { return Charge::Counted };
        let (source, now, interval) = (network(source), Instant::now(), MINUTE / per_minute.get());
        let mut sources = self.sources();
        if !sources.contains_key(&source) {
            make_room(&mut sources, now);
        }
        let standing = sources.entry(source).or_insert(Source { whole_at: now, is_told: false });
        if standing.whole_at <= now {
            *standing = Source { whole_at: now, is_told: false };
        }
        // Attempts that were under way at the same time: beyond a minute they would only prolong the throttling.
        standing.whole_at = (standing.whole_at + interval).min(now + MINUTE);
        if standing.is_told || standing.whole_at + interval <= now + MINUTE {
            return Charge::Counted;
        }
        standing.is_told = true;
        Charge::BeginsThrottling
    }

    /// Whether the key was good when it was looked up last.
    pub(super) fn knows(&self, key: &KeyDigest) -> bool {
        self.good_keys().contains(key)
    }

    pub(super) fn remember(&self, key: KeyDigest) {
        if self.per_minute.is_none() {
            return;
        }
        let mut keys = self.good_keys();
        if keys.len() >= MOST_KEYS
            && !keys.contains(&key)
            && let Some(any) = keys.iter().next().copied()
        {
            keys.remove(&any);
        }
        keys.insert(key);
    }

    pub(super) fn forget(&self, key: &KeyDigest) {
        self.good_keys().remove(key);
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<IpAddr, Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn good_keys(&self) -> MutexGuard<'_, HashSet<KeyDigest>> {
        self.good_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom an address belongs to: a customer of a provider gets a whole /64 of IPv6.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

fn make_room(sources: &mut HashMap<IpAddr, Source>, now: Instant) {
    if sources.len() < MOST_SOURCES {
        return;
    }
    sources.retain(|_, source| source.whole_at > now);
    if sources.len() >= MOST_SOURCES
        && let Some(least) = sources.iter().min_by_key(|(_, source)| source.whole_at).map(|(source, _)| *source)
    {
        sources.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::advance;

    use super::*;

    const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[tokio::test(start_paused = true)]
    async fn se_a_4_attempts_come_back_evenly_and_a_throttling_is_told_once() {
        let failed = FailedLogins::per_minute(20);
        for _ in 0..19 {
            assert_eq!(failed.charge(ATTACKER), Charge::Counted);
            assert_eq!(failed.wait(Some(ATTACKER)), None);
        }
        assert_eq!(failed.charge(ATTACKER), Charge::BeginsThrottling);
        assert_eq!(failed.wait(Some(ATTACKER)), Some(Duration::from_secs(3)));
        assert_eq!(failed.wait(Some(address("203.0.113.8"))), None);
        for _ in 0..100 {
            advance(Duration::from_millis(2_999)).await;
            assert!(failed.wait(Some(ATTACKER)).is_some());
            advance(Duration::from_millis(1)).await;
            assert_eq!(failed.wait(Some(ATTACKER)), None);
            assert_eq!(failed.charge(ATTACKER), Charge::Counted, "it is told already");
            assert!(failed.wait(Some(ATTACKER)).is_some());
        }
        advance(MINUTE).await;
        for _ in 0..19 {
            assert_eq!(failed.charge(ATTACKER), Charge::Counted);
        }
        assert_eq!(failed.charge(ATTACKER), Charge::BeginsThrottling);
    }

    #[tokio::test(start_paused = true)]
    async fn se_a_4_attempts_at_the_same_time_do_not_throttle_for_longer_than_one_interval() {
        let failed = FailedLogins::per_minute(20);
        for _ in 0..10_000 {
            failed.charge(ATTACKER);
        }
        assert_eq!(failed.wait(Some(ATTACKER)), Some(Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn se_a_4_an_address_of_ipv6_stands_for_its_network() {
        let failed = FailedLogins::per_minute(1);
        failed.charge(address("2001:db8:1:2::1"));
        assert!(failed.wait(Some(address("2001:db8:1:2:ffff::9"))).is_some());
        assert!(failed.wait(Some(address("2001:db8:1:3::1"))).is_none());
        failed.charge(address("::ffff:203.0.113.7"));
        assert!(failed.wait(Some(ATTACKER)).is_some());
        assert!(failed.wait(None).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn se_a_4_memory_is_bounded_and_those_that_failed_most_are_kept() {
        let failed = FailedLogins::per_minute(20);
        for _ in 0..20 {
            failed.charge(ATTACKER);
        }
        for number in 0..u32::try_from(MOST_SOURCES + 100).expect("a small number") {
            failed.charge(Ipv4Addr::from_bits(number).into());
        }
        assert_eq!(failed.sources().len(), MOST_SOURCES);
        assert!(failed.wait(Some(ATTACKER)).is_some());
        for number in 0..2 * MOST_KEYS {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            failed.remember(key);
        }
        assert_eq!(failed.good_keys().len(), MOST_KEYS);
    }

    #[tokio::test]
    async fn se_a_4_without_a_limit_nothing_is_counted() {
        let failed = FailedLogins::per_minute(0);
        for _ in 0..1_000 {
            assert_eq!(failed.charge(ATTACKER), Charge::Counted);
        }
        assert_eq!((failed.wait(Some(ATTACKER)), failed.sources().len()), (None, 0));
    }
}
