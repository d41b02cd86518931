//! Identifiers. All are `UUIDv7`: unique without coordination, and in order of creation.

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an identifier that was minted by the `Ids` port or read from the store.
            #[must_use]
            pub const fn new(value: Uuid) -> Self {
                Self(value)
            }

            /// Reads the lower-case hyphenated form; any other spelling names nothing.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let value = Uuid::try_parse(text).ok()?;
                (value.hyphenated().to_string() == text).then_some(Self(value))
            }

            /// The bare UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(formatter)
            }
        }
    };
}

id!(
    /// Names a connector for ever, also after its deletion.
    ConnectorId
);
id!(
    /// Names one integration call.
    LogId
);
id!(
    /// Names the lease of one process on the calls that it began.
    LeaseId
);
id!(
    /// Names an API key; the key itself is never stored.
    ApiKeyId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let text = "01979a2b-7c00-7000-8000-000000000001";
        assert_eq!(ConnectorId::parse(text).map(|id| id.to_string()).as_deref(), Some(text));
        for other in [
            "",
            "x",
            &text.to_uppercase(),
            "01979a2b7c0070008000000000000001",
            "{01979a2b-7c00-7000-8000-000000000001}",
        ] {
            assert_eq!(ConnectorId::parse(other), None, "{other}");
        }
    }
}
