//! The listening side: accepting connections, HTTP/1, and ending gracefully.

mod connection;
mod last_word;
mod places;
mod turn;
mod wire;

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::House;
use self::places::{Places, connections_beside};
use crate::failure::Failure;

/// The pause after a connection could not be accepted, since the next one will fail as well: no descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How many connections may wait to be accepted; the kernel allows no more than its `net.core.somaxconn`. One that finds
/// the queue full is not refused: its client takes it for open, and waits ever longer to be heard.
const BACKLOG: u32 = 65_535;

/// How many bytes of an answer the kernel takes ahead of the client; it counts them twice, for what it keeps beside them.
/// It says that there is room again when a third is gone, so this is also how finely it shows whether a client takes
/// anything. Left to itself it would take megabytes, which a slow reader needs minutes for.
const SEND_BUFFER: u32 = 192 * 1024;

/// A bound port.
pub(crate) struct Door {
    listener: TcpListener,
    /// The address with its real port.
    pub address: SocketAddr,
    places: Arc<Places>,
}

impl Door {
    /// Binds the address, for callers beside so many calls at once.
    pub(crate) fn open(address: SocketAddr, calls: usize) -> Result<Self, Failure> {
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
        Self::of(listener, connections_beside(calls)).map_err(refused)
    }

    /// A port that is bound already, for so many connections.
    pub(crate) fn of(listener: TcpListener, connections: usize) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { listener, address, places: Places::new(connections) })
    }

    /// Serves until `stop`, then accepts no more and waits for the requests under way. From `leaving` on every answer is
    /// the last of its connection, so that clients move to other replicas between two requests and not amid one.
    pub(crate) async fn serve(self, router: Router, leaving: CancellationToken, stop: impl Future<Output = ()>) {
        let house = House { router, places: Arc::clone(&self.places), leaving, closing: CancellationToken::new() };
        let under_way = TaskTracker::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.receive(&house, &under_way) => {}
            }
        }
        // To these the kernel has said that somebody listens.
        while let Ok(Ok((stream, peer))) = timeout(Duration::ZERO, self.listener.accept()).await {
            under_way.spawn(connection::serve(stream, peer, house.clone()));
        }
        drop(self.listener);
        house.closing.cancel();
        under_way.close();
        under_way.wait().await;
    }

    async fn receive(&self, house: &House, under_way: &TaskTracker) {
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                house.places.clear();
                return tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        };
        let place = house.places.take().await;
        let house = house.clone();
        under_way.spawn(async move {
            connection::serve(stream, peer, house).await;
            drop(place);
        });
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Every accepted connection has it from here.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn in_a_client_that_reads_slowly_is_seen_to_read() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (ours, _) = listener.accept().await.expect("a connection");
        let full = async {
            loop {
                ours.writable().await.expect("a connection");
                ours.try_write(&[0; 16 * 1024]).ok();
            }
        };
        timeout(Duration::from_secs(1), full).await.expect_err("room without end");
        // What the client's own kernel has received is no progress yet.
        let mut received = vec![0; 16 * 1024];
        let mut taken = 0;
        while timeout(Duration::from_millis(20), ours.writable()).await.is_err() {
            taken += client.read(&mut received).await.expect("an answer");
            assert!(taken < 8 << 20, "{taken} bytes were taken and nothing shows it");
        }
        assert!(taken <= 1 << 20, "only {taken} bytes show that the client reads");
    }
}
