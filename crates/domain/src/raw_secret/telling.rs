//! Finding values that stand under a telling name: `password=…`, `api_key: …`, `"clientSecret":"…"`, `?token=…`.

use super::chance::is_placeholder;
use super::value::{Tie, is_secret};
use crate::redaction::is_secret_name;

/// How much before a separator can be its name, in bytes: what a name tells stands at its end.
const LONGEST_NAME: usize = 64;

/// How much stands before `secret` in the name of a secret of AWS, in bytes.
const LONGEST_ARN: usize = 96;

/// How much of a value is looked at, in bytes.
const LONGEST_VALUE: usize = 128;

/// The most telling names of a text whose values are looked at. Nobody leaves a secret behind so many by mistake, and each
/// takes its time.
const MOST_NAMES: usize = 1_000;

/// The most words of a name that people write with blanks, as in `API key: …`.
const MOST_WORDS: usize = 3;

/// What stands before a credential and is none.
const SCHEMES: [&str; 7] = ["apikey", "basic", "bearer", "digest", "negotiate", "ssws", "token"];

/// How names end under which a secret is not kept but found, or that prove a text and open nothing.
const ELSEWHERE: [&str; 7] = ["store", "manager", "vault", "endpoint", "url", "uri", "id"];

/// More names, in other languages than those of programs.
const FOREIGN: [&str; 10] = [
    "contraseña",
    "hasło",
    "haslo",
    "heslo",
    "mot de passe",
    "senha",
    "schlüssel",
    "wachtwoord",
    "zugangsschlüssel",
    "пароль",
];

/// Whether a secret stands under a member, a variable or a field of this name.
pub(super) fn tells(name: &str) -> bool {
    let name = name.trim();
    let lower = name.to_lowercase();
    let elsewhere = ELSEWHERE.iter().any(|end| lower.ends_with(end)) || lower.contains("signature");
    (is_secret_name(name) && !elsewhere) || FOREIGN.iter().any(|foreign| lower.ends_with(foreign))
}

/// Whether a secret stands under a telling name somewhere in `text`.
pub(super) fn is_within(text: &str) -> bool {
    let (mut at, mut names) = (0, 0);
    while let Some(separator) = Separator::next(text, at) {
        at = separator.end;
        let Some(name) = Name::before(text, separator.start) else { continue };
        if name.tells() && !is_of_aws(text, &separator) {
            names += 1;
            if stands_at(text, &separator, &name) {
                return true;
            }
            if names == MOST_NAMES {
                return false;
            }
        }
    }
    false
}

/// Whether the separator stands in the name of a resource of AWS, as in `arn:aws:…:secret:hr-AbCdEf`.
fn is_of_aws(text: &str, separator: &Separator) -> bool {
    let start = text.ceil_char_boundary(separator.start.saturating_sub(LONGEST_ARN));
    let word = text[start..separator.start].rfind(ends).map_or(start, |end| start + end);
    let partition = text.floor_char_boundary(separator.end + "aws".len());
    text[word..partition].contains("arn:aws")
}

/// What ties a value to its name.
#[derive(Debug, Clone, Copy)]
struct Separator {
    start: usize,
    end: usize,
    /// `=`, `=>` and `:=`, as programs write it.
    assigns: bool,
}

impl Separator {
    fn next(text: &str, from: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            let rest = &bytes[at + 1..];
            match byte {
                b'=' => {
                    let more = rest.iter().take_while(|byte| matches!(byte, b'=' | b'>')).count();
                    return Some(Self { start: at, end: at + 1 + more, assigns: true });
                }
                b':' if rest.first() == Some(&b'=') => return Some(Self { start: at, end: at + 2, assigns: true }),
                b':' => return Some(Self { start: at, end: at + 1, assigns: false }),
                b' ' if rest.starts_with(b"is ") => return Some(Self { start: at, end: at + 4, assigns: false }),
                b' ' if rest.starts_with(b"ist ") => return Some(Self { start: at, end: at + 5, assigns: false }),
                _ => at += 1,
            }
        }
        None
    }
}

/// What stands before a separator.
#[derive(Debug)]
struct Name<'a> {
    /// Up to [`MOST_WORDS`] words.
    text: &'a str,
    quoted: bool,
}

impl<'a> Name<'a> {
    fn before(text: &'a str, end: usize) -> Option<Self> {
        let around = |character: char| character.is_whitespace() || "\"'`\\])*".contains(character);
        let start = text.ceil_char_boundary(end.saturating_sub(LONGEST_NAME));
        let before = text[start..end].trim_end_matches(around);
        let quoted = text[start + before.len()..end].contains(['"', '\'', '`']);
        let within = |character: char| character.is_alphanumeric() || "-_. ".contains(character);
        let name = before.rfind(|character: char| !within(character)).map_or(before, |at| {
            let after = before[at..].chars().next().map_or(0, char::len_utf8);
            &before[at + after..]
        });
        (!name.trim().is_empty()).then_some(Self { text: name, quoted })
    }

    /// Whether its last words tell of a secret.
    fn tells(&self) -> bool {
        let trimmed = self.text.trim();
        let starts = trimmed.rmatch_indices(' ').map(|(at, _)| at + 1).chain([0]);
        starts.take(MOST_WORDS).any(|start| tells(&trimmed[start..]))
    }
}

fn stands_at(text: &str, separator: &Separator, name: &Name<'_>) -> bool {
    let end = text.floor_char_boundary((separator.end + LONGEST_VALUE).min(text.len()));
    let after = &text[separator.end..end];
    let value = after.trim_start_matches([' ', '\t', '\r', '\n', '\\']);
    let apart = value.len() < after.len();
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\'' | '`'));
    if let Some(quote) = quote {
        let quoted = &value[1..];
        let closing = quoted.find(quote).unwrap_or(quoted.len());
        return judged(quoted[..closing].trim_end_matches('\\'), Tie::Assigned);
    }
    let value = bare(value);
    if !separator.assigns && !apart && !name.quoted {
        // `SecretStore:HR` and `vault:esg/hr` are references, whatever their stores are called.
        let word = name.text.rsplit(' ').next().unwrap_or_default();
        let whole = format!("{word}:{value}");
        if crate::secret_ref::SecretRef::parse(&whole).is_ok() && !tells_plainly(word) {
            return is_secret(&whole, Tie::Said);
        }
    }
    let tie = if separator.assigns || name.quoted || !apart { Tie::Assigned } else { Tie::Said };
    judged(value, tie)
}

/// Whether a store is hardly called so.
fn tells_plainly(word: &str) -> bool {
    let plain = ["password", "passwd", "passwort", "pwd", "token", "apikey", "api_key", "api-key", "client_secret"];
    plain.contains(&word.to_ascii_lowercase().as_str())
}

/// The value without what stands before and after it.
fn bare(value: &str) -> &str {
    let value = value.trim_start_matches('(');
    let word = &value[..value.find(ends).unwrap_or(value.len())];
    if is_placeholder(word) {
        return "";
    }
    if SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme)) {
        let next = value[word.len()..].trim_start();
        return bare_end(&next[..next.find(ends).unwrap_or(next.len())]);
    }
    bare_end(word)
}

fn bare_end(word: &str) -> &str {
    let without = word.trim_end_matches(['.', ',', ':', ')', ']', '}', '?']);
    // `changed!` is a word; the `!` of a password stands behind a digit as a rule.
    if without.contains(|character: char| character.is_ascii_digit()) { without } else { without.trim_end_matches('!') }
}

fn ends(character: char) -> bool {
    character.is_whitespace() || matches!(character, '&' | ';' | ',' | '"' | '\'' | '`' | '|' | '<' | '>')
}

fn judged(value: &str, tie: Tie) -> bool {
    // A sentence is no value, even within quotes.
    value.split_whitespace().count() <= 1 && is_secret(value, tie)
}
