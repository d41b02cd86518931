//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use api::HeadFault;
use axum::Router;
use axum::extract::ConnectInfo;
use http::HeaderValue;
use http::header::CONNECTION;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::last_word;
use super::places::Places;
use super::turn::Turn;
use super::wire::Wire;

/// What all connections of a port have in common.
#[derive(Clone)]
pub(super) struct House {
    pub(super) router: Router,
    pub(super) places: Arc<Places>,
    /// From its cancellation on every answer is the last of its connection.
    pub(super) leaving: CancellationToken,
    /// From its cancellation on no further request is read.
    pub(super) closing: CancellationToken,
}

/// How serving a connection ended.
enum End {
    /// By itself, or by hyper.
    Hyper(hyper::Result<()>),
    /// The client took too long.
    Overdue,
    /// It made place for another one.
    GaveWay,
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, house: House) {
    // Small answers should not wait for more to send.
    stream.set_nodelay(true).ok();
    let turn = Turn::new(Arc::clone(&house.places));
    let service = service_fn(|mut request: Request<Incoming>| {
        let serving = turn.serve();
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answering, leaving) = (house.router.clone().oneshot(request), house.leaving.clone());
        async move {
            let mut answer = answering.await?;
            if leaving.is_cancelled() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            // The body goes when hyper has the last of it.
            Ok::<_, Infallible>(answer.map(|body| {
                body.map_frame(move |frame| {
                    let _goes_with_it = &serving;
                    frame
                })
            }))
        }
    });
    let mut connection = http1::Builder::new()
        .max_headers(api::MAX_HEADERS)
        .max_buf_size(last_word::MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Wire::new(stream, Arc::clone(&turn))), service);

    let mut timer = std::pin::pin!(sleep_until(Instant::now()));
    let mut last = false;
    let end = loop {
        tokio::select! {
            biased;
            ended = &mut connection => break End::Hyper(ended),
            () = house.closing.cancelled(), if !last => last = true,
            () = turn.give_way.cancelled(), if !last => {
                if turn.is_of_client() {
                    break End::GaveWay;
                }
                last = true;
            }
            () = turn.overdue(timer.as_mut()) => break End::Overdue,
        }
        Pin::new(&mut connection).graceful_shutdown();
    };

    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().into_stream();
    let fault = match &end {
        End::Hyper(Err(error)) => last_word::fault(error, &parts.read_buf),
        End::Overdue if !parts.read_buf.is_empty() => Some(HeadFault::TimedOut),
        _ => None,
    };
    if let End::Hyper(Err(error)) = &end {
        // A client that goes away is its own affair; requests have their own log lines.
        tracing::debug!(%error, %peer, "a connection ended early");
    }
    // Behind the half of an answer no other one begins.
    if let Some(fault) = fault.filter(|_| turn.is_of_client()) {
        last_word::answer(&mut stream, fault, peer, house.router).await;
    } else if !matches!(end, End::Hyper(Ok(()))) {
        return;
    }
    if !house.closing.is_cancelled() {
        last_word::part(stream).await;
    }
}
