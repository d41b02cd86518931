//! Why AWS gave no secret, and what that means to callers and operators.

use application::ports::SecretError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::secret_ref::SecretRef;

use crate::secrets::exchange::{Failed, chain, find};
use crate::secrets::value::not_found;

/// Why there is no secret, and the words of who said so, for the log.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    cause: String,
}

/// Only the first three say that AWS does not have it, or not as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Missing,
    Deleted,
    Binary,
    Denied,
    /// The key of the secret's encryption cannot be used.
    Undecryptable,
    /// The service's own credentials are unknown, expired, or used under a wrong clock.
    CredentialsRefused,
    NoCredentials,
    NoRegion,
    Throttled,
    Slow,
    Untrusted,
    Down,
    Status(u16),
    Strange,
}

impl From<Kind> for Trouble {
    fn from(kind: Kind) -> Self {
        Self { kind, cause: String::new() }
    }
}

impl Trouble {
    /// What the SDK's error means. Its raw answer is left alone: it may hold the secret.
    pub(super) fn of(error: &SdkError<GetSecretValueError, HttpResponse>) -> Self {
        if let Some(error) = find::<CredentialsError>(error) {
            return Self { kind: Kind::NoCredentials, cause: chain(error) };
        }
        if let Some(failed) = Failed::below(error) {
            let kind = match failed {
                Failed::Slow => Kind::Slow,
                Failed::Untrusted { .. } => Kind::Untrusted,
                Failed::Down { .. } => Kind::Down,
                Failed::TooLong => Kind::Strange,
            };
            return Self { kind, cause: failed.to_string() };
        }
        match error {
            SdkError::ServiceError(refused) => {
                let meta = refused.err().meta();
                let (code, message) = (meta.code().unwrap_or_default(), meta.message().unwrap_or_default());
                let kind = kind_of(refused.raw().status().as_u16(), code, message);
                Self { kind, cause: format!("{code}: {message}") }
            }
            SdkError::TimeoutError(_) => Kind::Slow.into(),
            SdkError::ResponseError(_) => Self { kind: Kind::Strange, cause: "its answer cannot be read".to_owned() },
            _ => Self { kind: Kind::Strange, cause: "the request could not be made".to_owned() },
        }
    }

    /// For callers: what it is and where to look, no address.
    pub(super) fn explain(&self, reference: &SecretRef) -> SecretError {
        let settings = format!("secret_stores.{}", reference.store());
        let why = match self.kind {
            Kind::Missing if reference.version().is_some() => {
                return not_found(reference, "does not exist, or not in that version");
            }
            Kind::Missing => return not_found(reference, "does not exist"),
            Kind::Deleted => return not_found(reference, "is marked for deletion"),
            Kind::Binary => return not_found(reference, "is binary, and only text can be used"),
            Kind::Denied => "the store denies it; see that the service's role allows `secretsmanager:GetSecretValue` \
                             on it, and `kms:Decrypt` on a key of your own"
                .to_owned(),
            Kind::Undecryptable => "the store cannot decrypt it; see that its KMS key is enabled and that the \
                                    service's role allows `kms:Decrypt` on it"
                .to_owned(),
            Kind::CredentialsRefused => {
                "the store refuses the service's AWS credentials; see that they are current, and the clock".to_owned()
            }
            Kind::NoCredentials => "the service has no AWS credentials; see the log, and give it a role, or \
                                    `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"
                .to_owned(),
            Kind::NoRegion => format!("no AWS region is known; set `{settings}.region`"),
            Kind::Throttled => "the store throttles the service; try again later".to_owned(),
            Kind::Slow => "the store did not answer within 5 s".to_owned(),
            Kind::Untrusted => {
                format!("TLS with the store failed; see the log, `{settings}.endpoint_url` and `extra_ca_file`")
            }
            Kind::Down => {
                format!("the store cannot be reached; see the log, `{settings}.region` and `{settings}.endpoint_url`")
            }
            Kind::Status(status) => format!("the store answered with the status {status}; see the log"),
            Kind::Strange => {
                format!("what answered is no AWS Secrets Manager; see the log and `{settings}.endpoint_url`")
            }
        };
        SecretError::Unavailable(format!("the secret `{reference}` could not be read: {why}"))
    }

    /// For operators: with the cause. What is merely not there is its caller's affair.
    pub(super) fn log(&self, reference: &SecretRef) {
        if !matches!(self.kind, Kind::Missing | Kind::Deleted | Kind::Binary) {
            tracing::warn!(%reference, trouble = ?self.kind, cause = self.cause, "cannot read a secret");
        }
    }
}

fn kind_of(status: u16, code: &str, message: &str) -> Kind {
    match code {
        "ResourceNotFoundException" => Kind::Missing,
        "InvalidRequestException" if message.contains("marked") => Kind::Deleted,
        "AccessDeniedException" | "AccessDenied" => Kind::Denied,
        "DecryptionFailure" => Kind::Undecryptable,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => Kind::CredentialsRefused,
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" => Kind::Throttled,
        _ if status == 429 => Kind::Throttled,
        _ if status == 403 => Kind::Denied,
        _ if status < 300 => Kind::Strange,
        _ => Kind::Status(status),
    }
}
