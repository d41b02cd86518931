//! The way to a server, which can be cut and mended.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A port that leads to a server while the wire is whole. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Mute,
    Cut,
}

impl Wire {
    /// A whole wire to `server`, an address with a port.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (state, watched) = watch::channel(State::Whole);
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), watched.clone()));
            }
        });
        Self { address, state }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection, and refuses new ones.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// The server hears everything, and whatever it says is lost.
    pub(crate) fn mute(&self) {
        self.state.send_replace(State::Mute);
    }

    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn carry(client: TcpStream, server: String, mut state: watch::Receiver<State>) {
    if *state.borrow() == State::Cut {
        return;
    }
    let (mut asking, told) = client.into_split();
    let (saying, mut heard) = TcpStream::connect(server).await.expect("the server").into_split();
    let heeded = state.clone();
    tokio::select! {
        _ended = tokio::io::copy(&mut asking, &mut heard) => {}
        _ended = tell(saying, told, heeded) => {}
        _cut = state.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn tell(mut saying: OwnedReadHalf, mut told: OwnedWriteHalf, state: watch::Receiver<State>) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1_024];
    loop {
        let length = saying.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        if *state.borrow() == State::Whole {
            told.write_all(&bytes[..length]).await?;
        }
    }
}
