//! Keeping secrets out of everything that is stored, logged or answered (SE-S-5): by the name under which a value
//! stands, and by the known value itself in the encodings in which it may come back.

mod pairs;
mod recent;
mod search;
mod spellings;

use std::ops::Range;

use domain::redaction::REDACTED;
pub use domain::redaction::is_secret_name;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

pub use self::recent::Redactors;
use self::search::Search;

/// Shorter values, in characters, are only replaced where they are words of their own: replacing every `abc` would
/// destroy the text.
const SHORTEST_SUBSTRING: usize = 6;

/// Shorter values, in characters, are only replaced where they are the whole text.
const SHORTEST_WORD: usize = 3;

/// Replaces secrets in what goes out of a call.
pub struct Redactor {
    search: Option<Search>,
    words: Vec<String>,
    short: Vec<String>,
}

/// The known values cannot be searched for.
#[derive(Debug, thiserror::Error)]
#[error("the redactor cannot be built")]
pub struct RedactionError(#[source] aho_corasick::BuildError);

impl Redactor {
    /// A redactor that knows these values. White space around them is none of theirs: headers lose it on their way.
    ///
    /// # Errors
    /// They cannot be searched for; nothing may go out then.
    pub fn knowing<'a>(values: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, RedactionError> {
        let mut long = Vec::new();
        let (mut words, mut short) = (Vec::new(), Vec::new());
        for value in values {
            let value = value.expose_secret().trim();
            match value.chars().count() {
                0 => {}
                1..SHORTEST_WORD => short.push(value.to_owned()),
                SHORTEST_WORD..SHORTEST_SUBSTRING => {
                    short.push(value.to_owned());
                    words.extend(spellings::alone(value));
                }
                _ => long.push(SecretString::from(value)),
            }
        }
        let search = if long.is_empty() { None } else { Some(Search::new(long).map_err(RedactionError)?) };
        Ok(Self { search, words, short })
    }

    /// A redactor that knows no value yet, only telling names.
    #[must_use]
    pub const fn of_names() -> Self {
        Self { search: None, words: Vec::new(), short: Vec::new() }
    }

    /// Free text: every known value in it is replaced, and what stands after a telling name.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut found = self.known(text);
        pairs::find(text, &mut found);
        without(text, found)
    }

    /// A JSON value: members under a telling name, and every known value wherever it stands, also as a name or a number.
    #[must_use]
    pub fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Number(number) => {
                let text = number.to_string();
                // In `12.1234` no `1234` is a word.
                if self.is_short(&text) || !self.long(&text).is_empty() {
                    Value::String(REDACTED.to_owned())
                } else {
                    Value::Number(number)
                }
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
                // A figure is a figure: `tokensRetired` and `pwd` are counted in reports. Known values are found all the same.
                let can_hold = matches!(value, Value::String(_) | Value::Array(_) | Value::Object(_));
                let hidden = can_hold && is_secret_name(&name);
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

    /// Where known values stand.
    fn known(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = self.long(text);
        if self.is_short(text) {
            found.push(0..text.len());
        }
        for word in &self.words {
            find_word(text, word, &mut found);
        }
        found
    }

    fn long(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if let Some(search) = &self.search {
            search.find(text, &mut found);
        }
        found
    }

    fn is_short(&self, text: &str) -> bool {
        self.short.iter().any(|short| short == text.trim())
    }
}

/// Adds where `word` stands between what are no letters and no digits.
fn find_word(text: &str, word: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(word) {
        let start = from + at;
        let end = start + word.len();
        let before = text[..start].chars().next_back();
        let after = text[end..].chars().next();
        if ![before, after].into_iter().flatten().any(char::is_alphanumeric) {
            found.push(start..end);
        }
        from = text.ceil_char_boundary(start + 1);
    }
}

fn without(text: &str, mut found: Vec<Range<usize>>) -> String {
    if found.is_empty() {
        return text.to_owned();
    }
    found.sort_unstable_by_key(|place| place.start);
    let mut clean = String::with_capacity(text.len());
    let mut kept_to = 0;
    for place in found {
        // What begins inside of what was taken out is a part of it.
        if place.start >= kept_to {
            clean.push_str(&text[kept_to..place.start]);
            clean.push_str(REDACTED);
        }
        kept_to = kept_to.max(place.end);
    }
    clean.push_str(&text[kept_to..]);
    clean
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor(value: &str) -> Redactor {
        Redactor::knowing(&[SecretString::from(value)]).expect("built")
    }

    #[test]
    fn json_is_cleaned_by_name_and_by_value() {
        let secret = "c4nary/S3cret+\"value\"";
        let body = json!({
            "token": "anything", "Client-Secret": ["a"], "nextPageToken": "2", "note": format!("is {secret}"),
            "list": [secret, 1, null], secret: 1, "password": null
        });
        assert_eq!(
            redactor(secret).json(body),
            json!({
                "token": REDACTED, "Client-Secret": REDACTED, "nextPageToken": "2", "note": "is [REDACTED]",
                "list": [REDACTED, 1, null], REDACTED: 1, "password": null
            })
        );
    }

    #[test]
    fn a_secret_number_is_found_as_a_number() {
        assert_eq!(redactor("12345678").json(json!({ "pin": 12_345_678 })), json!({ "pin": REDACTED }));
        assert_eq!(redactor("1234").json(json!([1234, 12.1234, 51_234])), json!([REDACTED, 12.1234, 51_234]));
    }

    #[test]
    fn urls_lose_their_secrets_and_keep_the_rest() {
        let url =
            "https://h.example/v1?page=2&api_key=x&q=c4nary%2FS3cret%2B%22value%22&to=https%3A%2F%2Fa%2F%3Fsig%3Dz";
        let clean = redactor("c4nary/S3cret+\"value\"").url(&Url::parse(url).expect("a URL"));
        let expected = "https://h.example/v1?page=2&api_key=%5BREDACTED%5D&q=%5BREDACTED%5D\
                        &to=https%3A%2F%2Fa%2F%3Fsig%3D%5BREDACTED%5D";
        assert_eq!(clean, expected);
    }
}
