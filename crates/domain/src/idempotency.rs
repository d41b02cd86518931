//! Requests that name themselves: the same key of the same principal with the same content has its effect once, and is
//! answered as it was the first time.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::access::Actor;
use crate::id::LogId;

/// How long a key is known after its first request.
pub const KEPT: TimeDelta = TimeDelta::hours(24);

/// The key that a caller chose for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters.
    pub const MAX: usize = 255;

    /// Reads a key: 1 to 255 printable ASCII characters, of which a space is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        (printable && (1..=Self::MAX).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// The key as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request asks for, as a digest: two requests of one key must not differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of the method, the path and every byte of the body. Neither a method nor a path contains a zero byte.
    #[must_use]
    pub fn of(method: &str, path: &str, body: &[u8]) -> Self {
        let mut digest = Sha256::new();
        for part in [method.as_bytes(), b"\0", path.as_bytes(), b"\0", body] {
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// Wraps a digest that was read from the store.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// A claim to a key, to be made durable together with the effect of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyClaim {
    /// Whose key it is: the keys of different principals have nothing to do with each other.
    pub owner: Actor,
    /// The key.
    pub key: IdempotencyKey,
    /// What it stands for.
    pub fingerprint: Fingerprint,
    /// When it was claimed, in UTC with microseconds.
    pub claimed_at: DateTime<Utc>,
}

impl IdempotencyClaim {
    /// A claim that was made before this moment holds no more.
    #[must_use]
    pub fn lapsed_before(&self) -> DateTime<Utc> {
        self.claimed_at - KEPT
    }
}

/// An answer as it left the service, to be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that belong to the answer, names in lower case; not those that every answer gets on its way out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Arc<[u8]>,
}

/// An answer and the claim that it is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The claim, as it was made.
    pub claim: IdempotencyClaim,
    /// The answer.
    pub answer: StoredAnswer,
}

/// What became of the request that claimed a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimedEffect {
    /// It was answered so.
    Answered(StoredAnswer),
    /// It began this call, and its answer is not stored: the call is under way, or its process is gone.
    Began(LogId),
}

/// A key that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// What it stands for.
    pub fingerprint: Fingerprint,
    /// What became of it.
    pub effect: ClaimedEffect,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_printable_ascii_characters() {
        for good in ["x", "~", "order 17/2026", &"k".repeat(255), "\"quoted\"", "8e03978e-40d5-43e8-bc93-6894a57f9324"]
        {
            assert_eq!(IdempotencyKey::parse(good).as_ref().map(IdempotencyKey::as_str), Some(good));
        }
        for bad in ["", &"k".repeat(256), "tab\t", "line\n", "żółw", "\u{7f}", "\0"] {
            assert_eq!(IdempotencyKey::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn requests_that_differ_anywhere_have_different_fingerprints() {
        let one = Fingerprint::of("POST", "/a", b"{}");
        assert_eq!(one, Fingerprint::of("POST", "/a", b"{}"));
        for (method, path, body) in [
            ("PUT", "/a", "{}"),
            ("POST", "/b", "{}"),
            ("POST", "/a", "{ }"),
            ("POST", "/a{", "}"),
            ("POST/", "a", "{}"),
        ] {
            assert_ne!(one, Fingerprint::of(method, path, body.as_bytes()), "{method} {path} {body}");
        }
    }
}
