//! An upstream at every address of the isolated network, allowed and denied ones alike.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request, and the address at which it arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) at: IpAddr,
    pub(super) head: String,
}

/// Listens on one port, everywhere; stops with the test's runtime.
pub(super) struct Everywhere {
    pub(super) port: u16,
    arrivals: watch::Receiver<Vec<Arrival>>,
}

impl Everywhere {
    /// Answers what `answering` makes of a request, and closes the connection, so that the next call looks its name up
    /// again.
    pub(super) async fn start(answering: fn(&Arrival) -> String) -> Self {
        // Both families: an IPv4 client arrives at a mapped address.
        let listener = TcpListener::bind("[::]:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, arrivals) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone(), answering));
            }
        });
        Self { port, arrivals }
    }

    /// What arrived at addresses other than `allowed`.
    pub(super) fn elsewhere(&self, allowed: IpAddr) -> Vec<Arrival> {
        self.arrivals.borrow().iter().filter(|arrival| arrival.at != allowed).cloned().collect()
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.borrow().clone()
    }
}

async fn serve(mut stream: TcpStream, arrivals: watch::Sender<Vec<Arrival>>, answering: fn(&Arrival) -> String) {
    let at = stream.local_addr().expect("an address").ip().to_canonical();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // A TLS handshake is no request, and an arrival all the same.
        match stream.read_u8().await {
            Ok(byte) if head.len() < 16_384 => head.push(byte),
            _ => break,
        }
    }
    let arrival = Arrival { at, head: String::from_utf8_lossy(&head).into_owned() };
    let answer = answering(&arrival);
    arrivals.send_modify(|arrivals| arrivals.push(arrival));
    stream.write_all(answer.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

/// An answer with these header lines, each with its end.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}
