//! Redactors that were built a moment ago: building one takes many times longer than using it on a small answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{RedactionError, Redactor};

/// With more redactors than this, all are forgotten and built again. One of the longest secret takes up to 1 MiB once
/// that was found in an answer, one of a usual key some 20 KiB.
const MOST: usize = 256;

/// Redactors by the digest of the values that they know. A value that is rotated away stays until there are too many.
#[derive(Default)]
pub struct Redactors {
    recent: Mutex<HashMap<[u8; 32], Arc<Redactor>>>,
}

impl Redactors {
    /// The redactor that [`Redactor::knowing`] builds of these values, built anew or not.
    ///
    /// # Errors
    /// They cannot be searched for; nothing may go out then.
    pub fn knowing(&self, values: &[SecretString]) -> Result<Arc<Redactor>, RedactionError> {
        let digest = digest(values);
        if let Some(redactor) = self.recent.lock().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Ok(Arc::clone(redactor));
        }
        // Not under the lock, on which all calls wait.
        let redactor = Arc::new(Redactor::knowing(values)?);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MOST {
            recent.clear();
        }
        recent.insert(digest, Arc::clone(&redactor));
        Ok(redactor)
    }
}

/// Differs for different values: each is preceded by its length.
fn digest(values: &[SecretString]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for value in values {
        let value = value.expose_secret().as_bytes();
        digest.update(value.len().to_le_bytes());
        digest.update(value);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[&str]) -> Vec<SecretString> {
        values.iter().map(|value| SecretString::from(*value)).collect()
    }

    #[test]
    fn the_same_values_share_a_redactor_and_others_never_do() {
        let redactors = Redactors::default();
        let of = |given: &[&str]| redactors.knowing(&values(given)).expect("built");
        assert!(Arc::ptr_eq(&of(&["c4nary-one"]), &of(&["c4nary-one"])));
        for (one, other) in
            [(&["c4nary-one"][..], &["c4nary-two"][..]), (&["c4nary", "-one"], &["c4nary-one"]), (&[], &[""])]
        {
            assert!(!Arc::ptr_eq(&of(one), &of(other)), "{one:?} {other:?}");
        }
        assert_eq!(of(&["c4nary-two"]).text("is c4nary-two, not c4nary-one"), "is [REDACTED], not c4nary-one");
    }

    #[test]
    fn no_more_are_kept_than_the_bound_says() {
        let redactors = Redactors::default();
        for number in 0..=MOST {
            redactors.knowing(&values(&[&format!("c4nary-{number}")])).expect("built");
        }
        assert_eq!(redactors.recent.lock().expect("unpoisoned").len(), 1);
    }
}
