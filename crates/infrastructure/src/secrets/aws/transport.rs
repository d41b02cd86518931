//! Our HTTP client under AWS's SDK, whose own would bring a second TLS set-up.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use reqwest::Client;

use crate::http::{ClientError, TrustedRoots};
use crate::secrets::client;
use crate::secrets::exchange::{self, Failed};

/// The client that the SDK is given. It keeps its own times, which are shorter than those that the SDK would set.
#[derive(Debug, Clone)]
pub(super) struct Transport(Client);

impl Transport {
    pub(super) fn new(roots: &TrustedRoots) -> Result<Self, ClientError> {
        client::build(roots).map(Self)
    }

    async fn send(client: Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (head, body) = request.into_parts();
        let Some(body) = body.bytes().map(Bytes::copy_from_slice) else {
            return Err(ConnectorError::user("a request whose body is a stream".into()));
        };
        let sent = exchange::send(&client, http::Request::from_parts(head, body)).await;
        let answer = sent.map_err(|failed| match failed {
            Failed::Slow => ConnectorError::timeout(failed.into()),
            Failed::Down { .. } => ConnectorError::io(failed.into()),
            Failed::Untrusted { .. } | Failed::TooLong => ConnectorError::other(failed.into(), None),
        })?;
        HttpResponse::try_from(answer.map(Into::into)).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(Self::send(self.0.clone(), request))
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
