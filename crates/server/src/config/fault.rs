//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value comes from, in the order in which one overrides another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// This program.
    Default,
    /// A line of the file.
    File(Arc<Path>, usize),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("the default"),
            Self::File(path, line) => write!(formatter, "{}, line {line}", path.display()),
            Self::Variable(name) => write!(formatter, "the environment variable {name}"),
            Self::Flag(name) => write!(formatter, "the flag {name}"),
        }
    }
}

/// All faults of a configuration.
#[derive(Debug, Default)]
pub(crate) struct ConfigFaults(Vec<(Origin, String)>);

impl ConfigFaults {
    pub(crate) fn push(&mut self, origin: &Origin, fault: impl Into<String>) {
        self.0.push((origin.clone(), fault.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ConfigFaults {
    /// One line per fault, in the order of the sources and their lines.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut faults: Vec<_> = self.0.iter().collect();
        faults.sort();
        faults.dedup();
        formatter.write_str("the configuration is wrong")?;
        for (origin, fault) in faults {
            write!(formatter, "\n  {origin}: {fault}")?;
        }
        formatter.write_str("\ndocs/configuration.md describes every key.")
    }
}
