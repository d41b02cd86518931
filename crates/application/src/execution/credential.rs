//! Turning the secret behind a connector's reference into what its requests carry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::connector::{ApiKeyPlacement, Authentication, Connector};
use domain::failure::{ErrorCode, Failure};
use domain::secret_ref::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::ports::{Credential, SecretError, SecretStore};

/// The largest secret that is sent, in bytes: `Basic` makes 8 KiB of it, which is what servers take as one header.
const MAX_BYTES: usize = 6 * 1024;

/// A credential, and every secret value that it was made of.
pub(super) struct Proof {
    credential: Credential,
    secrets: Vec<SecretString>,
}

impl Proof {
    /// Looks the secret up; a store that does not answer until `deadline` is unavailable.
    pub(super) async fn obtain(
        connector: &Connector,
        store: &dyn SecretStore,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let authentication = &connector.settings.authentication;
        let Some(reference) = authentication.secret() else {
            return Ok(Self { credential: Credential::None, secrets: Vec::new() });
        };
        let value = look_up(reference, store, deadline).await?;
        if value.expose_secret().len() > MAX_BYTES {
            let message = format!("the secret `{reference}` is too large to be sent: at most 6 KiB are");
            return Err(Failure::new(ErrorCode::SecretNotFound, message));
        }
        Self::of(authentication, value)
    }

    fn of(authentication: &Authentication, value: SecretString) -> Result<Self, Failure> {
        let mut secrets = vec![value.clone()];
        let credential = match authentication {
            Authentication::None => Credential::None,
            Authentication::ApiKey { placement: ApiKeyPlacement::Header(name), .. } => {
                Credential::Header(name.clone(), value)
            }
            Authentication::ApiKey { placement: ApiKeyPlacement::Query(name), .. } => {
                Credential::Query(name.clone(), value)
            }
            Authentication::Bearer { .. } => {
                Credential::Header("Authorization".to_owned(), format!("Bearer {}", value.expose_secret()).into())
            }
            Authentication::Basic { .. } => {
                let Some((_, password)) = value.expose_secret().split_once(':') else {
                    let message = "the secret of a connector with `Basic` must read `username:password`";
                    return Err(Failure::new(ErrorCode::SecretNotFound, message));
                };
                secrets.push(SecretString::from(password));
                let encoded = STANDARD.encode(value.expose_secret());
                Credential::Header("Authorization".to_owned(), format!("Basic {encoded}").into())
            }
        };
        Ok(Self { credential, secrets })
    }

    /// Every value that must not be seen.
    pub(super) fn secrets(&self) -> &[SecretString] {
        &self.secrets
    }

    pub(super) fn into_credential(self) -> Credential {
        self.credential
    }
}

async fn look_up(reference: &SecretRef, store: &dyn SecretStore, deadline: Instant) -> Result<SecretString, Failure> {
    let resolved = tokio::time::timeout_at(deadline, store.resolve(reference)).await;
    match resolved {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error @ (SecretError::NotFound(_) | SecretError::UnknownStore { .. }))) => {
            Err(Failure::new(ErrorCode::SecretNotFound, format!("{reference}: {error}")))
        }
        Ok(Err(SecretError::Unavailable(cause))) => {
            Err(Failure::new(ErrorCode::SecretUnavailable, format!("the secret store of {reference}: {cause}")))
        }
        Err(_) => Err(Failure::new(
            ErrorCode::SecretUnavailable,
            format!("the secret store of {reference} did not answer until the deadline"),
        )),
    }
}
