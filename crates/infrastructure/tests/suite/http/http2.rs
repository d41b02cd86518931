//! HTTP/2: what the upstream says it did not process was never sent; everything else may have been.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use infrastructure::http::{NameServers, ReqwestExecutor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificates::Authority;
use super::support::{call, code, executor_with, opening, run};

/// What a stream meets.
#[derive(Clone, Copy)]
enum Act {
    Answer,
    Reset(Reason),
    Goaway(Reason),
    ResetWithinBody,
    LongHeaders(usize),
    Hang,
}

struct Server {
    url: String,
    streams: Arc<AtomicUsize>,
    executor: ReqwestExecutor,
}

impl Server {
    /// The first stream meets `first`, later ones an answer.
    async fn start(first: Act) -> Self {
        Self::start_narrow(first, 100).await
    }

    /// The same, with a limit to the streams at once.
    async fn start_narrow(first: Act, limit: u32) -> Self {
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}/v1", listener.local_addr().expect("an address"));
        let streams = Arc::new(AtomicUsize::new(0));
        tokio::spawn(accept(listener, authority.http2_server(&["127.0.0.1"]), first, limit, Arc::clone(&streams)));
        let executor = executor_with(opening(&["127.0.0.1"]), NameServers::At(Vec::new()), &authority);
        Self { url, streams, executor }
    }

    fn streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }

    async fn until_busy(&self) {
        while self.streams() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, first: Act, limit: u32, streams: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        let streams = Arc::clone(&streams);
        tokio::spawn(async move {
            let stream = acceptor.accept(stream).await.expect("a client that trusts");
            let connection = h2::server::Builder::new().max_concurrent_streams(limit).handshake(stream);
            serve(connection.await.expect("HTTP/2"), first, &streams).await;
        });
    }
}

async fn serve(mut connection: Connection<TlsStream<TcpStream>, Bytes>, first: Act, streams: &AtomicUsize) {
    // Dropping a request's handles would reset its stream.
    let mut kept: Vec<(http::Request<RecvStream>, SendResponse<Bytes>)> = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let number = streams.fetch_add(1, Ordering::SeqCst);
        match if number == 0 { first } else { Act::Answer } {
            Act::Answer => send(&mut respond, 0),
            Act::LongHeaders(length) => send(&mut respond, length),
            Act::Reset(reason) => respond.send_reset(reason),
            Act::Goaway(reason) => connection.abrupt_shutdown(reason),
            Act::ResetWithinBody => {
                let mut body = respond.send_response(http::Response::new(()), false).expect("a stream");
                body.send_data(Bytes::from_static(b"half"), false).expect("a stream");
                body.send_reset(Reason::INTERNAL_ERROR);
            }
            Act::Hang => {}
        }
        kept.push((request, respond));
    }
}

fn send(respond: &mut SendResponse<Bytes>, header_length: usize) {
    let mut response = http::Response::new(());
    if header_length > 0 {
        let value = "a".repeat(header_length).parse().expect("a value");
        response.headers_mut().insert("x-long", value);
    }
    let mut body = respond.send_response(response, false).expect("a stream");
    body.send_data(Bytes::from_static(b"{}"), true).expect("a stream");
}

#[tokio::test]
async fn answers_come_over_http2() {
    let server = Server::start(Act::Answer).await;
    let (report, _) = run(&server.executor, &call(HttpMethod::Post, &server.url)).await;
    assert_eq!((report.failure, server.streams()), (None, 1));
    assert_eq!(report.response.expect("an answer").body, b"{}");
}

#[tokio::test]
async fn rt_5_a_refused_stream_was_not_processed_so_a_post_is_repeated() {
    let server = Server::start(Act::Reset(Reason::REFUSED_STREAM)).await;
    let (report, gate) = run(&server.executor, &call(HttpMethod::Post, &server.url)).await;
    assert_eq!((report.failure, report.attempts), (None, 2));
    assert_eq!(gate.codes()[0], Some(ErrorCode::ConnectionReset));
    assert_eq!(server.streams(), 2, "RT-9: the client itself repeats nothing");
}

/// A GOAWAY that names no stream at all processed none. Written by hand, since `h2` only names what it has seen.
#[tokio::test]
async fn rt_5_a_stream_that_goaway_leaves_out_was_not_processed_so_a_post_is_repeated() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/v1", listener.local_addr().expect("an address"));
    let acceptor = authority.http2_server(&["127.0.0.1"]);
    tokio::spawn(async move {
        for answers in [false, true] {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut stream = acceptor.accept(stream).await.expect("a client that trusts");
            let id = until_headers(&mut stream).await;
            let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            // One header, `:status: 200`, and with it the end of the stream.
            let answer = [0, 0, 1, 1, 5, id[0], id[1], id[2], id[3], 0x88];
            let reply: &[u8] = if answers { &answer } else { &goaway };
            stream.write_all(&[&settings, reply].concat()).await.expect("a client that listens");
            stream.flush().await.expect("a client that listens");
            tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
        }
    });
    let executor = executor_with(opening(&["127.0.0.1"]), NameServers::At(Vec::new()), &authority);
    let (report, gate) = run(&executor, &call(HttpMethod::Post, &url)).await;
    assert_eq!((report.failure, report.attempts), (None, 2));
    assert_eq!(gate.codes()[0], Some(ErrorCode::ConnectionReset));
}

/// Reads the preface and frames up to the first HEADERS, and tells its stream.
async fn until_headers(stream: &mut TlsStream<TcpStream>) -> [u8; 4] {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.expect("a preface");
    loop {
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await.expect("a frame");
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.expect("a payload");
        if frame[3] == 1 {
            return [frame[5], frame[6], frame[7], frame[8]];
        }
    }
}

#[tokio::test]
async fn rt_3_other_resets_are_transient_and_may_have_been_processed() {
    for act in [
        Act::Reset(Reason::INTERNAL_ERROR),
        Act::Goaway(Reason::INTERNAL_ERROR),
        Act::Goaway(Reason::NO_ERROR), // it names the stream as its last one, which it may have processed
        Act::ResetWithinBody,
    ] {
        let server = Server::start(act).await;
        let (report, _) = run(&server.executor, &call(HttpMethod::Post, &server.url)).await;
        assert_eq!((code(&report), report.attempts), (Some(ErrorCode::ConnectionReset), 1), "{:?}", report.failure);
        assert_eq!(server.streams(), 1);
        let server = Server::start(act).await;
        let (report, _) = run(&server.executor, &call(HttpMethod::Get, &server.url)).await;
        assert_eq!((report.failure, report.attempts, server.streams()), (None, 2, 2));
    }
}

#[tokio::test]
async fn rt_5_a_post_that_hangs_over_http2_is_not_repeated() {
    for body in [None, Some(b"{}".to_vec())] {
        let server = Server::start(Act::Hang).await;
        let mut plan = call(HttpMethod::Post, &server.url);
        plan.body = body;
        plan.attempt_timeout = Duration::from_millis(300);
        let (report, _) = run(&server.executor, &plan).await;
        assert_eq!((code(&report), report.attempts, server.streams()), (Some(ErrorCode::AttemptTimeout), 1, 1));
    }
}

/// The first stream hangs, the second request waits for its end in the connection's hands, the third in its queue. The
/// connection lets go of the third when it next looks at its queue, which may be long after the attempt: until then
/// nothing is proven.
#[tokio::test]
async fn rt_5_a_post_that_is_left_in_the_queue_of_a_connection_is_not_repeated() {
    let server = Server::start_narrow(Act::Hang, 1).await;
    let ahead = call(HttpMethod::Post, &server.url);
    let first = run(&server.executor, &ahead);
    let second = async {
        server.until_busy().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        run(&server.executor, &ahead).await
    };
    let third = async {
        server.until_busy().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut plan = call(HttpMethod::Post, &server.url);
        plan.attempt_timeout = Duration::from_millis(200);
        run(&server.executor, &plan).await
    };
    let (report, _) = tokio::select! {
        _ = first => panic!("it hangs"),
        _ = second => panic!("it waits for the first"),
        told = third => told,
    };
    assert_eq!((code(&report), report.attempts, server.streams()), (Some(ErrorCode::AttemptTimeout), 1, 1));
}

#[tokio::test]
async fn out_headers_over_64_kib_are_refused_over_http2_too() {
    let server = Server::start(Act::LongHeaders(65 * 1024)).await;
    let (report, _) = run(&server.executor, &call(HttpMethod::Get, &server.url)).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::ResponseTooLarge), 1), "{:?}", report.failure);
}
