//! A client of the service inside its own process: requests go through the same router that is being served, with all
//! its layers, and come back as any client would see them.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::failure::Failure;

/// Where the audit sees the demo come from.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The client.
pub(super) struct Client {
    service: Router,
}

impl Client {
    pub(super) fn of(service: Router) -> Self {
        Self { service }
    }

    /// `GET`; answers the body.
    pub(super) async fn get(&self, target: &str, correlation_id: &str) -> Result<Value, Failure> {
        self.send(request(Method::GET, target, correlation_id), None).await
    }

    /// `POST` of `body`; answers the body that came back.
    pub(super) async fn post(&self, target: &str, correlation_id: &str, body: &Value) -> Result<Value, Failure> {
        self.send(request(Method::POST, target, correlation_id), Some(body)).await
    }

    /// `PUT` of what was read before, and edited.
    pub(super) async fn put(&self, target: &str, correlation_id: &str, edited: &Value) -> Result<Value, Failure> {
        let if_match = format!("\"{}\"", edited["version"]);
        self.send(request(Method::PUT, target, correlation_id).header(header::IF_MATCH, if_match), Some(edited)).await
    }

    async fn send(&self, request: Builder, body: Option<&Value>) -> Result<Value, Failure> {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).map_err(|error| Failure::caused("a request of the demo", &error))?;
        let asked = format!("{} {}", request.method(), request.uri());
        let answer = match self.service.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        let unreadable = |error: &(dyn Error + 'static)| Failure::caused(format_args!("the answer to {asked}"), error);
        let body = answer.into_body().collect().await.map_err(|error| unreadable(&error))?.to_bytes();
        let body: Value = serde_json::from_slice(&body).map_err(|error| unreadable(&error))?;
        if status.is_success() { Ok(body) } else { Err(refusal(&asked, status, &body)) }
    }
}

fn request(method: Method, target: &str, correlation_id: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "localhost")
        .header("X-Correlation-ID", correlation_id)
        .header(header::CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(PEER))
}

/// The problem that the service answered, in one line.
fn refusal(asked: &str, status: StatusCode, problem: &Value) -> Failure {
    let mut text = format!("{asked} was answered {status}");
    if let Some(detail) = problem["detail"].as_str() {
        text = format!("{text}: {detail}");
    }
    for error in problem["errors"].as_array().into_iter().flatten() {
        if let (Some(pointer), Some(detail)) = (error["pointer"].as_str(), error["detail"].as_str()) {
            text = format!("{text}; {pointer} {detail}");
        }
    }
    Failure::Failed(text)
}
