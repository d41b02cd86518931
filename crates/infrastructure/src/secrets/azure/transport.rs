//! Our HTTP client under Azure's SDK, whose own would bring a second TLS set-up.

use std::collections::HashMap;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use bytes::Bytes;
use reqwest::Client;
use serde_json::Value;

use crate::http::{ClientError, TrustedRoots};
use crate::secrets::client;
use crate::secrets::exchange::{self, Failed};

/// The client that the SDK is given.
#[derive(Debug)]
pub(super) struct Transport(Client);

impl Transport {
    pub(super) fn new(roots: &TrustedRoots) -> Result<Self, ClientError> {
        client::build(roots).map(Self)
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = exchange::send(&self.0, translate(request)?).await.map_err(|failed| {
            let kind = if matches!(failed, Failed::Down { .. }) { ErrorKind::Connection } else { ErrorKind::Io };
            Error::new(kind, failed)
        })?;
        let headers: HashMap<_, _> = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                let value = value.to_str().ok()?.to_owned();
                Some((HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value)))
            })
            .collect();
        let status = answer.status();
        let body = if status.is_client_error() { without_sentences(answer.into_body()) } else { answer.into_body() };
        Ok(AsyncRawResponse::from_bytes(status.as_u16().into(), Headers::from(headers), body))
    }
}

/// Of a refusal by Microsoft Entra only the codes. The SDK cannot read one whose sentence has an escaped character, and
/// then quotes the sentence, which is about what Entra was sent.
fn without_sentences(body: Bytes) -> Bytes {
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(mut members)) if members.contains_key("error_codes") => {
            members.retain(|name, _| name == "error_codes");
            Value::Object(members).to_string().into()
        }
        _ => body,
    }
}

fn translate(request: &Request) -> azure_core::Result<http::Request<Bytes>> {
    let mut translated = http::Request::builder().method(request.method().as_ref()).uri(request.url().as_str());
    for (name, value) in request.headers().iter() {
        translated = translated.header(name.as_str(), value.as_str());
    }
    let Body::Bytes(body) = request.body() else {
        return Err(Error::with_message(ErrorKind::Other, "a request whose body is a stream"));
    };
    translated.body(body.clone()).map_err(|error| Error::new(ErrorKind::Other, error))
}
