//! Why there is no token, in words for the person who reads the log of the call.

use std::time::Duration;

use ::oauth2::basic::{BasicErrorResponse, BasicErrorResponseType};
use application::ports::TokenRefused;
use domain::failure::{ErrorCode, Failure, is_transient_status};
use http::StatusCode;

/// The most characters of the server's own explanation that are kept.
const MAX_DETAILS: usize = 500;

/// The server did not answer whole: `failure` says why.
pub(super) fn not_answered(failure: Failure) -> TokenRefused {
    let message = match failure.code {
        ErrorCode::DestinationBlocked => "this deployment does not call the destination of `tokenUrl`".to_owned(),
        ErrorCode::AttemptTimeout | ErrorCode::BodyTimeout | ErrorCode::ConnectTimeout => {
            "the authorization server did not answer in time".to_owned()
        }
        ErrorCode::ResponseTooLarge => "the authorization server's answer is larger than 64 KiB".to_owned(),
        code => format!("the authorization server could not be asked for a token ({})", code.as_str()),
    };
    // SE-D-5: of a blocked destination nothing else is said.
    refused(message, failure.details, failure.retryable)
}

/// The caller's time ran out before the server's.
pub(super) fn deadline() -> TokenRefused {
    refused("the authorization server did not answer until the call's deadline", None, true)
}

/// The fetch ended without a word: this service failed.
pub(super) fn lost() -> TokenRefused {
    refused("the token request was lost; the log of this service has the details", None, true)
}

/// The server explained itself as RFC 6749 §5.2 asks for.
pub(super) fn explained(status: StatusCode, error: &BasicErrorResponse) -> TokenRefused {
    let kind = error.error();
    let passing = matches!(kind.as_ref(), "temporarily_unavailable" | "server_error" | "slow_down");
    let details = error.error_description().map(|description| cut(description));
    let message = format!("the authorization server refused with `{}`", cut(kind.as_ref()));
    TokenRefused {
        invalid_client: *kind == BasicErrorResponseType::InvalidClient || status == StatusCode::UNAUTHORIZED,
        ..refused(message, details, passing || is_transient_status(status.as_u16()))
    }
}

/// The server answered with a status that is no success, and with a body of its own.
pub(super) fn unexplained(status: StatusCode, body: &[u8]) -> TokenRefused {
    let message = if status.is_redirection() {
        format!("the authorization server answered with the redirect {}; it is not followed", status.as_u16())
    } else {
        format!("the authorization server answered {}", status.as_u16())
    };
    let text = String::from_utf8_lossy(body);
    let details = (!text.trim().is_empty()).then(|| cut(text.trim()));
    TokenRefused {
        invalid_client: status == StatusCode::UNAUTHORIZED,
        ..refused(message, details, is_transient_status(status.as_u16()))
    }
}

/// The server says success and gives no token that can be used. Its answer is not repeated: it may hold one.
pub(super) fn no_token(why: &str) -> TokenRefused {
    refused(
        format!("the authorization server's answer holds no access token that can be used, since {why}"),
        None,
        false,
    )
}

/// The same, with how long the server asked to wait.
pub(super) fn after(refused: TokenRefused, retry_after: Option<Duration>) -> TokenRefused {
    TokenRefused { failure: Failure { retry_after, ..refused.failure }, ..refused }
}

fn refused(message: impl Into<String>, details: Option<String>, retryable: bool) -> TokenRefused {
    let failure = Failure { details, retryable, ..Failure::new(ErrorCode::OauthTokenFailed, message) };
    TokenRefused { failure, invalid_client: false }
}

/// In one line: control characters would be kept, answered, and shown in terminals (RFC 6749 §5.2 allows none).
fn cut(text: &str) -> String {
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().take(MAX_DETAILS).map(visible).collect()
}
