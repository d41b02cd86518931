//! `GET /metrics`, on a listener of its own: it needs no credentials, so it is not where callers come.

use std::future::pending;
use std::sync::Arc;

use application::audit::AuditService;
use application::execution::IntegrationExecutionService;
use application::lease::LeaseKeeper;
use application::ports::Ids;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use infrastructure::metrics::{Gauges, Metrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::MetricsListen;
use crate::failure::Failure;
use crate::serving::Door;

/// The text format of Prometheus.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many may ask at once.
const CONNECTIONS: usize = 64;

/// What is told, and where. Without a listener it is still counted, and told to nobody.
pub(crate) struct MetricsDoor {
    metrics: Metrics,
    listener: Option<TcpListener>,
}

impl MetricsDoor {
    /// Binds the address. That the default one is taken is no reason not to start, since another replica on the machine
    /// may have it; one that somebody chose has to be had.
    pub(crate) async fn open(listen: MetricsListen, metrics: Metrics) -> Result<Self, Failure> {
        let MetricsListen { address, chosen } = listen;
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => Some(listener),
            Err(error) if chosen => {
                return Err(Failure::caused(
                    format_args!(
                        "cannot serve metrics at {address}; choose another `metrics_listen`, such as `127.0.0.1:0`, or \
                         `off`"
                    ),
                    &error,
                ));
            }
            Err(error) => {
                tracing::warn!(%address, %error, "no metrics are served; set `metrics_listen`");
                None
            }
        };
        Ok(Self { metrics, listener })
    }

    /// Serves until `stop`.
    pub(crate) async fn serve(
        self,
        execution: Arc<IntegrationExecutionService>,
        leases: Arc<LeaseKeeper>,
        audit: Arc<AuditService>,
        ids: Arc<dyn Ids>,
        stop: CancellationToken,
    ) {
        let Self { metrics, listener } = self;
        let told = metrics.clone();
        let tell = move || async move {
            let gauges = Gauges {
                load: execution.load(),
                connectors: execution.watched(),
                lease_held: leases.is_held(),
                audit_head: audit.head().await,
            };
            ([(CONTENT_TYPE, MEDIA_TYPE)], told.render(&gauges))
        };
        let router = Router::new().route("/metrics", get(tell));
        let serving = async move {
            let Some(listener) = listener else { return };
            let door = match Door::of(listener, CONNECTIONS) {
                Ok(door) => door,
                Err(error) => return tracing::warn!(%error, "metrics are not served"),
            };
            let address = door.address;
            tracing::info!(%address, "metrics are at http://{address}/metrics");
            door.serve(api::beside(router, ids), CancellationToken::new(), pending()).await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            ((), ()) = async { tokio::join!(serving, metrics.keep()) } => {}
        }
    }
}
