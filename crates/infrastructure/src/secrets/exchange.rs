//! One request and its whole answer, for the SDKs of clouds, which bring no HTTP client of their own, and for the identity
//! provider.

use bytes::{Bytes, BytesMut};
use reqwest::Client;

use super::value::MAX_BYTES;
use crate::http::{cause_of, is_tls};

/// The longest answer that is read: the largest secret with every character escaped, and what stands around it.
const MAX_ANSWER: usize = 8 * MAX_BYTES;

/// Why there is no answer. It stands at the bottom of the SDK's error.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failed {
    #[error("no answer in time")]
    Slow,
    #[error("TLS failed: {cause}")]
    Untrusted { cause: String },
    #[error("no connection: {cause}")]
    Down { cause: String },
    #[error("the answer is longer than 512 KiB")]
    TooLong,
}

#[cfg(any(feature = "aws", feature = "azure"))]
impl Failed {
    /// Finds it below an SDK's error.
    pub(super) fn below<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        find(error)
    }
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        match error {
            error if error.is_timeout() => Self::Slow,
            error if is_tls(&error) => Self::Untrusted { cause: cause_of(&error) },
            error => Self::Down { cause: cause_of(&error) },
        }
    }
}

/// Sends the request as it is and reads the answer to its end.
pub(crate) async fn send(client: &Client, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Failed> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(Failed::TooLong);
        }
    }
    let mut whole = http::Response::new(body.freeze());
    *whole.status_mut() = answer.status();
    *whole.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(whole)
}

/// The first error of that type, from the top to the bottom.
#[cfg(any(feature = "aws", feature = "azure"))]
pub(super) fn find<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// What an error says, and what those below it say.
#[cfg(any(feature = "aws", feature = "azure"))]
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in std::iter::successors(Some(error), |error| error.source()) {
        let text = error.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
