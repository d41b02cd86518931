//! Whether a value that stands under a telling name is a secret, or says something about one.

use super::chance::{is_drawn, is_mixed, is_placeholder};
use crate::secret_ref::SecretRef;

/// How firmly a value is tied to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// `name=value`, `"name": "value"`: as programs write it, so that the value is one.
    Assigned,
    /// `name: value`, `name is value`: as people write it, too, so that the value may be a word of a sentence.
    Said,
}

/// Shorter values, in characters, are none that is worth its name.
const SHORTEST: usize = 6;

/// Whether `value` is a secret.
pub(super) fn is_secret(value: &str, tie: Tie) -> bool {
    let value = value.trim();
    // What was no URL-encoding and was decoded as such.
    let garbled = value.contains(char::REPLACEMENT_CHARACTER);
    let length = value.chars().count();
    if length < SHORTEST || garbled || is_placeholder(value) || is_address(value) || is_number_or_time(value) {
        return false;
    }
    if let Ok(reference) = SecretRef::parse(value) {
        return reference.name().split(['/', '.']).any(|part| part.len() >= 16 && is_drawn(part) && is_mixed(part));
    }
    let pieces: Vec<Piece> = pieces(value).map(Piece::of).collect();
    if pieces.contains(&Piece::Irregular) || is_hexadecimal(value) {
        return length >= 8 || tie == Tie::Assigned;
    }
    match (pieces.as_slice(), tie) {
        // `Summer2024`, `hunter2`: the weak passwords of people.
        ([Piece::Numbered { digits, small: true }], Tie::Said) => length >= 8 && *digits >= 3,
        ([Piece::Numbered { small: true, .. }], Tie::Assigned) => length >= 7,
        _ => false,
    }
}

/// What a value looks like between its separators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// A word, a number, `90days`.
    Plain,
    /// A word and a number behind it, `SHA256`.
    Numbered { digits: usize, small: bool },
    /// Anything else.
    Irregular,
}

impl Piece {
    fn of(piece: &str) -> Self {
        let letters = piece.chars().take_while(|character| character.is_alphabetic()).count();
        let digits = piece.chars().rev().take_while(char::is_ascii_digit).count();
        let length = piece.chars().count();
        if letters == length {
            return if is_word(piece) { Self::Plain } else { Self::Irregular };
        }
        if digits == length {
            return if length <= 12 { Self::Plain } else { Self::Irregular };
        }
        if letters + digits == length {
            let small = piece.chars().any(char::is_lowercase);
            let word = is_word(piece.trim_end_matches(|character: char| character.is_ascii_digit()));
            return if word && digits <= 8 { Self::Numbered { digits, small } } else { Self::Irregular };
        }
        let count = piece.chars().take_while(char::is_ascii_digit).count();
        let unit = piece.chars().skip(count).all(char::is_lowercase);
        if count > 0 && unit && length <= count + 8 { Self::Plain } else { Self::Irregular }
    }
}

fn pieces(value: &str) -> impl Iterator<Item = &str> {
    let separates = |character: char| character.is_whitespace() || "-_./:,;|()+".contains(character);
    value.split(separates).filter(|piece| !piece.is_empty())
}

/// Whether letters can be a word, or several in `camelCase`.
fn is_word(letters: &str) -> bool {
    let (mut run, mut longest) = (0, 0);
    for letter in letters.chars() {
        // `y` is one in some languages; what is not ASCII may be one as well.
        run = if letter.is_ascii() && !"aeiouyAEIOUY".contains(letter) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let small: Vec<usize> = letters.split(char::is_uppercase).map(str::len).filter(|length| *length > 0).collect();
    let humps = small.len();
    let short = small.iter().filter(|length| **length <= 2).count();
    let jumbled = humps >= 3 && letters.chars().any(char::is_uppercase) && short * 2 > humps;
    let mumbled = longest >= 7 && letters.chars().any(char::is_lowercase);
    !jumbled && !mumbled && letters.chars().count() <= 80
}

/// A URL, the name of a resource of AWS or an e-mail address; a password within a URL has a shape of its own.
fn is_address(value: &str) -> bool {
    let is_host = |host: &str| {
        host.contains('.') && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    let is_user = |user: &str| {
        !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
    };
    value.contains("://")
        || value.starts_with("arn:aws")
        || value.split_once('@').is_some_and(|(user, host)| is_user(user) && is_host(host))
}

/// `4096`, `2025-06-30T04:05Z`, `10.0.0.1:8080`.
fn is_number_or_time(value: &str) -> bool {
    value.chars().all(|character| character.is_numeric() || "-:.,/+TZ% ".contains(character))
}

/// A UUID, a key in hexadecimal.
fn is_hexadecimal(value: &str) -> bool {
    let digits = value.bytes().filter(|byte| *byte != b'-').count();
    digits >= 16
        && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && value.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("hunter2", true, false)]
    #[case("Summer2024", true, true)]
    #[case("S3cr3t-P@ss", true, true)]
    #[case("a8!k2Q", true, false)]
    #[case("6e3c1f5a-2f0b-4a57-9d55-1c0d1a0b7f11", true, true)]
    #[case("kJhGfDsAqWeRtYuI", true, true)]
    #[case("vault", false, false)]
    #[case("OAuth2", false, false)]
    #[case("HR-Client-2025", false, false)]
    #[case("ECDSA-SHA256", false, false)]
    #[case("SecretStore:HR-Client#field@2", false, false)]
    #[case("vault:q7RkZ2mVx9LtW4bN8sJc", true, true)]
    #[case("2025-06-30T04:05Z", false, false)]
    #[case("ESGReportStudioHRClient", false, false)]
    #[case("Geschwindigkeitsbegrenzung", false, false)]
    #[case("ana.nowak@example.com", false, false)]
    #[case("arn:aws:secretsmanager:eu-central-1:123456789012:secret:esg/hr-AbCdEf", false, false)]
    #[case("$.data.accessToken1", false, false)]
    fn a_value_is_judged_by_what_it_looks_like(#[case] value: &str, #[case] assigned: bool, #[case] said: bool) {
        assert_eq!((is_secret(value, Tie::Assigned), is_secret(value, Tie::Said)), (assigned, said));
    }
}
