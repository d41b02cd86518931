//! Everything that is not a success, as RFC 9457 problem details. A handler names the problem; the correlation id and
//! the instance are added where the answer leaves the service ([`render`]), so that no error goes without them.

mod catalogue;
mod page;
mod render;

use std::time::Duration;

use application::error::{Causes, Error};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::fault::{Fault, FaultCode, Faults};

pub use self::catalogue::ProblemCode;
pub(crate) use self::page::__path_show_problem;
pub(crate) use self::page::show_problem;
pub(crate) use self::render::{ProblemDetails, from_panic, render};

/// How many seconds a caller is asked to wait when something that the service needs is away.
const RETRY_AFTER_SECONDS: u16 = 2;

/// A problem on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: ProblemCode,
    detail: String,
    errors: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// Input that is well-formed and invalid. Where all faults have one and the same telling code, the problem has it
    /// too; else it is `validation-failed`. Where there are too many to name, the detail says how many there are.
    pub(crate) fn invalid(faults: &Faults) -> Self {
        let errors: Vec<Fault> = faults.iter().cloned().collect();
        let code = faults.shared_code().and_then(specific).unwrap_or(ProblemCode::ValidationFailed);
        let detail = match errors.as_slice() {
            [fault] if fault.pointer.is_empty() => fault.detail.clone(),
            [fault] => format!("{} {}", fault.pointer, fault.detail),
            some if some.len() < faults.total() => {
                format!("{} members are invalid; `errors` names the first {}", faults.total(), some.len())
            }
            many => format!("{} members are invalid; `errors` names each", many.len()),
        };
        Self { code, detail, errors, headers: Vec::new() }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Advises to come back after this time, in whole seconds, at least one.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    fn later(self) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))
    }
}

const fn specific(code: FaultCode) -> Option<ProblemCode> {
    match code {
        FaultCode::Immutable => Some(ProblemCode::Immutable),
        FaultCode::CapabilityNotSupported => Some(ProblemCode::CapabilityNotSupported),
        FaultCode::EndpointOutsideBaseUrl => Some(ProblemCode::EndpointOutsideBaseUrl),
        FaultCode::ForbiddenHeader => Some(ProblemCode::ForbiddenHeader),
        FaultCode::RawSecretDetected => Some(ProblemCode::RawSecretDetected),
        FaultCode::SecretNotFound => Some(ProblemCode::SecretNotFound),
        FaultCode::SecretStoreUnknown => Some(ProblemCode::SecretStoreUnknown),
        FaultCode::DestinationBlocked => Some(ProblemCode::DestinationBlocked),
        FaultCode::UnknownMember => Some(ProblemCode::UnknownMember),
        FaultCode::Required
        | FaultCode::Type
        | FaultCode::OutOfRange
        | FaultCode::InvalidValue
        | FaultCode::Duplicate
        | FaultCode::NotAllowed => None,
    }
}

/// The one place where errors of use cases become answers. Causes go to the log, never to the caller.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectorNotFound => Self::new(ProblemCode::ConnectorNotFound, "there is no connector of this id"),
            Error::LogNotFound => Self::new(ProblemCode::LogNotFound, "there is no integration log of this id"),
            Error::KeyNotFound => Self::new(ProblemCode::KeyNotFound, "there is no API key of this id"),
            Error::KeyNameTaken => Self {
                errors: vec![Fault {
                    pointer: "/name".to_owned(),
                    code: FaultCode::Duplicate,
                    detail: "must be unique among the keys that are not revoked".to_owned(),
                }],
                ..Self::new(ProblemCode::KeyNameTaken, "another API key has this name, and is not revoked")
            },
            Error::GrantBeyondCaller => {
                Self::new(ProblemCode::Forbidden, "a key may not allow more than its maker is allowed")
            }
            Error::Invalid(faults) => Self::invalid(&faults),
            Error::NameTaken => Self {
                errors: vec![Fault {
                    pointer: "/name".to_owned(),
                    code: FaultCode::Duplicate,
                    detail: "must be unique without regard to case".to_owned(),
                }],
                ..Self::new(ProblemCode::ConnectorNameTaken, "another connector has this name")
            },
            Error::ConnectorEnabled => {
                Self::new(ProblemCode::ConnectorEnabled, "disable the connector before you delete it")
            }
            Error::VersionMismatch { current } => Self::new(
                ProblemCode::PreconditionFailed,
                format!("the connector has changed; its version is now {current}. Read it again before you change it"),
            ),
            Error::SecretOfDraft => {
                let detail = "a draft with `authenticationSecretRef` sends that secret where its author wants it; only \
                     those who may register connectors test one. Test the registered connector, or a draft without it";
                Self::new(ProblemCode::Forbidden, detail)
            }
            Error::IdempotencyKeyReused => {
                let detail =
                    "the `Idempotency-Key` was used for a request with another path or body; choose another one";
                Self::new(ProblemCode::IdempotencyKeyReused, detail)
            }
            Error::IdempotencyKeyInFlight => {
                let detail = "the request with this `Idempotency-Key` is still under way; repeat it to get its answer";
                Self::new(ProblemCode::IdempotencyKeyInFlight, detail).later()
            }
            Error::StoreUnavailable(cause) => {
                tracing::error!(error = %Causes(&cause), "the store is unavailable");
                Self::new(ProblemCode::StoreUnavailable, "the service cannot reach its store; nothing was changed")
                    .later()
            }
            Error::SecretStoreUnavailable(cause) => {
                tracing::error!(%cause, "the secret store is unavailable");
                let detail =
                    "the secret store cannot be reached, so that the reference cannot be checked; nothing was changed";
                Self::new(ProblemCode::SecretStoreUnavailable, detail).later()
            }
            Error::Internal(cause) => {
                tracing::error!(error = %Causes(cause.as_ref()), "internal error");
                Self::new(
                    ProblemCode::InternalError,
                    "the service failed; its log has the cause under the correlation id",
                )
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        for (name, value) in &self.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use domain::fault::pointer_to;

    use super::*;

    #[test]
    fn an_answer_names_the_first_faults_and_counts_all() {
        let mut faults = Faults::new();
        for index in 0..95_000 {
            faults.push(pointer_to("", format!("{index}{}", "x".repeat(1_000))), FaultCode::UnknownMember, "unknown");
        }
        assert_eq!(Problem::invalid(&faults).code, ProblemCode::UnknownMember);
        faults.push("/name", FaultCode::Required, "required");
        let problem = Problem::invalid(&faults);
        assert_eq!(problem.code, ProblemCode::ValidationFailed);
        assert_eq!(problem.detail, "95001 members are invalid; `errors` names the first 100");
        assert_eq!(problem.errors.len(), 100);
        assert!(problem.errors.iter().all(|fault| fault.pointer.len() < 210));
    }

    #[test]
    fn a_long_name_is_not_repeated_whole() {
        let mut faults = Faults::new();
        faults.push(pointer_to("", "x".repeat(1_000_000)), FaultCode::UnknownMember, "unknown");
        assert!(Problem::invalid(&faults).detail.len() < 300);
    }
}
