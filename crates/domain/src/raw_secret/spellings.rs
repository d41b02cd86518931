//! The texts that a text may have been before it was encoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// How often a text may have been URL-encoded.
const DECODINGS: usize = 2;

/// The text, and what it was before.
pub(super) fn of(text: &str) -> Vec<Cow<'_, str>> {
    let mut found = vec![Cow::Borrowed(text)];
    if text.contains(is_invisible) {
        found.push(Cow::Owned(text.replace(is_invisible, "")));
    }
    let mut encoded = Cow::Borrowed(text);
    for _ in 0..DECODINGS {
        let decoded = percent_decode_str(&encoded).decode_utf8_lossy().into_owned();
        if decoded == *encoded {
            break;
        }
        found.push(Cow::Owned(decoded.clone()));
        encoded = Cow::Owned(decoded);
    }
    if text.contains('\\') {
        found.push(Cow::Owned(unescaped(text)));
    }
    if text.contains("&quot;") || text.contains("&amp;") {
        found.push(Cow::Owned(text.replace("&quot;", "\"").replace("&amp;", "&")));
    }
    if text.contains('\n') {
        // A long token that was broken into lines.
        found.push(Cow::Owned(text.lines().map(|line| line.trim().trim_end_matches('\\')).collect()));
    }
    found
}

/// What nobody sees and a detector would stumble over: soft hyphens, zero-width spaces.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// JSON within a string, with its quotes, slashes and line breaks as they were.
fn unescaped(text: &str) -> String {
    let plain = text.replace("\\u0022", "\"").replace("\\u003d", "=").replace("\\u003D", "=").replace("\\u0026", "&");
    plain.replace("\\n", "\n").replace("\\r", "").replace("\\/", "/").replace("\\\"", "\"")
}
