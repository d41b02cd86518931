//! The listening side: accepting connections, HTTP/1, and ending gracefully.

use std::convert::Infallible;
use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::failure::Failure;

/// How long a connection may take to send the head of a request (IN). An idle connection ends after this time, too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The most headers of a request, and the most bytes of its head (IN: 16 KiB of headers and 8 KiB of URL).
const MAX_HEADERS: usize = 100;
const MAX_HEAD_BYTES: usize = 24 * 1024;

/// The pause after a connection could not be accepted, since the next one will fail as well: no descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How many connections may wait to be accepted; the kernel allows no more than its `net.core.somaxconn`. One that finds
/// the queue full is not refused: its client takes it for open, and waits ever longer to be heard.
const BACKLOG: u32 = 65_535;

/// A bound port.
pub(crate) struct Door {
    listener: TcpListener,
    /// The address with its real port.
    pub address: SocketAddr,
}

impl Door {
    /// Binds the address.
    pub(crate) fn open(address: SocketAddr) -> Result<Self, Failure> {
        let refused = |error: std::io::Error| match error.kind() {
            ErrorKind::AddrInUse => Failure::Failed(format!(
                "another program listens on {address} already; stop it, or choose another address with \
                 `--listen IP:PORT` or `listen` in the configuration (port 0 lets the system pick one)"
            )),
            ErrorKind::PermissionDenied => Failure::Failed(format!(
                "this user may not listen on {address}; choose a port above 1023 with `--listen IP:PORT`"
            )),
            ErrorKind::AddrNotAvailable => Failure::Failed(format!(
                "{} is no address of this machine; choose another with `--listen IP:PORT`",
                address.ip()
            )),
            _ => Failure::caused(format_args!("cannot listen on {address}"), &error),
        };
        let listener = listen(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Serves until `stop`, then accepts no more and waits for the requests under way. From `leaving` on every answer is
    /// the last of its connection, so that clients move to other replicas between two requests and not amid one.
    pub(crate) async fn serve(self, router: Router, leaving: CancellationToken, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let serve = |(stream, peer)| {
            tokio::spawn(serve_connection(stream, peer, router.clone(), leaving.clone(), graceful.watcher()));
        };
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => serve(accepted),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        // To these the kernel has said that somebody listens.
        while let Ok(Ok(accepted)) = timeout(Duration::ZERO, self.listener.accept()).await {
            serve(accepted);
        }
        drop(self.listener);
        graceful.shutdown().await;
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    leaving: CancellationToken,
    watcher: Watcher,
) {
    // Small answers should not wait for more to send.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answering, leaving) = (router.clone().oneshot(request), leaving.clone());
        async move {
            let mut answer = answering.await?;
            if leaving.is_cancelled() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away or talks nonsense is its own affair; requests have their own log lines.
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}
