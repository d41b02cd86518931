//! The one HTTP client. Whatever it would do by itself is off, so that what the executor sends is all that is sent.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect, retry};

use super::guard::Guard;

/// A connection is made within this time or not at all. It is split between the addresses of a name, so that a dead
/// first address does not use up the attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An idle connection is given up after this time. Servers close theirs after 5 to 75 s, and a request that meets the
/// closing counts as one that may have arrived; short is safe for requests that must not be repeated.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// HTTP/2 measures a header with 32 bytes more than `body::MAX_HEADER_BYTES` does; beyond this the stream is reset
/// unread.
const MAX_HTTP2_HEADER_LIST: u32 = 128 * 1024;

/// Whose certificates are trusted: the operating system's roots, and these.
#[derive(Debug, Clone, Default)]
pub struct TrustedRoots {
    /// PEM bundles of further certificate authorities, for upstreams behind a private one.
    pub extra: Vec<Vec<u8>>,
}

impl TrustedRoots {
    /// The extra ones, read.
    pub(crate) fn certificates(&self) -> Result<Vec<Certificate>, ClientError> {
        let mut certificates = Vec::new();
        for bundle in &self.extra {
            let found = Certificate::from_pem_bundle(bundle).map_err(ClientError::ExtraRoot)?;
            if found.is_empty() {
                return Err(ClientError::EmptyRoot);
            }
            certificates.extend(found);
        }
        Ok(certificates)
    }
}

/// Why the client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An extra root is no PEM bundle of certificates.
    #[error("an extra root certificate cannot be read")]
    ExtraRoot(#[source] reqwest::Error),
    /// An extra root holds no PEM certificate at all: it would be trusted in vain.
    #[error("an extra root contains no certificate in PEM")]
    EmptyRoot,
    /// There is no trusted root at all, or TLS cannot be set up.
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    /// The resolver cannot be set up.
    #[error("the name resolver cannot be set up")]
    Resolver(#[source] hickory_resolver::net::NetError),
}

/// Makes ring the process's cryptography. A second call changes nothing.
pub fn install_crypto_provider() {
    // The error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Builds the client. RT-9, one retry layer: redirects, proxies, decompression, `Referer` and reqwest's retries are
/// off (cookies are not compiled in).
///
/// One repetition cannot be switched off: hyper-util sends a request on another connection when the pooled one was
/// found closed. It does so only when hyper hands the request back unstarted, before any byte of it was written
/// (`TrySendError::message` is `Some` only for a request that never left the queue), so an attempt still arrives at
/// most once. `tests/suite/http/pool.rs` counts.
pub(super) fn build(guard: &Guard, roots: &TrustedRoots) -> Result<Client, ClientError> {
    builder(guard, roots)?.build().map_err(ClientError::Client)
}

/// What [`build`] builds of, for clients that are watched while they connect.
///
/// # Errors
/// An extra root cannot be read.
#[expect(clippy::disallowed_methods, reason = "the one home of the client")]
pub(super) fn builder(guard: &Guard, roots: &TrustedRoots) -> Result<ClientBuilder, ClientError> {
    install_crypto_provider();
    Ok(Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .referer(false)
        .https_only(!guard.policy().allows_http())
        .dns_resolver(Arc::new(guard.clone()))
        .tls_certs_merge(roots.certificates()?)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .http1_max_headers(MAX_HEADERS)
        .http2_max_header_list_size(MAX_HTTP2_HEADER_LIST))
}
