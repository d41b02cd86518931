//! What can go wrong at the persistence ports.

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another connector, or another key that is not revoked, has the name.
    #[error("the name is taken")]
    NameTaken,
    /// The row has changed since it was read.
    #[error("the row has changed since it was read")]
    Stale,
    /// The store could not be reached, or took too long. Nothing is known about the work under way.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store answered with something that this version cannot read, or refused a statement.
    #[error("the store failed: {context}")]
    Failed {
        /// What was being done.
        context: String,
        /// The cause; for the log, never for a caller.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl StorageError {
    /// A row that this version cannot read.
    pub fn unreadable(context: impl Into<String>) -> Self {
        Self::Failed { context: context.into(), source: None }
    }
}
