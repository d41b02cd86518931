//! What a failed step says: what happened, the upstream's or the system's own explanation, and what to look at.

use domain::failure::{ErrorCode, Failure};

/// The whole sentence. `failure` is redacted already.
pub(super) fn of(failure: &Failure, http_status: Option<u16>) -> String {
    let mut text = failure.message.clone();
    if let Some(details) = &failure.details {
        text.push_str(": ");
        text.push_str(details);
    }
    if let Some(advice) = advice(failure.code, http_status) {
        text.push_str(". Look at ");
        text.push_str(advice);
    }
    text
}

const fn advice(code: ErrorCode, http_status: Option<u16>) -> Option<&'static str> {
    Some(match code {
        ErrorCode::ConnectRefused => {
            "the port of `endpointBaseUrl`, and whether the upstream runs and lets this host in"
        }
        ErrorCode::ConnectTimeout => "the port of `endpointBaseUrl`, and firewalls and routes in between",
        ErrorCode::DnsNotFound => "the spelling of the host in `endpointBaseUrl`, and the name servers of this host",
        ErrorCode::DnsFailure => "the name servers of this host",
        ErrorCode::TlsCertificate => {
            "the upstream's certificate and the host in `endpointBaseUrl`; the authority of a private one goes into \
             `extra_ca_file`"
        }
        ErrorCode::TlsHandshake => "whether the port speaks TLS 1.2 or 1.3, and whether it wants a client certificate",
        ErrorCode::AttemptTimeout | ErrorCode::BodyTimeout | ErrorCode::DeadlineExceeded => {
            "the load of the upstream, and `attemptTimeoutSeconds`; a test lasts no longer than 10 s"
        }
        ErrorCode::ConnectionReset => "the upstream's log, and proxies in between",
        ErrorCode::MalformedResponse => "whether `endpointBaseUrl` is that of the API",
        ErrorCode::RedirectNotFollowed => "`endpointBaseUrl`: it has to be where the upstream redirects to",
        ErrorCode::DestinationBlocked => {
            "`endpointBaseUrl` and `tokenUrl`; the operator of this deployment can open destinations with \
             `allowed_destinations`"
        }
        ErrorCode::SecretNotFound => "`authenticationSecretRef`, and what its store has under that name",
        ErrorCode::SecretUnavailable => "the secret store, and this deployment's access to it",
        ErrorCode::OauthTokenFailed => {
            "`authenticationSettings`, and the client and its secret at the authorization server"
        }
        ErrorCode::RateLimited => "`rateLimitPerMinute`, or wait for the end of the pause",
        ErrorCode::HttpStatus => match http_status {
            Some(401 | 403) => "the value of the secret, `authenticationType` and `authenticationSettings`",
            Some(404 | 405 | 410) => "the path of `endpointBaseUrl`: a GET is sent to it as it is",
            Some(429) => "`rateLimitPerMinute`: the upstream allows less",
            Some(500..) => "the upstream: it was reached, and fails by itself",
            _ => "what the upstream says about the request",
        },
        _ => return None,
    })
}
