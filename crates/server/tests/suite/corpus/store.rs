//! The way from an isolated network to the database server of the tests, which is outside of it: a socket in the file
//! system, which both sides can reach.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where the socket is, for the process inside.
pub(super) const SOCKET: &str = "CORPUS_STORE_SOCKET";

/// Outside: a socket that leads to the server, for as long as this process lives.
pub(super) struct Outside {
    home: TempDir,
}

impl Outside {
    pub(super) fn open() -> Self {
        let home = TempDir::new().expect("a directory");
        let path = socket(home.path());
        let (sender, ready) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = UnixListener::bind(path).expect("a socket");
                sender.send(()).expect("somebody waits");
                while let Ok((mut inside, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        if let Ok(mut server) = TcpStream::connect(server()).await {
                            copy_bidirectional(&mut inside, &mut server).await.ok();
                        }
                    });
                }
            });
        });
        ready.recv().expect("a socket");
        Self { home }
    }

    /// The path of the socket.
    pub(super) fn socket(&self) -> PathBuf {
        socket(self.home.path())
    }
}

fn socket(home: &Path) -> PathBuf {
    home.join("store")
}

/// Inside: the address of the server leads to the socket. Ends with the test's runtime.
pub(super) async fn lead_inside() {
    let socket = variable(SOCKET);
    let listener = TcpListener::bind(server()).await.expect("an isolated network");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut outside = UnixStream::connect(socket).await.expect("the socket");
                copy_bidirectional(&mut client, &mut outside).await.ok();
            });
        }
    });
}

/// The address in the URL of the server.
fn server() -> SocketAddr {
    let url = url::Url::parse(&variable("TEST_POSTGRES_URL")).expect("a URL");
    *url.socket_addrs(|| Some(5432)).expect("an address").first().expect("an address")
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `bash .ci/test`"))
}
