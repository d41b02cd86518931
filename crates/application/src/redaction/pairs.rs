//! Finding values that stand after a telling name in free text: `name=value`, `name: value`, `"name":"value"`, in one
//! pass over the text.

use std::ops::Range;

use domain::redaction::is_secret_name;

/// The end of a longer name is enough to tell.
const LONGEST_NAME: usize = 128;

/// What stands before a credential and is none.
const SCHEMES: [&str; 6] = ["apikey", "basic", "bearer", "digest", "negotiate", "token"];

/// Adds where such values stand in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(separator) = next_separator(text.as_bytes(), at) {
        at = separator.end;
        let Some(name) = Name::before(text, separator.start) else { continue };
        if !is_secret_name(name.text) {
            continue;
        }
        let value = Value { bytes: text.as_bytes(), name, separator }.place();
        at = value.end.max(at);
        if !matches!(&text[value.clone()], "" | "null" | "%5BREDACTED%5D") {
            found.push(value);
        }
    }
}

/// `=`, also as `==`, `=>` and `%3D`, or a `:` that belongs neither to a path of modules nor to the start of a URL.
fn next_separator(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at + 1..];
        match byte {
            b'=' => {
                let more = rest.iter().take_while(|byte| **byte == b'=').count();
                let arrow = usize::from(rest.get(more) == Some(&b'>'));
                return Some(at..at + 1 + more + arrow);
            }
            b'%' if matches!(rest, [b'3', b'D' | b'd', ..]) => return Some(at..at + 3),
            b':' if rest.first() == Some(&b':') => at += 2,
            b':' if rest.starts_with(b"//") => at += 3,
            b':' => return Some(at..at + 1),
            _ => at += 1,
        }
    }
    None
}

struct Name<'a> {
    text: &'a str,
    /// As in JSON, where a value ends with a comma or a bracket.
    quoted: bool,
}

impl<'a> Name<'a> {
    fn before(text: &'a str, end: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let around = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' | b']');
        let wrapping = bytes[..end].iter().rev().take_while(around).count();
        let name_end = end - wrapping;
        let quoted = bytes[name_end..end].contains(&b'"');
        let within =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') || !byte.is_ascii();
        let length = bytes[..name_end].iter().rev().take(LONGEST_NAME).take_while(within).count();
        let mut start = text.ceil_char_boundary(name_end - length);
        if bytes[..start].ends_with(b"%") {
            // An encoded `?` or `&`.
            start = text.ceil_char_boundary(name_end.min(start + 2));
        }
        (start < name_end).then(|| Self { text: &text[start..name_end], quoted })
    }

    /// Whether the value of such a header has several words.
    fn takes_line(&self) -> bool {
        let name = self.text.to_ascii_lowercase();
        name.ends_with("authorization") || name.ends_with("cookie") || name.ends_with("authentication-info")
    }
}

/// The value after a separator.
struct Value<'a> {
    bytes: &'a [u8],
    name: Name<'a>,
    separator: Range<usize>,
}

impl Value<'_> {
    fn place(&self) -> Range<usize> {
        let blank = |byte: u8| matches!(byte, b' ' | b'\t') || self.name.quoted && byte.is_ascii_whitespace();
        let start = self.skip(self.separator.end, blank);
        let opening = self.skip(start, |byte| byte == b'\\');
        match self.bytes.get(opening) {
            Some(quote @ (b'"' | b'\'')) => opening + 1..self.closing_quote(opening + 1, *quote, opening - start),
            Some(b'{' | b'[') if opening == start => start..self.closing_bracket(start),
            Some(_) if self.bytes[self.separator.start] == b':' && !self.name.quoted && self.name.takes_line() => {
                start..self.skip(start, |byte| !matches!(byte, b'\r' | b'\n'))
            }
            _ => start..self.bare(start),
        }
    }

    fn skip(&self, from: usize, passed: impl Fn(u8) -> bool) -> usize {
        from + self.bytes[from..].iter().take_while(|byte| passed(**byte)).count()
    }

    /// The end of what was opened by a quote after so many `\`; without one, everything is taken for the value.
    fn closing_quote(&self, from: usize, quote: u8, escapes: usize) -> usize {
        let mut run = 0;
        for (at, &byte) in self.bytes.iter().enumerate().skip(from) {
            // Escaping a text twice makes three `\` of one; what is escaped deeper has more of them.
            if byte == quote && run % (2 * (escapes + 1)) == escapes {
                return at - escapes;
            }
            run = if byte == b'\\' { run + 1 } else { 0 };
        }
        self.bytes.len()
    }

    /// The end of an array or an object; of one that is cut off, the end of the text.
    fn closing_bracket(&self, from: usize) -> usize {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        for (at, &byte) in self.bytes.iter().enumerate().skip(from) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => return at + 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        self.bytes.len()
    }

    fn bare(&self, start: usize) -> usize {
        let end = self.word(start);
        let word = &self.bytes[start..end];
        if SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes())) {
            return self.word(self.skip(end, |byte| byte == b' '));
        }
        end
    }

    fn word(&self, from: usize) -> usize {
        let encoded = self.bytes[self.separator.start] == b'%';
        let mut at = from;
        while let Some(&byte) = self.bytes.get(at) {
            let rest = &self.bytes[at + 1..];
            let next = rest.first().copied().unwrap_or(b' ');
            let ends = match byte {
                b'&' | b';' | b'"' | b'<' | b'>' | b'`' => true,
                b'\\' => next == b'"',
                b',' => self.name.quoted || next.is_ascii_whitespace(),
                b'}' | b']' => self.name.quoted,
                b'%' => encoded && rest.starts_with(b"26"),
                _ => byte.is_ascii_whitespace() || byte.is_ascii_control(),
            };
            if ends {
                break;
            }
            at += 1;
        }
        at
    }
}
