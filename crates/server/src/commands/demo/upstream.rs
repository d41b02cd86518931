//! The demo's upstream: the systems that the connectors call, on a loopback port that the operating system picks.

mod credential;
mod trouble;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use self::credential::Credential;
use self::trouble::Visits;
use super::{contractors, erp, hr, utility};

/// Where the upstream is.
pub(super) struct Upstream {
    /// Where its systems answer.
    pub(super) base_url: String,
    /// Where nobody does.
    pub(super) dead_url: String,
}

impl Upstream {
    /// Starts to answer; goes on until `shutdown`.
    pub(super) async fn start(shutdown: CancellationToken) -> io::Result<Self> {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any_port).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        // Bound, never listening: connections are refused, and nobody else gets the port meanwhile.
        let dead = TcpSocket::new_v4()?;
        dead.bind(any_port)?;
        let dead_url = format!("http://{}", dead.local_addr()?);
        let serving = axum::serve(listener, router()).with_graceful_shutdown(shutdown.cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the demo upstream ended");
            }
            drop(dead);
        });
        Ok(Self { base_url, dead_url })
    }
}

fn router() -> Router {
    Router::new()
        .nest("/hr", hr_system())
        .nest("/erp", erp_system())
        .nest("/power", power_supplier())
        .route("/travel/trips", answering(contractors::trips()))
        .route("/water/usage", get(trouble::in_maintenance))
}

fn hr_system() -> Router {
    let flaky = from_fn_with_state(Visits::default(), trouble::flaky);
    Router::new()
        .route("/headcount", answering(hr::headcount()))
        .route("/training", answering(hr::training()).layer(flaky))
        .layer(from_fn_with_state(Credential::header("x-api-key", &hr::KEY), credential::check))
}

fn erp_system() -> Router {
    Router::new()
        .route("/purchases", answering(erp::purchases(2026)))
        .route("/purchases/2025", answering(erp::purchases(2025)).layer(from_fn(trouble::slow)))
        .route("/accruals", post(async |_: Json<Value>| (StatusCode::CREATED, Json(erp::receipt()))))
        .layer(from_fn_with_state(Credential::basic(&erp::USER), credential::check))
}

fn power_supplier() -> Router {
    let limited = from_fn_with_state(Visits::default(), trouble::rate_limited);
    Router::new()
        .route("/readings", answering(utility::readings()))
        .route("/readings/today", answering(utility::today()).layer(limited))
        .layer(from_fn_with_state(Credential::bearer(&utility::TOKEN), credential::check))
}

/// A route that always answers `body`.
fn answering(body: Value) -> MethodRouter {
    get(async move || Json(body))
}
