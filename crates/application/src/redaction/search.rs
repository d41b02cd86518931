//! Finding known values in a text, in time that is linear in the text's length whatever the values are.
//!
//! An automaton over whole values is built in seconds where these are long or repeat themselves, and is built for every
//! call. So it knows only how their spellings begin; the whole spellings are made, and compared, once a text has such a
//! beginning.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, BuildError, MatchKind};
use secrecy::{ExposeSecret, SecretString};

use super::spellings;

/// How many bytes of a value the automaton knows.
const BEGINNING: usize = 24;

/// A spelling of fewer bytes would be found by chance.
const SHORTEST: usize = 6;

/// A search for values wherever they stand.
pub(super) struct Search {
    beginnings: AhoCorasick,
    shortest: usize,
    values: Vec<SecretString>,
    needles: OnceLock<Vec<Needle>>,
}

impl Search {
    pub(super) fn new(values: Vec<SecretString>) -> Result<Self, BuildError> {
        let beginnings = values.iter().flat_map(|value| {
            let value = value.expose_secret();
            spellings::within(&value[..value.floor_char_boundary(BEGINNING)])
        });
        let beginnings: Vec<String> = beginnings.filter(|spelling| spelling.len() >= SHORTEST).collect();
        let shortest = beginnings.iter().map(String::len).min().unwrap_or_default();
        let beginnings = AhoCorasickBuilder::new()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            // What it passes over begins within what it finds.
            .match_kind(MatchKind::LeftmostFirst)
            // Covers hexadecimal and percent-encoding in either case; that it also finds `HUNTER2` does no harm.
            .ascii_case_insensitive(true)
            .build(beginnings)?;
        Ok(Self { beginnings, shortest, values, needles: OnceLock::new() })
    }

    /// Adds where a value stands in `text`.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if text.len() < self.shortest {
            return;
        }
        let mut near: Option<Range<usize>> = None;
        for hit in self.beginnings.find_iter(text) {
            let longest = self.needles().iter().map(|needle| needle.bytes.len()).max().unwrap_or_default();
            let end = text.len().min(hit.end() + longest);
            match &mut near {
                Some(near) if hit.start() < near.end => near.end = end,
                _ => {
                    if let Some(near) = near.replace(hit.start()..end) {
                        self.compare(text, near, found);
                    }
                }
            }
        }
        if let Some(near) = near {
            self.compare(text, near, found);
        }
    }

    fn compare(&self, text: &str, near: Range<usize>, found: &mut Vec<Range<usize>>) {
        for needle in self.needles() {
            needle.find(&text.as_bytes()[near.clone()], near.start, found);
        }
    }

    fn needles(&self) -> &[Needle] {
        self.needles.get_or_init(|| {
            let spellings = self.values.iter().flat_map(|value| spellings::within(value.expose_secret()));
            spellings.filter(|spelling| spelling.len() >= SHORTEST).map(Needle::new).collect()
        })
    }
}

/// A spelling in lower case, with what Knuth, Morris and Pratt need to find it.
struct Needle {
    bytes: Vec<u8>,
    /// For every start of the needle, how long the longest start is with which it ends, too.
    borders: Vec<usize>,
}

impl Needle {
    fn new(spelling: String) -> Self {
        let mut bytes = spelling.into_bytes();
        bytes.make_ascii_lowercase();
        let mut borders = vec![0; bytes.len()];
        let mut length = 0;
        for at in 1..bytes.len() {
            while length > 0 && bytes[at] != bytes[length] {
                length = borders[length - 1];
            }
            length += usize::from(bytes[at] == bytes[length]);
            borders[at] = length;
        }
        Self { bytes, borders }
    }

    fn find(&self, haystack: &[u8], offset: usize, found: &mut Vec<Range<usize>>) {
        let mut length = 0;
        for (at, byte) in haystack.iter().enumerate() {
            let byte = byte.to_ascii_lowercase();
            while length > 0 && self.bytes[length] != byte {
                length = self.borders[length - 1];
            }
            length += usize::from(self.bytes[length] == byte);
            if length == self.bytes.len() {
                let end = offset + at + 1;
                let start = end - length;
                // A text of repetitions would have one place for every byte.
                match found.last_mut() {
                    Some(last) if last.start <= start && start < last.end => last.end = last.end.max(end),
                    _ => found.push(start..end),
                }
                length = self.borders[length - 1];
            }
        }
    }
}
