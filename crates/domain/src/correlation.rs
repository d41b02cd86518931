//! The two identities of a request: the correlation id that people hand around, and the W3C trace that tools follow.
//! Neither is derived from the other (CO-4).

/// The id by which support finds everything that one request caused: 1 to 128 of `A-Z a-z 0-9 . _ : ~ -` (CO-1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// The longest id accepted, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// An id that follows the grammar; `None` for everything else, which is then replaced, never repaired.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CorrelationId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<uuid::Uuid> for CorrelationId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.hyphenated().to_string())
    }
}

/// A W3C trace id: 16 bytes, not all zero, written as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// A trace id from its bytes; `None` for zero, which the recommendation forbids.
    #[must_use]
    pub const fn new(value: u128) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// Reads 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !is_lower_hex(text, 32) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().and_then(Self::new)
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Where a request stands in a distributed trace (<https://www.w3.org/TR/trace-context/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// The `trace-flags` octet; bit 0 is `sampled`.
    pub flags: u8,
    /// The vendors' part, passed on as it came.
    pub state: Option<String>,
}

impl TraceContext {
    /// The longest `tracestate` that is passed on, in bytes; the recommendation asks for at least 512.
    pub const MAX_STATE: usize = 512;

    /// Reads a `traceparent` header. Version `ff`, zero ids and upper-case digits are invalid; a higher version may
    /// carry more fields behind a dash, which are not read.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.splitn(5, '-');
        let (version, trace_id, parent_id, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let more = fields.next();
        if !is_lower_hex(version, 2) || version == "ff" || (version == "00" && more.is_some()) {
            return None;
        }
        if !is_lower_hex(parent_id, 16) || parent_id.bytes().all(|byte| byte == b'0') || !is_lower_hex(flags, 2) {
            return None;
        }
        Some(Self { trace_id: TraceId::parse(trace_id)?, flags: u8::from_str_radix(flags, 16).ok()?, state: None })
    }

    /// The `traceparent` of one outbound attempt: the same trace under a parent id of its own.
    #[must_use]
    pub fn traceparent(&self, parent_id: std::num::NonZeroU64) -> String {
        format!("00-{}-{parent_id:016x}-{:02x}", self.trace_id, self.flags)
    }
}

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_correlation_id_follows_its_grammar_or_is_none() {
        for good in ["corr-12345", "a", "A.b_c:d~e-9", &"x".repeat(128)] {
            assert!(CorrelationId::parse(good).is_some(), "{good}");
        }
        for bad in ["", " ", "a b", "a/b", "ä", "a\n", &"x".repeat(129)] {
            assert!(CorrelationId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn traceparent_is_read_as_the_recommendation_says() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(parent).expect("valid");
        assert_eq!(context.traceparent(0x00f0_67aa_0ba9_02b7.try_into().expect("not zero")), parent);
        assert!(TraceContext::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what").is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(TraceContext::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn co_4_a_parent_that_is_read_keeps_its_trace_and_its_flags(
            version in "[0-9a-f]{2}",
            trace in "[0-9a-f]{32}",
            parent in "[0-9a-f]{16}",
            flags in "[0-9a-f]{2}",
            more in prop::option::of("[ -~]{0,8}"),
        ) {
            let mut text = format!("{version}-{trace}-{parent}-{flags}");
            text.extend(more.iter().flat_map(|more| ["-", more]));
            let zero = |digits: &str| digits.bytes().all(|digit| digit == b'0');
            let sound = version != "ff" && !zero(&trace) && !zero(&parent) && (version != "00" || more.is_none());
            let read = TraceContext::parse(&text);
            prop_assert_eq!(read.is_some(), sound, "{}", text);
            if let Some(read) = read {
                let next = read.traceparent(1.try_into().expect("not zero"));
                prop_assert_eq!(next, format!("00-{trace}-0000000000000001-{flags}"));
            }
        }

        #[test]
        fn co_1_any_text_is_an_id_as_it_stands_or_none(text in prop_oneof![any::<String>(), "[A-Za-z0-9._:~-]{0,130}"]) {
            let fits = (1..=128).contains(&text.len())
                && text.chars().all(|character| character.is_ascii_alphanumeric() || "._:~-".contains(character));
            prop_assert_eq!(CorrelationId::parse(&text).map(|id| id.to_string()), fits.then_some(text.clone()));
            let _read = TraceContext::parse(&text);
        }
    }
}
