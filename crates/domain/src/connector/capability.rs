//! What a connector can be used for.

use crate::fault::{FaultCode, Faults, pointer_to};

/// One way of using a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Reading from the external system.
    Pull,
    /// Writing to the external system.
    Push,
    /// Being called by the external system.
    Webhook,
}

impl Capability {
    /// Every capability, in the order in which they are answered.
    pub const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Webhook];

    /// The capability as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Webhook => "webhook",
        }
    }

    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.as_str() == text)
    }
}

/// A non-empty set of capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities(Vec<Capability>);

impl Capabilities {
    /// Reads the set; the faults point below `at`.
    pub fn parse(names: &[String], at: &str, faults: &mut Faults) -> Option<Self> {
        if names.len() > Capability::ALL.len() {
            let detail = format!("must have at most {} elements", Capability::ALL.len());
            faults.push(at, FaultCode::OutOfRange, detail);
            return None;
        }
        let mut read = Vec::new();
        let mut sound = true;
        for (index, name) in names.iter().enumerate() {
            let pointer = pointer_to(at, index);
            match Capability::parse(name) {
                Some(capability) if !read.contains(&capability) => read.push(capability),
                Some(_) => {
                    sound = false;
                    faults.push(pointer, FaultCode::Duplicate, "is in the list already");
                }
                None => {
                    sound = false;
                    faults.push(pointer, FaultCode::InvalidValue, "must be `pull`, `push` or `webhook`");
                }
            }
        }
        if names.is_empty() {
            faults.push(at, FaultCode::OutOfRange, "must name at least one of `pull`, `push`, `webhook`");
            sound = false;
        }
        read.sort_unstable();
        sound.then_some(Self(read))
    }

    /// Whether the connector can be used in this way.
    #[must_use]
    pub fn contains(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// The capabilities, in the order of the contract.
    pub fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        self.0.iter().copied()
    }
}
