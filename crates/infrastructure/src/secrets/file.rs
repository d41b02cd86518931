//! Secrets in a directory, as Kubernetes and Docker mount them: one file per secret, a `/` in the name is a
//! subdirectory.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use secrecy::SecretString;

use super::value::{self, MAX_BYTES, not_found};

/// A directory of secrets. Every look-up reads the file anew, so a rotated secret is seen at once. Symbolic links are
/// followed within the directory (Kubernetes swaps `..data`) and never out of it. One newline at the end of a file is
/// not part of the value.
#[derive(Debug, Clone)]
pub struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// A store over `directory`, which need not exist yet.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }
}

#[async_trait]
impl SecretStore for FileStore {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        if reference.version().is_some() {
            return Err(not_found(reference, "names a version, and a directory of files keeps no versions"));
        }
        let directory = self.directory.clone();
        let wanted = reference.clone();
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(|| read(&directory, &wanted)))
            .await
            .unwrap_or_else(|_| Err(unavailable(reference, "could not be read")))
    }
}

fn read(directory: &Path, reference: &SecretRef) -> Result<SecretString, SecretError> {
    let directory = directory.canonicalize().map_err(|error| {
        tracing::warn!(directory = %directory.display(), %error, "cannot read the directory of secrets");
        unavailable(reference, "could not be read: the store's directory is missing or not readable")
    })?;
    let path = directory.join(reference.name()).canonicalize().map_err(|error| failed(reference, &error))?;
    if !path.starts_with(&directory) {
        return Err(not_found(reference, "lies outside of the store's directory"));
    }
    // A pipe or a device would block; only files are secrets.
    if !fs::metadata(&path).map_err(|error| failed(reference, &error))?.is_file() {
        return Err(not_found(reference, "is not a file"));
    }
    let mut bytes = Vec::new();
    // Room for the newline, and for one byte more, which makes it too large.
    let longest = MAX_BYTES as u64 + 3;
    File::open(&path)
        .and_then(|file| file.take(longest).read_to_end(&mut bytes))
        .map_err(|error| failed(reference, &error))?;
    if bytes.len() > MAX_BYTES + 2 {
        return Err(value::too_large(reference));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| not_found(reference, "is not UTF-8 text"))?;
    trim_one_newline(&mut text);
    value::pick(text.into(), reference)
}

fn trim_one_newline(text: &mut String) {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
}

fn failed(reference: &SecretRef, error: &io::Error) -> SecretError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => not_found(reference, "does not exist"),
        _ => {
            tracing::warn!(%reference, %error, "cannot read a secret");
            unavailable(reference, "could not be read")
        }
    }
}

fn unavailable(reference: &SecretRef, what: &str) -> SecretError {
    SecretError::Unavailable(format!("the secret `{reference}` {what}"))
}
