//! One connection to a side, and one request after the other on it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Failure;

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The path that is posted to.
    pub(crate) path: String,
    /// An API key of the service.
    pub(crate) key: Option<String>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: Target) -> Result<Self, Failure> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // How it ended is told by the request that was on it.
        tokio::spawn(connection);
        Ok(Self { target, sender })
    }

    /// Posts `body`, which is JSON.
    ///
    /// # Errors
    /// No answer, or one that is not 200 or 201.
    pub(crate) async fn post(&mut self, body: Bytes) -> Result<Bytes, Failure> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.target.path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.target.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if matches!(status.as_u16(), 200 | 201) {
            Ok(body)
        } else {
            Err(format!("{} answered {status}: {}", self.target.path, String::from_utf8_lossy(&body)).into())
        }
    }
}
