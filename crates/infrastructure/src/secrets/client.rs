//! The HTTP client for secret stores and the identity provider. The operator configures their addresses, so the
//! destination guard does not hold for them; everything else that a client might do by itself is off here, too.

use std::time::Duration;

use reqwest::{Client, redirect, retry};

use crate::http::{ClientError, TrustedRoots, install_crypto_provider};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One request with its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Builds a client that trusts the operating system's roots and these.
#[expect(clippy::disallowed_methods, reason = "calls of connectors never go through this client")]
pub(crate) fn build(roots: &TrustedRoots) -> Result<Client, ClientError> {
    install_crypto_provider();
    Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .tls_certs_merge(roots.certificates()?)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .build()
        .map_err(ClientError::Client)
}
