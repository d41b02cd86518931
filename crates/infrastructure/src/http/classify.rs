//! What a failed request means: one closed code each (RT-3, RT-4), and whether the upstream can have seen it (RT-5).

use std::error::Error;
use std::io;

use domain::failure::{ErrorCode, Failure};
use domain::retry::Delivery;
use rustls::pki_types::InvalidDnsNameError;

use super::body::BodyFault;
use super::guard::GuardError;

/// The most characters of a chain of causes that are kept.
const MAX_DETAILS: usize = 1_000;

/// A failed request, and whether the upstream can have seen it.
pub(super) struct Classified {
    pub(super) failure: Failure,
    pub(super) delivery: Delivery,
}

/// Classifies a request that brought no answer. `never_left` says that this is proven; `tls` says whether the URL
/// is `https`.
pub(super) fn request_error(error: reqwest::Error, never_left: bool, tls: bool) -> Classified {
    // The URL may carry a credential.
    let error = error.without_url();
    if let Some(refused) = find::<GuardError>(&error) {
        return Classified { failure: guard_failure(refused), delivery: Delivery::NeverSent };
    }
    let code = if never_left { broken_connect(&error, tls) } else { broken_exchange(&error) };
    let delivery = if never_left || is_unprocessed(&error) { Delivery::NeverSent } else { Delivery::MaybeSent };
    Classified { failure: explained(code, &error), delivery }
}

/// Classifies an answer whose body did not come whole.
pub(super) fn body_fault(fault: BodyFault) -> Failure {
    match fault {
        BodyFault::TooLarge(why) => Failure::new(ErrorCode::ResponseTooLarge, sentence(ErrorCode::ResponseTooLarge))
            .with_details(format!("the answer is refused: {why}")),
        BodyFault::Malformed(why) => Failure::new(ErrorCode::MalformedResponse, sentence(ErrorCode::MalformedResponse))
            .with_details(format!("the answer is refused: {why}")),
        BodyFault::Transport(error) => {
            let error = error.without_url();
            explained(broken_exchange(&error), &error)
        }
    }
}

/// A block looks the same whatever is behind the address (SE-D-5): no address, no cause.
pub(super) fn blocked() -> Classified {
    let failure = Failure::new(ErrorCode::DestinationBlocked, sentence(ErrorCode::DestinationBlocked));
    Classified { failure, delivery: Delivery::NeverSent }
}

/// The sentence that goes with a transport code.
pub(super) const fn sentence(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::ConnectRefused => "the upstream's host refused the connection or could not be reached",
        ErrorCode::ConnectTimeout => "no connection to the upstream came about in time",
        ErrorCode::DnsNotFound => "the upstream's host name does not exist",
        ErrorCode::DnsFailure => "the upstream's host name could not be resolved",
        ErrorCode::TlsCertificate => "the upstream's certificate is not trusted for its host",
        ErrorCode::TlsHandshake => "the TLS handshake with the upstream failed",
        ErrorCode::AttemptTimeout => "the upstream did not answer within the attempt's time",
        ErrorCode::BodyTimeout => "the upstream's answer did not end within the attempt's time",
        ErrorCode::ConnectionReset => "the connection broke before the upstream's answer was whole",
        ErrorCode::MalformedResponse => "the upstream's answer is malformed",
        ErrorCode::ResponseTooLarge => "the upstream's answer is larger than this service reads",
        ErrorCode::DestinationBlocked => "this deployment does not call that destination",
        ErrorCode::DeadlineExceeded => "the call's deadline ended it",
        _ => "the request could not be made",
    }
}

fn guard_failure(error: &GuardError) -> Failure {
    match error {
        GuardError::Blocked(_) => blocked().failure,
        GuardError::NotFound => Failure::new(ErrorCode::DnsNotFound, sentence(ErrorCode::DnsNotFound)),
        GuardError::Failed(cause) => {
            Failure::new(ErrorCode::DnsFailure, sentence(ErrorCode::DnsFailure)).with_details(cause)
        }
    }
}

/// The connection did not come about.
fn broken_connect(error: &reqwest::Error, tls: bool) -> ErrorCode {
    if error.is_builder() {
        return ErrorCode::InternalError;
    }
    if find::<InvalidDnsNameError>(error).is_some() {
        // TLS wants to know the name before anybody resolves it.
        return ErrorCode::DnsNotFound;
    }
    if let Some(tls_error) = find::<rustls::Error>(error) {
        return tls_code(tls_error);
    }
    if error.is_timeout() {
        return ErrorCode::ConnectTimeout;
    }
    match io_kind(error) {
        Some(io::ErrorKind::TimedOut) => ErrorCode::ConnectTimeout,
        Some(
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe,
        ) if tls => ErrorCode::TlsHandshake,
        Some(_) => ErrorCode::ConnectRefused,
        // A pooled connection closed before the request got its turn.
        None => ErrorCode::ConnectionReset,
    }
}

/// The request was on its way, or the answer was.
fn broken_exchange(error: &reqwest::Error) -> ErrorCode {
    if let Some(rustls::Error::AlertReceived(_)) = find::<rustls::Error>(error) {
        // Under TLS 1.3 a server refuses a missing client certificate only after the client's handshake is done.
        return ErrorCode::TlsHandshake;
    }
    if let Some(h2_error) = find::<h2::Error>(error) {
        return http2_code(h2_error);
    }
    if let Some(hyper_error) = find::<hyper::Error>(error) {
        if hyper_error.is_parse_too_large() {
            return ErrorCode::ResponseTooLarge;
        }
        if hyper_error.is_parse() {
            return ErrorCode::MalformedResponse;
        }
    }
    match io_kind(error) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => ErrorCode::MalformedResponse,
        _ => ErrorCode::ConnectionReset,
    }
}

const fn tls_code(error: &rustls::Error) -> ErrorCode {
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType
        | rustls::Error::InvalidCertRevocationList(_) => ErrorCode::TlsCertificate,
        _ => ErrorCode::TlsHandshake,
    }
}

fn http2_code(error: &h2::Error) -> ErrorCode {
    // A violation of the protocol is noticed on this side; a reset or GOAWAY of the peer is its own decision.
    if error.is_io() || error.is_remote() { ErrorCode::ConnectionReset } else { ErrorCode::MalformedResponse }
}

/// Whether the upstream says itself that it did not process the request (RFC 9113 §8.7).
fn is_unprocessed(error: &reqwest::Error) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        error.is_remote()
            && ((error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
                || (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)))
    })
}

fn explained(code: ErrorCode, error: &reqwest::Error) -> Failure {
    Failure::new(code, sentence(code)).with_details(chain(error))
}

/// Whether it was TLS that failed.
pub(crate) fn is_tls(error: &reqwest::Error) -> bool {
    find::<rustls::Error>(error).is_some()
}

/// The causes from the outside in, each said once.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ").chars().take(MAX_DETAILS).collect()
}

/// The first cause of type `E`, from the outside in.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).into_iter().find_map(|cause| cause.downcast_ref())
}

/// What the operating system, or the protocol under HTTP, said: the innermost of the `io::Error`s, which like to be
/// wrapped in each other.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    causes(error).into_iter().rev().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// The whole chain. An `io::Error` hides what it wraps from `source`, which goes straight to the cause behind.
fn causes(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes: Vec<&(dyn Error + 'static)> = vec![error];
    let mut last: &(dyn Error + 'static) = error;
    loop {
        let wrapped = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next = match wrapped {
            Some(wrapped) => wrapped as &(dyn Error + 'static),
            None => match last.source() {
                Some(source) => source,
                None => return causes,
            },
        };
        causes.push(next);
        last = next;
    }
}
