//! Why Vault gave no secret, and what that means to callers and operators.

use std::path::PathBuf;

use application::ports::SecretError;
use domain::secret_ref::SecretRef;
use rustify::errors::ClientError as TransportError;
use url::Url;
use vaultrs::error::ClientError;

use crate::http::{cause_of, is_tls};
use crate::secrets::value::not_found;

/// Why there is no secret. Only the first two say that Vault does not have it.
#[derive(Debug)]
pub(super) enum Trouble {
    Missing,
    Deleted,
    /// The token is not good, or its policies do not allow it: Vault does not tell which.
    Denied,
    /// The service's own login is refused.
    LoginRefused {
        status: u16,
        said: String,
    },
    /// The file of the service's own proof has none.
    NoProof {
        file: PathBuf,
        cause: String,
    },
    NoEngine,
    Sealed,
    Slow,
    Untrusted {
        cause: String,
    },
    Down {
        cause: String,
    },
    Status {
        status: u16,
        said: String,
    },
    Strange {
        cause: String,
    },
}

impl Trouble {
    /// What a failed reading means.
    pub(super) fn of_reading(error: &ClientError) -> Self {
        match status_of(error) {
            Some((403, _)) => Self::Denied,
            // The data of a deleted version come with this status, and with no list of errors.
            Some((404, None)) => Self::Deleted,
            Some((404, Some([]))) => Self::Missing,
            Some((404, Some(_))) => Self::NoEngine,
            Some((status, errors)) => Self::of_status(status, errors),
            None => Self::of_transport(error),
        }
    }

    /// What a failed login means.
    pub(super) fn of_login(error: &ClientError) -> Self {
        match status_of(error) {
            Some((status @ (400 | 401 | 403 | 404), errors)) => {
                Self::LoginRefused { status, said: errors.unwrap_or_default().join("; ") }
            }
            Some((status, errors)) => Self::of_status(status, errors),
            None => Self::of_transport(error),
        }
    }

    fn of_status(status: u16, errors: Option<&[String]>) -> Self {
        let said = errors.unwrap_or_default().join("; ");
        if status == 503 && said.contains("sealed") { Self::Sealed } else { Self::Status { status, said } }
    }

    fn of_transport(error: &ClientError) -> Self {
        let cause = match error {
            ClientError::RestClientError {
                source: TransportError::RequestError { source, .. } | TransportError::ResponseError { source },
            } => source.downcast_ref::<reqwest::Error>(),
            _ => None,
        };
        match cause {
            Some(cause) if cause.is_timeout() => Self::Slow,
            Some(cause) if is_tls(cause) => Self::Untrusted { cause: cause_of(cause) },
            Some(cause) => Self::Down { cause: cause_of(cause) },
            // Their texts say what was done, never what was read.
            None => Self::Strange { cause: error.to_string() },
        }
    }

    /// For callers: what it is and where to look, no address.
    pub(super) fn explain(&self, reference: &SecretRef, mount: &str) -> SecretError {
        let settings = format!("secret_stores.{}", reference.store());
        let why = match self {
            Self::Missing if reference.version().is_some() => {
                return not_found(reference, "does not exist, or not in that version");
            }
            Self::Missing => return not_found(reference, "does not exist"),
            Self::Deleted => return not_found(reference, "was deleted"),
            Self::Denied => format!(
                "the store denies it (403); see that the service's token is valid and that its policy allows `read` on \
                 `{mount}/data/{}`",
                reference.name()
            ),
            Self::LoginRefused { status, .. } => {
                format!("the store refuses the service's login ({status}); see the members of `{settings}`")
            }
            Self::NoProof { .. } => {
                format!("the file with the service's own proof cannot be used; see the log and `{settings}`")
            }
            Self::NoEngine => format!("the store has no key-value engine at `{mount}`; see `{settings}.mount`"),
            Self::Sealed => "the store is sealed; its operator has to unseal it".to_owned(),
            Self::Slow => "the store did not answer within 5 s".to_owned(),
            Self::Untrusted { .. } => {
                format!("TLS with the store failed; see the log, `{settings}.address` and `extra_ca_file`")
            }
            Self::Down { .. } => format!("the store cannot be reached; see the log and `{settings}.address`"),
            Self::Status { status, .. } => format!("the store answered with the status {status}; see the log"),
            Self::Strange { .. } => {
                format!("what answered is no Vault with a key-value engine of version 2; see `{settings}.address`")
            }
        };
        SecretError::Unavailable(format!("the secret `{reference}` could not be read: {why}"))
    }

    /// For operators: with the address and the cause. What is merely not there is its caller's affair.
    pub(super) fn log(&self, reference: &SecretRef, address: &Url) {
        let cause = match self {
            Self::Missing | Self::Deleted => return,
            Self::Denied => "permission denied".to_owned(),
            Self::LoginRefused { status, said } | Self::Status { status, said } => format!("{status}: {said}"),
            Self::NoProof { file, cause } => format!("{}: {cause}", file.display()),
            Self::NoEngine => "no engine at the mount".to_owned(),
            Self::Sealed => "sealed".to_owned(),
            Self::Slow => "no answer in time".to_owned(),
            Self::Untrusted { cause } | Self::Down { cause } | Self::Strange { cause } => cause.clone(),
        };
        tracing::warn!(%reference, %address, cause, "cannot read a secret from Vault");
    }
}

/// The status of an answer that is an error, and Vault's own words where it has some.
fn status_of(error: &ClientError) -> Option<(u16, Option<&[String]>)> {
    match error {
        ClientError::APIError { code, errors } => Some((*code, Some(errors))),
        ClientError::RestClientError { source: TransportError::ServerResponseError { code, .. } } => {
            Some((*code, None))
        }
        _ => None,
    }
}
