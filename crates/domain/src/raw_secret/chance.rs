//! Whether text looks drawn at random, or stands for something that is to be filled in.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// So many equal characters in a row are a drawing of a secret, and none.
const FILLING: usize = 8;

/// What stands where a password would.
const STANDINS: [&str; 16] = [
    "changeme",
    "change_me",
    "change-me",
    "geheim",
    "hidden",
    "masked",
    "none",
    "null",
    "pass",
    "passwd",
    "password",
    "passwort",
    "pwd",
    "redacted",
    "secret",
    "token",
];

/// Whether text has a long run of one character, as in `xxxxxxxxxxxx`.
pub(super) fn is_filled(text: &str) -> bool {
    text.as_bytes().chunk_by(|one, next| one == next).any(|run| run.len() >= FILLING && run[0] != b'-')
}

/// Whether text is no value but says where one goes or comes from: `<token>`, `${TOKEN}`, `%TOKEN%`, `***`, `changeme`,
/// `$.data.token`.
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    let wrapped = [
        ("<", ""),
        ("${", ""),
        ("$.", ""),
        ("$[", ""),
        ("{", "}"),
        ("$(", ""),
        ("[", "]"),
        ("%", "%"),
        ("__", "__"),
        ("&lt;", ""),
    ]
    .iter()
    .any(|(opening, closing)| text.starts_with(opening) && text.ends_with(closing));
    let variable = text.strip_prefix('$').or_else(|| text.strip_prefix("env.")).is_some_and(|name| {
        name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    });
    let standin = STANDINS.iter().any(|standin| text.eq_ignore_ascii_case(standin));
    wrapped || variable || standin || is_of_two_characters(text) || is_filled(text)
}

/// Whether text has no more than two characters, however often, and what separates them.
fn is_of_two_characters(text: &str) -> bool {
    let mut others = text.chars().filter(|character| !matches!(character, '-' | '.' | '_'));
    let Some(one) = others.next() else { return true };
    let mut others = others.filter(|character| *character != one);
    others.next().is_none_or(|two| others.all(|character| character == two))
}

/// Whether text looks drawn at random: letters, digits and cases follow one another as no word, no number and no
/// `camelCase` has them, and it is not the base64 of a readable text.
pub(super) fn is_drawn(text: &str) -> bool {
    let classes: Vec<Class> = text.chars().filter_map(Class::of).collect();
    let changes = classes.windows(2).filter(|pair| pair[0] != pair[1] && !begins_word(pair)).count();
    let varied = changes * 5 >= classes.len() && classes.len() >= 8;
    varied && !is_filled(text) && !is_readable_base64(text)
}

/// Whether text has capitals, small letters and digits.
pub(super) fn is_mixed(text: &str) -> bool {
    let classes: Vec<Class> = text.chars().filter_map(Class::of).collect();
    [Class::Lower, Class::Upper, Class::Digit].iter().all(|class| classes.contains(class))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
}

impl Class {
    fn of(character: char) -> Option<Self> {
        match character {
            character if character.is_lowercase() => Some(Self::Lower),
            character if character.is_uppercase() => Some(Self::Upper),
            character if character.is_numeric() => Some(Self::Digit),
            _ => None,
        }
    }
}

/// A capital and a small letter after it are the beginning of a word.
fn begins_word(pair: &[Class]) -> bool {
    matches!(pair, [Class::Upper, Class::Lower])
}

fn is_readable_base64(text: &str) -> bool {
    decoded(text).is_some_and(|decoded| decoded.len() >= 6)
}

/// Whether text is the base64 of `user:password`.
pub(super) fn is_user_and_password(text: &str) -> bool {
    let decoded = decoded(text);
    decoded.as_deref().and_then(|decoded| decoded.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// The readable text of which `text` is the base64.
fn decoded(text: &str) -> Option<String> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let read = |alphabet: &Alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok();
    let bytes = read(&STANDARD).or_else(|| read(&URL_SAFE))?;
    let decoded = String::from_utf8(bytes).ok()?;
    let readable = |character: char| !character.is_control() || character.is_whitespace();
    decoded.chars().all(readable).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_readable_base64_are_not_drawn() {
        for text in [
            "EmissionFactorsOfElectricity2024",
            "task-force-on-climate-related-disclosures",
            "DE0001234567890000000000000012345",
            "RVNHIFJlcG9ydCBTdHVkaW8gaW1wb3J0cyB0aGUgbWV0ZXIgcmVhZGluZ3Mu",
            "aaaaaaaaaaaa1A2b3C4d",
        ] {
            assert!(!is_drawn(text), "{text}");
        }
        for text in ["q7RkZ2mVx9LtW4bN8sJc", "7c1e9b04fd52ab3860d9e7f1", "JBSWY3DPEHPK3PXP"] {
            assert!(is_drawn(text), "{text}");
        }
    }

    #[test]
    fn what_is_to_be_filled_in_is_a_placeholder() {
        for text in ["<token>", "${TOKEN}", "{{ token }}", "%TOKEN%", "$TOKEN", "****", "xxxx-xxxx", "changeme", "[x]"]
        {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["hunter2", "$ecret99", "Pa55w0rd!", "%x9K"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
