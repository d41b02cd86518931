//! The provider's public keys (RFC 7517), and what they sign.

use application::ports::TokenFault;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value};

use super::jwt::{Algorithm, Jwt, decode};

/// The most keys of a set that are looked at.
const MOST_KEYS: usize = 100;

/// The lengths of an RSA modulus, in bits. `ring` has the same bounds; a key beyond them is left out at once, so that
/// the log can say so.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Keys that can be used.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point of P-256, uncompressed.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// The keys of a JWK set that sign with an algorithm that is accepted. `None`: it is no key set. What cannot be used
    /// is left out: keys to encrypt with, weak ones, symmetric ones, other curves, and private ones, with which everybody
    /// could sign who can read the set.
    pub(super) fn read(document: &Value) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?;
        let usable = keys.iter().take(MOST_KEYS).filter_map(|key| Key::read(key.as_object()?));
        Some(Self(usable.collect()))
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the keys signed the token: the one that it names, or the only one for its algorithm where it names
    /// none.
    ///
    /// # Errors
    /// [`TokenFault::UnknownKey`] or [`TokenFault::Signature`].
    pub(super) fn verify(&self, jwt: &Jwt<'_>) -> Result<(), TokenFault> {
        let fitting = self.0.iter().filter(|key| key.public.algorithm() == jwt.algorithm);
        let named: Vec<&Key> = match &jwt.key_id {
            Some(id) => fitting.filter(|key| key.id.as_ref() == Some(id)).collect(),
            None => fitting.collect(),
        };
        if named.is_empty() || (jwt.key_id.is_none() && named.len() > 1) {
            return Err(TokenFault::UnknownKey);
        }
        let holds = named.iter().any(|key| key.public.has_signed(jwt));
        if holds { Ok(()) } else { Err(TokenFault::Signature) }
    }
}

impl Key {
    fn read(members: &Map<String, Value>) -> Option<Self> {
        if members.contains_key("d") {
            tracing::warn!("a key of the identity provider is left out: it publishes the private half");
            return None;
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(decode);
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => PublicKey::rsa(&bytes("n")?, bytes("e")?)?,
            ("EC", Some("P-256")) => PublicKey::p256(&bytes("x")?, &bytes("y")?)?,
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes("x").filter(|point| point.len() == 32)?),
            _ => return None,
        };
        let is_absent_or = |name: &str, right: &dyn Fn(&Value) -> bool| members.get(name).is_none_or(right);
        let verifies = |value: &Value| value.as_array().is_some_and(|uses| uses.iter().any(|one| one == "verify"));
        let for_this = |value: &Value| value.as_str().and_then(Algorithm::parse) == Some(public.algorithm());
        let usable = is_absent_or("use", &|value| value == "sig")
            && is_absent_or("key_ops", &verifies)
            && is_absent_or("alg", &for_this);
        usable.then(|| Self { id: text("kid").map(str::to_owned), public })
    }
}

impl PublicKey {
    fn rsa(modulus: &[u8], exponent: Vec<u8>) -> Option<Self> {
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        let modulus = modulus.get(zeros..).unwrap_or_default().to_vec();
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            tracing::warn!(bits, "an RSA key of the identity provider is left out: it must have 2048 to 8192 bits");
            return None;
        }
        Some(Self::Rsa { modulus, exponent })
    }

    fn p256(x: &[u8], y: &[u8]) -> Option<Self> {
        let fits = x.len() == 32 && y.len() == 32;
        fits.then(|| Self::P256([&[4], x, y].concat()))
    }

    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn has_signed(&self, jwt: &Jwt<'_>) -> bool {
        let (message, signature) = (jwt.signed.as_bytes(), jwt.signature.as_slice());
        let verified = match self {
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature),
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        };
        verified.is_ok()
    }
}
