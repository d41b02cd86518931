//! How the program ends when it cannot go on.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// Why a command ended, in words for the person who gave it: what happened, and what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong. Exit code 2.
    Usage(String),
    /// Something did not work. Exit code 1.
    Failed(String),
    /// A question could not be answered either way. Exit code 3, where 1 is the answer "no".
    Undecided(String),
}

impl Failure {
    /// Something that did not work, with its causes.
    pub(crate) fn caused(what: impl fmt::Display, cause: &(dyn Error + 'static)) -> Self {
        Self::Failed(format!("{what}: {}", Causes(cause)))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Undecided(_) => ExitCode::from(3),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) | Self::Undecided(text) => formatter.write_str(text),
        }
    }
}

/// An error followed by its causes.
pub(crate) struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    /// A cause that its parent's text already contains is not repeated.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        formatter.write_str(&last)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !last.contains(&text) {
                write!(formatter, ": {text}")?;
            }
            last = text;
            cause = error.source();
        }
        Ok(())
    }
}
