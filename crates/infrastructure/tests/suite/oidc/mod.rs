//! Access tokens, against a provider on loopback that publishes and signs what a test wants.

mod keys;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use application::ports::{TokenFault, TokenRejected, TokenVerifier, VerifiedToken};
use infrastructure::http::TrustedRoots;
use infrastructure::oidc::{Issuer, OidcSettings, OidcVerifier};
use infrastructure::system::SystemClock;
use test_support::IdentityProvider;

use crate::http::certificates::Authority;

fn verifier(provider: &IdentityProvider) -> OidcVerifier {
    let settings = OidcSettings {
        issuer: Issuer::parse(&provider.issuer()).expect("an issuer"),
        audience: IdentityProvider::AUDIENCE.to_owned(),
        // Never the system's roots alone: a machine without them must run the tests as well.
        roots: TrustedRoots { extra: vec![Authority::new().pem()] },
    };
    OidcVerifier::new(settings, Arc::new(SystemClock)).expect("a client")
}

/// The subject, or what is wrong.
fn shown(verified: Result<VerifiedToken, TokenRejected>) -> Result<String, TokenFault> {
    match verified {
        Ok(token) => Ok(token.subject),
        Err(TokenRejected::Invalid(fault)) => Err(fault),
        Err(undecided @ TokenRejected::Undecided { .. }) => panic!("{undecided:?}"),
    }
}

async fn verify(verifier: &OidcVerifier, token: &str) -> Result<String, TokenFault> {
    shown(verifier.verify(token).await)
}

/// How long nobody can tell.
async fn undecided(verifier: &OidcVerifier, token: &str) -> Duration {
    match verifier.verify(token).await {
        Err(TokenRejected::Undecided { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

/// Lets that much time pass at once. No request may be under way that is not meant to see it.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}
