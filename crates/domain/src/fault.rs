//! What is wrong with an input, member by member. Every check adds to one [`Faults`] so that a caller learns of all
//! faults at once.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::raw_secret;

/// Why one member was refused. The strings are part of the HTTP contract (`errors[].code`, see `docs/errors.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// The member is needed and was absent or null.
    Required,
    /// The member is of another JSON type than the contract says.
    Type,
    /// The operation does not know this member or query parameter.
    UnknownMember,
    /// A number or a length outside its bounds.
    OutOfRange,
    /// Text that does not follow the grammar of the member, or a value outside the closed set.
    InvalidValue,
    /// The same element twice in a set.
    Duplicate,
    /// A member that the other members rule out.
    NotAllowed,
    /// A member that is fixed after creation.
    Immutable,
    /// Text that holds a secret itself, where only references belong.
    RawSecretDetected,
    /// `authenticationSecretRef` names a secret that its store does not have.
    SecretNotFound,
    /// `authenticationSecretRef` names a store that this deployment does not configure.
    SecretStoreUnknown,
    /// The URL leads to an address that this deployment does not call.
    DestinationBlocked,
    /// `endpoint` would leave the connector's base URL.
    EndpointOutsideBaseUrl,
    /// A header that the service sets itself.
    ForbiddenHeader,
    /// `operationType` is not among the connector's capabilities.
    CapabilityNotSupported,
}

impl FaultCode {
    /// Every code, for the documentation and its tests.
    pub const ALL: [Self; 15] = [
        Self::Required,
        Self::Type,
        Self::UnknownMember,
        Self::OutOfRange,
        Self::InvalidValue,
        Self::Duplicate,
        Self::NotAllowed,
        Self::Immutable,
        Self::RawSecretDetected,
        Self::SecretNotFound,
        Self::SecretStoreUnknown,
        Self::DestinationBlocked,
        Self::EndpointOutsideBaseUrl,
        Self::ForbiddenHeader,
        Self::CapabilityNotSupported,
    ];

    /// The code as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Type => "type",
            Self::UnknownMember => "unknown-member",
            Self::OutOfRange => "out-of-range",
            Self::InvalidValue => "invalid-value",
            Self::Duplicate => "duplicate",
            Self::NotAllowed => "not-allowed",
            Self::Immutable => "immutable",
            Self::RawSecretDetected => "raw-secret-detected",
            Self::SecretNotFound => "secret-not-found",
            Self::SecretStoreUnknown => "secret-store-unknown",
            Self::DestinationBlocked => "destination-blocked",
            Self::EndpointOutsideBaseUrl => "endpoint-outside-base-url",
            Self::ForbiddenHeader => "forbidden-header",
            Self::CapabilityNotSupported => "capability-not-supported",
        }
    }
}

/// One thing wrong with one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// RFC 6901 pointer to the member, `""` for the whole input; a name in it that is longer than
    /// [`Faults::LONGEST_NAME`] is cut and ends in `…`, and of a name that is a raw secret only the object is pointed to.
    pub pointer: String,
    /// The rule that was broken.
    pub code: FaultCode,
    /// What would be right, for a person; never contains the refused value.
    pub detail: String,
}

/// What one value's parser says of it; the caller knows the pointer. See [`Faults::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule that was broken.
    pub code: FaultCode,
    /// What would be right.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its explanation.
    pub fn new(code: FaultCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// The faults of one input, in the order in which they were found. However many there are, and however long the names
/// that they point to, what is kept is bounded: a megabyte of input has half a million members that can be wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    named: Vec<Fault>,
    /// How many were found after those.
    unnamed: usize,
    /// Whether one of the unnamed has another code than the first of the named.
    unnamed_differ: bool,
    /// How many bytes of names were looked at, whether they are raw secrets.
    judged: usize,
}

impl Faults {
    /// The most faults that are kept; those beyond are counted.
    pub const MOST_NAMED: usize = 100;
    /// The longest name in a pointer, in characters as RFC 6901 escapes them.
    pub const LONGEST_NAME: usize = 200;

    /// How many bytes of names are looked at, whether they are raw secrets; a name beyond is not pointed to. A hundred
    /// pointers of any sane input have fewer.
    const MOST_JUDGED: usize = 128 * 1024;

    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one fault; after [`Self::MOST_NAMED`] it is only counted. A value that is a raw secret has no other fault.
    pub fn push(&mut self, pointer: impl Into<String>, code: FaultCode, detail: impl Into<String>) {
        if self.named.len() < Self::MOST_NAMED {
            let pointer = pointer.into();
            let pointer = shortened(self.without_secrets(&pointer)).into_owned();
            self.keep(Fault { pointer, code, detail: detail.into() });
        } else {
            self.count(code);
        }
    }

    fn keep(&mut self, fault: Fault) {
        if !self.is_raw_secret(&fault.pointer) {
            self.named.push(fault);
        }
    }

    fn count(&mut self, code: FaultCode) {
        self.unnamed += 1;
        self.unnamed_differ |= self.named.first().is_some_and(|first| first.code != code);
    }

    /// As much of a name as is looked at, which is more than is shown of it.
    #[must_use]
    pub fn start_of_name(name: &str) -> &str {
        name.char_indices().nth(2 * Self::LONGEST_NAME).map_or(name, |(end, _)| &name[..end])
    }

    /// `pointer` up to the first name that is a raw secret, or that can no longer be looked at.
    fn without_secrets<'a>(&mut self, pointer: &'a str) -> &'a str {
        let mut end = 0;
        for name in pointer.split('/').skip(1) {
            let start = Self::start_of_name(name);
            self.judged += start.len();
            let unseen = self.judged > Self::MOST_JUDGED;
            if unseen || raw_secret::find(&start.replace("~1", "/").replace("~0", "~")).is_some() {
                return &pointer[..end];
            }
            end += 1 + name.len();
        }
        pointer
    }

    /// Puts `first` before what was found already.
    pub fn precede(&mut self, first: Self) {
        let found = std::mem::replace(self, first);
        self.judged += found.judged;
        for fault in found.named {
            // Its pointer was looked at already.
            if self.named.len() < Self::MOST_NAMED { self.keep(fault) } else { self.count(fault.code) }
        }
        self.unnamed += found.unnamed;
        self.unnamed_differ |= found.unnamed_differ;
    }

    /// Whether what stands there is known to be a raw secret, or an object that has one for a name.
    #[must_use]
    pub fn is_raw_secret(&self, pointer: &str) -> bool {
        self.named.iter().any(|fault| fault.code == FaultCode::RawSecretDetected && fault.pointer == pointer)
    }

    /// Keeps the value of a successful parse; notes the refusal of a failed one under `pointer`.
    pub fn check<T>(&mut self, pointer: &str, parsed: Result<T, Refusal>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.push(pointer, refusal.code, refusal.detail);
                None
            }
        }
    }

    /// Passes a present value on; notes `required` for an absent one, unless something is already known to be wrong
    /// with that member (a number where text belongs is one fault, not two).
    pub fn require<T>(&mut self, pointer: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.mentions(pointer) && !self.is_of_whole() {
            self.push(pointer, FaultCode::Required, "this member is required");
        }
        value
    }

    /// Whether one of the named faults is of this member or something inside it.
    #[must_use]
    pub fn mentions(&self, pointer: &str) -> bool {
        let pointer = shortened(pointer);
        let within = |fault: &Fault| {
            fault.pointer.strip_prefix(&*pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.named.iter().any(within)
    }

    /// Whether the input as a whole was refused, so that nothing is known of its members.
    fn is_of_whole(&self) -> bool {
        self.named.iter().any(|fault| fault.pointer.is_empty() && fault.code == FaultCode::Type)
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// How many faults were found, those that are only counted included.
    #[must_use]
    pub fn total(&self) -> usize {
        self.named.len() + self.unnamed
    }

    /// The code that all faults have, those that are only counted included.
    #[must_use]
    pub fn shared_code(&self) -> Option<FaultCode> {
        let first = self.named.first()?.code;
        let shared = !self.unnamed_differ && self.named.iter().all(|fault| fault.code == first);
        shared.then_some(first)
    }

    /// The first [`Self::MOST_NAMED`] faults, in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.named.iter()
    }

    /// `Ok(value)` when nothing is wrong.
    ///
    /// # Errors
    /// Itself, when there is a fault.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        let mut faults = Self::new();
        faults.push(fault.pointer, fault.code, fault.detail);
        faults
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.named.iter().enumerate() {
            if index > 0 {
                formatter.write_str("; ")?;
            }
            write!(formatter, "{}: {}", fault.pointer, fault.detail)?;
        }
        if self.unnamed > 0 {
            write!(formatter, "; and {} more", self.unnamed)?;
        }
        Ok(())
    }
}

/// The pointer of `member` inside the value at `parent` (RFC 6901: `~` and `/` are escaped).
#[must_use]
pub fn pointer_to(parent: &str, member: impl std::fmt::Display) -> String {
    let mut pointer = String::from(parent);
    pointer.push('/');
    for character in member.to_string().chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => {
                let _infallible = pointer.write_char(other);
            }
        }
    }
    pointer
}

/// `pointer` with every name cut to [`Faults::LONGEST_NAME`] characters.
fn shortened(pointer: &str) -> Cow<'_, str> {
    let cut = |name: &str| name.char_indices().nth(Faults::LONGEST_NAME).map(|(end, _)| end);
    if pointer.len() <= Faults::LONGEST_NAME || pointer.split('/').all(|name| cut(name).is_none()) {
        return Cow::Borrowed(pointer);
    }
    let mut short = String::new();
    for (index, name) in pointer.split('/').enumerate() {
        if index > 0 {
            short.push('/');
        }
        match cut(name) {
            None => short.push_str(name),
            Some(end) => {
                // A `~` at the end is half of an escape.
                short.push_str(name[..end].trim_end_matches('~'));
                short.push('…');
            }
        }
    }
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_faults_are_named_and_all_are_counted() {
        let mut faults = Faults::new();
        for index in 0..95_000 {
            faults.push(pointer_to("", index), FaultCode::UnknownMember, "unknown");
        }
        assert_eq!((faults.iter().len(), faults.total()), (Faults::MOST_NAMED, 95_000));
        assert_eq!(faults.shared_code(), Some(FaultCode::UnknownMember));
        assert!(faults.to_string().ends_with("/99: unknown; and 94900 more"));
        faults.push("/name", FaultCode::Required, "required");
        assert_eq!(faults.shared_code(), None, "of all faults, not of those that are named");
    }

    #[test]
    fn a_long_name_is_cut_wherever_a_pointer_is_looked_at() {
        let mut faults = Faults::new();
        let long = pointer_to(&pointer_to("/a", "ä".repeat(500_000)), "b");
        faults.push(long.clone(), FaultCode::Type, "text");
        faults.push(pointer_to("", format!("{}/x", "c".repeat(199))), FaultCode::Type, "text");
        faults.push(pointer_to("", "d".repeat(200)), FaultCode::Type, "text");
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.clone()).collect();
        assert_eq!(
            pointers,
            [format!("/a/{}…/b", "ä".repeat(200)), format!("/{}…", "c".repeat(199)), format!("/{}", "d".repeat(200))]
        );
        assert!(faults.mentions(&long));
        assert!(faults.mentions(long.trim_end_matches("/b")));
        assert_eq!(Faults::from(faults.iter().next().cloned().expect("one")).iter().len(), 1);
    }

    #[test]
    fn a_member_of_the_wrong_type_is_not_also_reported_missing() {
        let mut faults = Faults::new();
        faults.push("/name", FaultCode::Type, "text");
        let absent: Option<u8> = None;
        assert!(faults.require("/name", absent).is_none());
        assert!(faults.require("/connectorType", absent).is_none());
        let codes: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect();
        assert_eq!(codes, [("/name", "type"), ("/connectorType", "required")]);
    }

    #[test]
    fn pointers_escape_what_rfc_6901_reserves() {
        assert_eq!(pointer_to("/a", "b/c~d"), "/a/b~1c~0d");
    }
}
