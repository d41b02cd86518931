//! The compact form of a signed JWT (RFC 7515 §3.1, RFC 7519), read strictly.

use application::ports::TokenFault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::json::{self, Rules};
use serde_json::{Map, Value};

/// The longest token that is looked at.
const MAX_BYTES: usize = 8 * 1024;

/// The longest id of a key.
const MAX_KEY_ID: usize = 256;

/// Two members of the same name mean one thing to one reader and another to the next.
const STRICT: Rules = Rules { depth: 16, repeated_members: false };

/// The `typ` of an access token, in lower case and without `application/` (RFC 9068 §4; most providers say `JWT`).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// What a token may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// By its name in `alg`, which is case-sensitive. `Ed25519` is RFC 9864's name of what `EdDSA` means with that curve.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A token taken apart. Nothing of it is proven.
#[derive(Debug)]
pub(super) struct Jwt<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// What is signed.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Jwt<'a> {
    /// # Errors
    /// What is wrong with its form or its header.
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenFault> {
        if token.len() > MAX_BYTES {
            return Err(TokenFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        if payload.contains('.') {
            return Err(TokenFault::Malformed);
        }
        let header = object(header).ok_or(TokenFault::Malformed)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let algorithm = text("alg").and_then(Algorithm::parse).ok_or(TokenFault::Algorithm)?;
        if header.contains_key("crit") || !has_known_type(&header) {
            return Err(TokenFault::Header);
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MAX_KEY_ID => Some(id.clone()),
            Some(_) => return Err(TokenFault::UnknownKey),
        };
        let signature = decode(signature).filter(|bytes| !bytes.is_empty()).ok_or(TokenFault::Malformed)?;
        Ok(Self { algorithm, key_id, signed, signature, payload })
    }

    /// The claims; to be asked for once the signature holds.
    ///
    /// # Errors
    /// [`TokenFault::Claims`]
    pub(super) fn payload(&self) -> Result<Map<String, Value>, TokenFault> {
        object(self.payload).ok_or(TokenFault::Claims)
    }
}

fn has_known_type(header: &Map<String, Value>) -> bool {
    let Some(kind) = header.get("typ") else { return true };
    let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
    TYPES.contains(&kind.strip_prefix("application/").unwrap_or(&kind))
}

/// Base64url without padding and without stray bits, so that a token has one spelling.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn object(encoded: &str) -> Option<Map<String, Value>> {
    let text = String::from_utf8(decode(encoded)?).ok()?;
    match json::parse(&text, STRICT) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}
