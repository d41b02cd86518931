//! The one error of all use cases. What a caller may know is in the variants; causes are for the log.

use domain::error::StorageError;
use domain::fault::Faults;

/// Why a use case did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connector of that id exists for the caller.
    #[error("the connector does not exist")]
    ConnectorNotFound,
    /// No log of that id exists for the caller.
    #[error("the log does not exist")]
    LogNotFound,
    /// The input is well-formed and invalid.
    #[error("the input is invalid: {0}")]
    Invalid(Faults),
    /// Another connector has the name.
    #[error("the name is taken")]
    NameTaken,
    /// Only a disabled connector can be deleted.
    #[error("the connector is enabled")]
    ConnectorEnabled,
    /// The connector's version is not the one that the caller expects.
    #[error("the connector has version {current}")]
    VersionMismatch {
        /// The version it has.
        current: i64,
    },
    /// A connector that is not registered can be tested with a secret only by those who may register it.
    #[error("the caller may not decide where a secret goes")]
    SecretOfDraft,
    /// The idempotency key was used for another request.
    #[error("the idempotency key belongs to another request")]
    IdempotencyKeyReused,
    /// The request that has the idempotency key is still under way.
    #[error("the request with this idempotency key is under way")]
    IdempotencyKeyInFlight,
    /// There is no such API key, or, asked for by its name, no current one.
    #[error("the API key does not exist")]
    KeyNotFound,
    /// Another API key that is not revoked has the name.
    #[error("the name is that of another API key")]
    KeyNameTaken,
    /// The caller would give away more than it has.
    #[error("the caller may not do what the key would")]
    GrantBeyondCaller,
    /// The store of connectors could not be reached; nothing was changed.
    #[error("the store is unavailable")]
    StoreUnavailable(#[source] StorageError),
    /// The secret store could not be reached; nothing was changed.
    #[error("the secret store is unavailable: {0}")]
    SecretStoreUnavailable(String),
    /// This service failed.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NameTaken => Self::NameTaken,
            StorageError::Unavailable(_) => Self::StoreUnavailable(error),
            // A unit of work holds its row, so that a stale one within it is a fault of ours.
            StorageError::Stale | StorageError::Failed { .. } => Self::Internal(Box::new(error)),
        }
    }
}

impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        Self::Invalid(faults)
    }
}

/// An error with its causes in one line, for the log; never for a caller.
#[derive(Debug)]
pub struct Causes<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
