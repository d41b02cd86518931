//! How a value may come back.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

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

/// A value as it may stand inside of a text: raw, JSON-escaped, URL-encoded, in hexadecimal, and in base64 wherever its
/// first byte falls within a group of three. The spellings of the start of a value are starts of its spellings.
pub(super) fn within(value: &str) -> Vec<String> {
    let mut spellings = readable(value);
    for offset in 0..3 {
        spellings.extend([within_base64(&STANDARD, value, offset), within_base64(&URL_SAFE, value, offset)]);
    }
    distinct(spellings)
}

/// A value as it may stand as a word of its own.
pub(super) fn alone(value: &str) -> Vec<String> {
    let mut spellings = readable(value);
    for encoded in [STANDARD.encode(value), URL_SAFE.encode(value)] {
        spellings.push(encoded.trim_end_matches('=').to_owned());
    }
    distinct(spellings)
}

fn readable(value: &str) -> Vec<String> {
    let escaped = json_escaped(value);
    // Many a JSON writer escapes `/` as well.
    let mut spellings = vec![value.to_owned(), escaped.replace('/', "\\/"), escaped, hex::encode(value)];
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return spellings;
    }
    for left_alone in URL_ENCODINGS {
        let encoded = utf8_percent_encode(value, left_alone).to_string();
        spellings.extend([encoded.replace("%20", "+"), encoded]);
    }
    spellings
}

fn distinct(mut spellings: Vec<String>) -> Vec<String> {
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
