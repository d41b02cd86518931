//! Why Azure gave no secret, and what that means to callers and operators.

use application::ports::SecretError;
use azure_core::error::{Error, ErrorKind};
use domain::secret_ref::SecretRef;
use serde_json::Value;
use url::Url;

use crate::secrets::exchange::{Failed, chain};
use crate::secrets::value::not_found;

/// Why there is no secret, and the words of who said so, for the log.
#[derive(Debug)]
pub(super) struct Trouble {
    kind: Kind,
    cause: String,
}

/// Only the first two say that the vault does not have it, or not for use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missing,
    Disabled,
    Denied,
    /// The vault does not take the service's token.
    TokenRefused,
    /// The service's own login is refused.
    LoginRefused(u16),
    /// The service's own proof cannot be had.
    NoProof,
    Throttled,
    Slow,
    Untrusted,
    Down,
    Status(u16),
    Strange,
}

impl Trouble {
    /// What the SDK's error means, after the vault was asked.
    pub(super) fn of(error: &Error) -> Self {
        if let Some(failed) = Failed::below(error) {
            let kind = match failed {
                Failed::Slow => Kind::Slow,
                Failed::Untrusted { .. } => Kind::Untrusted,
                Failed::Down { .. } => Kind::Down,
                Failed::TooLong => Kind::Strange,
            };
            return Self { kind, cause: failed.to_string() };
        }
        match error.kind() {
            ErrorKind::HttpResponse { status, raw_response, .. } => {
                let body = raw_response.as_ref().map(|raw| raw.body().as_ref()).unwrap_or_default();
                Self::of_status((*status).into(), &serde_json::from_slice(body).unwrap_or_default())
            }
            ErrorKind::Credential => Self::of_proof(error),
            _ => Self::strange(chain(error)),
        }
    }

    /// What it means that there is no token. Of a refusal only the codes are kept: they are Microsoft Entra's own, and
    /// its sentences are about what it was sent.
    pub(super) fn of_proof(error: &Error) -> Self {
        let refusal = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source())
            .filter_map(|error| error.downcast_ref::<Error>())
            .find_map(|error| match error.kind() {
                ErrorKind::HttpResponse { status, error_code, .. } => Some((u16::from(*status), error_code.clone())),
                _ => None,
            });
        let Some((status, codes)) = refusal else { return Self::no_proof(chain(error)) };
        let kind = match status {
            429 => Kind::Throttled,
            400..500 => Kind::LoginRefused(status),
            _ => Kind::Status(status),
        };
        Self { kind, cause: codes.map(|codes| format!("AADSTS{codes}")).unwrap_or_default() }
    }

    pub(super) fn no_proof(cause: String) -> Self {
        Self { kind: Kind::NoProof, cause }
    }

    pub(super) fn strange(cause: String) -> Self {
        Self { kind: Kind::Strange, cause }
    }

    pub(super) fn slow() -> Self {
        Self { kind: Kind::Slow, cause: String::new() }
    }

    fn of_status(status: u16, body: &Value) -> Self {
        let error = &body["error"];
        let kind = match status {
            401 => Kind::TokenRefused,
            403 if error["innererror"]["code"] == "SecretDisabled" => Kind::Disabled,
            403 => Kind::Denied,
            404 if error["code"] == "SecretNotFound" => Kind::Missing,
            429 => Kind::Throttled,
            _ => Kind::Status(status),
        };
        let texts = [&error["code"], &error["innererror"]["code"], &error["message"]];
        Self { kind, cause: texts.into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(": ") }
    }

    /// Whether another login, with the proof read again, may help.
    pub(super) const fn is_refused_proof(&self) -> bool {
        matches!(self.kind, Kind::LoginRefused(_) | Kind::TokenRefused)
    }

    /// For callers: what it is and where to look, no address.
    pub(super) fn explain(&self, reference: &SecretRef) -> SecretError {
        let settings = format!("secret_stores.{}", reference.store());
        let why = match self.kind {
            Kind::Missing if reference.version().is_some() => {
                return not_found(reference, "does not exist, or not in that version");
            }
            Kind::Missing => return not_found(reference, "does not exist, or was deleted"),
            Kind::Disabled => return not_found(reference, "is disabled"),
            Kind::Denied => "the store denies it (403); see that the service's identity may `get` secrets (the role \
                             Key Vault Secrets User), and the vault's firewall"
                .to_owned(),
            Kind::TokenRefused => {
                format!("the store does not take the service's token (401); see the vault's directory and `{settings}`")
            }
            Kind::LoginRefused(status) => {
                format!("Azure refuses the service's login ({status}); see the log and the members of `{settings}`")
            }
            Kind::NoProof => {
                format!("the service's own identity cannot be had; see the log and the members of `{settings}`")
            }
            Kind::Throttled => "the store throttles the service; try again later".to_owned(),
            Kind::Slow => "the store did not answer within 5 s".to_owned(),
            Kind::Untrusted => {
                format!("TLS with the store failed; see the log, `{settings}.vault_url` and `extra_ca_file`")
            }
            Kind::Down => format!("the store cannot be reached; see the log and `{settings}.vault_url`"),
            Kind::Status(status) => format!("the store answered with the status {status}; see the log"),
            Kind::Strange => {
                format!("what answered is not this Azure Key Vault; see the log and `{settings}.vault_url`")
            }
        };
        SecretError::Unavailable(format!("the secret `{reference}` could not be read: {why}"))
    }

    /// For operators: with the vault and the cause. What is merely not there is its caller's affair.
    pub(super) fn log(&self, reference: &SecretRef, vault: &Url) {
        if !matches!(self.kind, Kind::Missing | Kind::Disabled) {
            tracing::warn!(%reference, %vault, trouble = ?self.kind, cause = self.cause, "cannot read a secret");
        }
    }
}
