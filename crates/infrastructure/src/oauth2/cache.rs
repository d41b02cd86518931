//! The tokens that are there, and those that are on their way: one of each per connector.

use std::collections::HashMap;
use std::time::Duration;

use application::ports::{TokenRefused, TokenRequest};
use domain::connector::ClientCredentials;
use domain::id::ConnectorId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;

/// A token is given up this long before it expires, so that a call does not meet its end (SE-S-7).
const MARGIN: Duration = Duration::from_mins(1);

/// How long a token is kept whose server does not say how long it is good.
const UNKNOWN_LIFE: Duration = Duration::from_mins(5);

/// No token is kept longer, however long it is good.
const LONGEST: Duration = Duration::from_hours(24);

/// How long a token is kept: until 60 s before it expires. One that lives no longer than that is kept for half its
/// life, rather than fetched anew for every call.
pub(super) fn keeping(life: Option<Duration>) -> Duration {
    match life {
        None => UNKNOWN_LIFE,
        Some(life) if life > MARGIN => life.saturating_sub(MARGIN).min(LONGEST),
        Some(life) => life / 2,
    }
}

/// The answer that everybody who asked meanwhile waits for.
pub(super) type Flight = watch::Receiver<Option<Result<SecretString, TokenRefused>>>;

/// Everything that makes a token. Another configuration or client secret is another key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    grant: ClientCredentials,
    client_id: String,
    client_secret_sha256: [u8; 32],
}

impl Key {
    fn of(request: &TokenRequest) -> Self {
        Self {
            grant: request.grant.clone(),
            client_id: request.client_id.clone(),
            client_secret_sha256: Sha256::digest(request.client_secret.expose_secret()).into(),
        }
    }
}

struct Entry {
    key: Key,
    kept: Option<Kept>,
    flight: Option<Flight>,
}

struct Kept {
    value: SecretString,
    until: Instant,
}

impl Entry {
    fn is_alive(&self, now: Instant) -> bool {
        self.flight.is_some() || self.kept.as_ref().is_some_and(|kept| now < kept.until)
    }
}

/// At most so many connectors' tokens; beyond, one that is not on its way makes room.
pub(super) struct Cache {
    most: usize,
    entries: HashMap<ConnectorId, Entry>,
}

impl Cache {
    pub(super) fn of(most: usize) -> Self {
        Self { most, entries: HashMap::new() }
    }

    /// The token of exactly this request, if it is still to be used.
    pub(super) fn token(&self, request: &TokenRequest, now: Instant) -> Option<SecretString> {
        let entry = self.entries.get(&request.connector).filter(|entry| entry.key == Key::of(request))?;
        entry.kept.as_ref().filter(|kept| now < kept.until).map(|kept| kept.value.clone())
    }

    /// The answer that is on its way to exactly this request.
    pub(super) fn flight(&self, request: &TokenRequest) -> Option<Flight> {
        let entry = self.entries.get(&request.connector).filter(|entry| entry.key == Key::of(request))?;
        // A closed channel is a fetch that ended without a word.
        entry.flight.clone().filter(|flight| flight.has_changed().is_ok())
    }

    /// From now on `flight` is on its way, and no token is there.
    pub(super) fn depart(&mut self, request: &TokenRequest, flight: Flight, now: Instant) {
        if self.entries.len() >= self.most && !self.entries.contains_key(&request.connector) {
            self.make_room(now);
        }
        self.entries.insert(request.connector, Entry { key: Key::of(request), kept: None, flight: Some(flight) });
    }

    /// `flight` has arrived. What it brings is kept, unless the connector has moved on to another one.
    pub(super) fn arrive(&mut self, connector: ConnectorId, flight: &Flight, brought: Option<(SecretString, Instant)>) {
        let Some(entry) = self.entries.get_mut(&connector) else { return };
        if entry.flight.as_ref().is_some_and(|other| other.same_channel(flight)) {
            entry.flight = None;
            entry.kept = brought.map(|(value, until)| Kept { value, until });
        }
    }

    fn make_room(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.is_alive(now));
        if self.entries.len() >= self.most {
            let idle = self.entries.iter().find(|(_, entry)| entry.flight.is_none()).map(|(connector, _)| *connector);
            idle.and_then(|connector| self.entries.remove(&connector));
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::connector::{BaseUrl, ClientAuthentication};
    use rstest::rstest;
    use uuid::Uuid;

    use super::*;

    #[rstest]
    #[case(Some(3_600), 3_540)]
    #[case(Some(61), 1)]
    #[case(Some(60), 30)]
    #[case(Some(10), 5)]
    #[case(Some(0), 0)]
    #[case(Some(u64::MAX), 86_400)]
    #[case(None, 300)]
    fn se_s_7_a_token_is_kept_until_60_s_before_it_expires(#[case] life: Option<u64>, #[case] kept: u64) {
        assert_eq!(keeping(life.map(Duration::from_secs)), Duration::from_secs(kept));
    }

    fn request(connector: u128) -> TokenRequest {
        TokenRequest {
            connector: ConnectorId::new(Uuid::from_u128(connector)),
            grant: ClientCredentials {
                token_url: BaseUrl::parse("https://login.example.com/token").expect("a URL"),
                client_id: None,
                scopes: vec!["a".to_owned()],
                audience: None,
                client_authentication: ClientAuthentication::Basic,
            },
            client_id: "client".to_owned(),
            client_secret: "secret".into(),
        }
    }

    /// Fetches at once.
    fn keep(cache: &mut Cache, request: &TokenRequest, value: &str, now: Instant) {
        let (_sender, flight) = watch::channel(None);
        cache.depart(request, flight.clone(), now);
        cache.arrive(request.connector, &flight, Some((value.into(), now + MARGIN)));
    }

    #[test]
    fn se_s_7_whatever_makes_a_token_is_part_of_its_key() {
        let now = Instant::now();
        let mut cache = Cache::of(10);
        let asked = request(1);
        keep(&mut cache, &asked, "token", now);
        assert!(cache.token(&asked, now).is_some());
        assert!(cache.token(&asked, now + MARGIN).is_none(), "its time is up");
        let grant = asked.grant.clone();
        let others = [
            TokenRequest { connector: ConnectorId::new(Uuid::from_u128(2)), ..asked.clone() },
            TokenRequest { client_id: "other".to_owned(), ..asked.clone() },
            TokenRequest { client_secret: "rotated".into(), ..asked.clone() },
            TokenRequest {
                grant: ClientCredentials {
                    token_url: BaseUrl::parse("https://login.example.com/tokens").expect("a URL"),
                    ..grant.clone()
                },
                ..asked.clone()
            },
            TokenRequest {
                grant: ClientCredentials { scopes: vec!["b".to_owned()], ..grant.clone() },
                ..asked.clone()
            },
            TokenRequest {
                grant: ClientCredentials { audience: Some("x".to_owned()), ..grant.clone() },
                ..asked.clone()
            },
            TokenRequest {
                grant: ClientCredentials { client_authentication: ClientAuthentication::Post, ..grant },
                ..asked.clone()
            },
        ];
        for other in others {
            assert!(cache.token(&other, now).is_none(), "{other:?}");
        }
    }

    #[test]
    fn what_an_overtaken_fetch_brings_is_not_kept() {
        let now = Instant::now();
        let mut cache = Cache::of(10);
        let (old, new) = (request(1), TokenRequest { client_secret: "rotated".into(), ..request(1) });
        let (_old_sender, old_flight) = watch::channel(None);
        let (_new_sender, new_flight) = watch::channel(None);
        cache.depart(&old, old_flight.clone(), now);
        assert!(cache.flight(&old).is_some() && cache.flight(&new).is_none());
        cache.depart(&new, new_flight.clone(), now);
        cache.arrive(old.connector, &old_flight, Some(("old".into(), now + MARGIN)));
        assert!(cache.token(&old, now).is_none() && cache.token(&new, now).is_none());
        assert!(cache.flight(&new).is_some());
        cache.arrive(new.connector, &new_flight, Some(("new".into(), now + MARGIN)));
        assert_eq!(cache.token(&new, now).expect("a token").expose_secret(), "new");
    }

    #[test]
    fn a_fetch_that_ended_without_a_word_is_not_waited_for() {
        let mut cache = Cache::of(10);
        let (sender, flight) = watch::channel(None);
        cache.depart(&request(1), flight, Instant::now());
        drop(sender);
        assert!(cache.flight(&request(1)).is_none());
    }

    #[test]
    fn no_more_tokens_are_kept_than_there_is_room_for() {
        let now = Instant::now();
        let mut cache = Cache::of(10);
        let (_sender, flight) = watch::channel(None);
        cache.depart(&request(0), flight, now);
        for connector in 1..100 {
            keep(&mut cache, &request(connector), "token", now);
            assert!(cache.entries.len() <= 10);
            assert!(cache.token(&request(connector), now).is_some(), "the newest is there");
        }
        assert!(cache.flight(&request(0)).is_some(), "what is on its way is waited for");
    }
}
