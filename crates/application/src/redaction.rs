//! Keeping secrets out of everything that is stored, logged or answered (SE-S-5): by the name under which a value
//! stands, and by the known value itself in the encodings in which it may come back.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use domain::redaction::REDACTED;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;


/// Names whose values are secrets, compared without regard to case, `-` and `_`.
const SECRET_NAMES: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "authorization",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "cookie",
    "credential",
    "credentials",
    "idtoken",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "proxyauthorization",
    "pwd",
    "refreshtoken",
    "secret",
    "secretaccesskey",
    "secretkey",
    "sessiontoken",
    "setcookie",
    "signature",
    "token",
    "xamzsecuritytoken",
    "xapikey",
    "xauthtoken",
    "xsignature",
];

/// A known value shorter than this is only replaced where it stands alone: replacing every `a` would destroy the text.
const SHORTEST_SUBSTRING: usize = 6;

/// What is encoded in a URL differs from language to language: PHP's `urlencode`, RFC 3986, HTML forms and Java,
/// Python's `quote`, ECMAScript's `encodeURIComponent` and `encodeURI`, and a URL that was put together unencoded.
const URL_ENCODINGS: [&AsciiSet; 8] = [NON_ALPHANUMERIC, PHP, RFC_3986, FORM, PYTHON, COMPONENT, WHOLE, QUERY];
const PHP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
const RFC_3986: &AsciiSet = &PHP.remove(b'~');
const FORM: &AsciiSet = &PHP.remove(b'*');
const PYTHON: &AsciiSet = &RFC_3986.remove(b'/');
const COMPONENT: &AsciiSet = &RFC_3986.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');
const WHOLE: &AsciiSet = &RESERVED.remove(b'#').remove(b'$').remove(b'&').remove(b'+').remove(b',');
const RESERVED: &AsciiSet = &COMPONENT.remove(b'/').remove(b':').remove(b';').remove(b'=').remove(b'?').remove(b'@');
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'\'').add(b'<').add(b'>');

/// Replaces secrets in what goes out of a call.
pub struct Redactor {
    patterns: Option<AhoCorasick>,
    short: Vec<String>,
}

impl Redactor {
    /// A redactor that knows these values.
    #[must_use]
    pub fn knowing<'a>(values: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut patterns = Vec::new();
        let mut short = Vec::new();
        for value in values {
            let value = value.expose_secret();
            match value.len() {
                0 => {}
                1..SHORTEST_SUBSTRING => short.push(value.to_owned()),
                _ => patterns.extend(spellings(value)),
            }
        }
        Self { patterns: automaton(&patterns), short }
    }

    /// Free text: every known value in it is replaced.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.short.iter().any(|short| short == text.trim()) {
            return REDACTED.to_owned();
        }
        match &self.patterns {
            Some(patterns) if patterns.is_match(text) => {
                let mut clean = String::with_capacity(text.len());
                patterns.replace_all_with(text, &mut clean, |_, _, clean| {
                    clean.push_str(REDACTED);
                    true
                });
                clean
            }
            _ => text.to_owned(),
        }
    }

    /// A JSON value: members under a telling name, and every known value wherever it stands, also as a name or a number.
    #[must_use]
    pub fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Number(number) => {
                let text = number.to_string();
                let clean = self.text(&text);
                if clean == text { Value::Number(number) } else { Value::String(clean) }
            }
            Value::Array(elements) => elements.into_iter().map(|element| self.json(element)).collect(),
            Value::Object(members) => Value::Object(self.members(members)),
            other => other,
        }
    }

    fn members(&self, members: Map<String, Value>) -> Map<String, Value> {
        members
            .into_iter()
            .map(|(name, value)| {
                let hidden = is_secret_name(&name) && !value.is_null();
                let value = if hidden { Value::String(REDACTED.to_owned()) } else { self.json(value) };
                (self.text(&name), value)
            })
            .collect()
    }

    /// The value of a header or query parameter.
    #[must_use]
    pub fn named(&self, name: &str, value: &str) -> String {
        if is_secret_name(name) { REDACTED.to_owned() } else { self.text(value) }
    }

    /// A URL as it is stored: the values of telling query parameters and every known value are replaced.
    #[must_use]
    pub fn url(&self, url: &Url) -> String {
        let mut clean = url.clone();
        if url.query().is_some() {
            let pairs: Vec<(String, String)> =
                url.query_pairs().map(|(name, value)| (self.text(&name), self.named(&name, &value))).collect();
            clean.query_pairs_mut().clear().extend_pairs(pairs);
        }
        self.text(clean.as_str())
    }
}

/// Whether a header, query parameter or JSON member of this name holds a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|character| !matches!(character, '-' | '_')).flat_map(char::to_lowercase).collect();
    SECRET_NAMES.contains(&plain.as_str())
}

fn automaton(patterns: &[String]) -> Option<AhoCorasick> {
    if patterns.is_empty() {
        return None;
    }
    AhoCorasickBuilder::new()
        .match_kind(MatchKind::LeftmostLongest)
        // Covers hexadecimal and percent-encoding in either case; that it also finds `HUNTER2` does no harm.
        .ascii_case_insensitive(true)
        .build(patterns)
        .ok()
}

/// A value as an upstream may send it back: raw, JSON-escaped, URL-encoded, in hexadecimal, and in base64 wherever its
/// first byte falls within a group of three.
fn spellings(value: &str) -> Vec<String> {
    let escaped = json_escaped(value);
    // Many a JSON writer escapes `/` as well.
    let mut spellings = vec![value.to_owned(), escaped.replace('/', "\\/"), escaped, hex::encode(value)];
    for left_alone in URL_ENCODINGS {
        let encoded = utf8_percent_encode(value, left_alone).to_string();
        spellings.extend([encoded.replace("%20", "+"), encoded]);
    }
    for offset in 0..3 {
        spellings.extend([within_base64(&STANDARD, value, offset), within_base64(&URL_SAFE, value, offset)]);
    }
    spellings.retain(|spelling| spelling.len() >= SHORTEST_SUBSTRING);
    spellings.sort_unstable();
    spellings.dedup();
    spellings
}

fn json_escaped(value: &str) -> String {
    let quoted = Value::String(value.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The digits of a base64 text that depend on `value` alone when `offset` bytes of something else stand before it.
fn within_base64(engine: &impl Engine, value: &str, offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(value.as_bytes());
    let encoded = engine.encode(&bytes);
    let first = (offset * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    encoded.get(first..last).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CANARY: &str = "c4nary/S3cret+\"value\"";

    fn redactor() -> Redactor {
        Redactor::knowing(&[SecretString::from(CANARY)])
    }

    #[test]
    fn a_known_value_is_found_in_every_encoding() {
        let encodings = [
            CANARY.to_owned(),
            json!(CANARY).to_string(),
            hex::encode(CANARY),
            hex::encode(CANARY).to_uppercase(),
            utf8_percent_encode(CANARY, NON_ALPHANUMERIC).to_string(),
            utf8_percent_encode(CANARY, NON_ALPHANUMERIC).to_string().to_lowercase(),
        ];
        for encoded in encodings {
            let clean = redactor().text(&format!("before {encoded} after"));
            assert!(clean.contains(REDACTED) && !clean.contains("nary"), "{clean}");
        }
        for prefix in ["", "u", "us", "user:"] {
            for engine in [&STANDARD, &URL_SAFE] {
                let encoded = engine.encode(format!("{prefix}{CANARY}:suffix"));
                let clean = redactor().text(&format!("Basic {encoded}"));
                assert!(clean.contains(REDACTED), "{clean}");
            }
        }
    }

    #[test]
    fn json_is_cleaned_by_name_and_by_value() {
        let body = json!({
            "token": "anything", "Client-Secret": ["a"], "nextPageToken": "2", "note": format!("is {CANARY}"),
            "list": [CANARY, 1, null], CANARY: 1, "password": null
        });
        let clean = redactor().json(body);
        assert_eq!(
            clean,
            json!({
                "token": REDACTED, "Client-Secret": REDACTED, "nextPageToken": "2", "note": "is [REDACTED]",
                "list": [REDACTED, 1, null], REDACTED: 1, "password": null
            })
        );
    }

    #[test]
    fn a_secret_number_is_found_as_a_number() {
        let redactor = Redactor::knowing(&[SecretString::from("12345678")]);
        assert_eq!(redactor.json(json!({ "pin": 12_345_678 })), json!({ "pin": REDACTED }));
    }

    #[test]
    fn a_short_value_is_only_replaced_where_it_stands_alone() {
        let redactor = Redactor::knowing(&[SecretString::from("abc")]);
        assert_eq!(redactor.text("abc"), REDACTED);
        assert_eq!(redactor.text("abcdef"), "abcdef");
    }

    #[test]
    fn urls_lose_their_secrets_and_keep_the_rest() {
        let url = Url::parse("https://h.example/v1?page=2&api_key=x&q=c4nary%2FS3cret%2B%22value%22").expect("a URL");
        let clean = redactor().url(&url);
        assert_eq!(clean, "https://h.example/v1?page=2&api_key=%5BREDACTED%5D&q=%5BREDACTED%5D");
    }
}
