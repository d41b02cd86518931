//! Requests on the bare socket, as data: each ends with a documented answer or with the end of the connection, never with
//! more answers than there are requests, and the next request on a fresh connection is answered (IN).

use test_support::Engine::Sqlite;

use crate::support::exchange::converse;
use crate::support::service::Service;

/// How a case ends.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// With exactly these answers, in this order.
    With(&'static [u16]),
    /// Without an answer.
    Silently,
    /// With an answer of this status, or without one.
    MaybeWith(u16),
}

use Ends::{MaybeWith, Silently, With};

/// A name, what is sent, and how that ends. `~` stands for what most requests have: a host, and that the connection is to be
/// closed. Nobody but the sender can know the word CANARY.
type Case = (&'static str, &'static [u8], Ends);

/// Where a body begins and ends.
const FRAMING: &[Case] = &[
    ("two lengths", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: 5\r\nContent-Length: 6\r\n\r\nCANARY", With(&[400])),
    ("one length twice", b"GET /livez HTTP/1.1\r\n~Content-Length: 0\r\nContent-Length: 0\r\n\r\n", With(&[200])),
    ("a list of lengths", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: 6, 6\r\n\r\nCANARY", With(&[400])),
    ("a length with a plus", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: +6\r\n\r\nCANARY", With(&[400])),
    ("a negative length", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: -1\r\n\r\nCANARY", With(&[400])),
    ("a length with a space", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: 1 6\r\n\r\nCANARY", With(&[400])),
    ("a length in hex", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: 0x6\r\n\r\nCANARY", With(&[400])),
    ("a fractional length", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: 6.0\r\n\r\nCANARY", With(&[400])),
    ("no length in its header", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length:\r\n\r\nCANARY", With(&[400])),
    ("a length beyond 64 bits", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: 18446744073709551616\r\n\r\nCANARY", With(&[400])),
    ("the greatest length", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Length: 18446744073709551615\r\n\r\nCANARY", With(&[413])),
    ("a great length", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nContent-Length: 9223372036854775807\r\n\r\nCANARY", With(&[413])),
    ("a length and chunks", b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /CANARY HTTP/1.1\r\n~\r\n", With(&[405])),
    ("chunks and a length", b"POST /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /CANARY HTTP/1.1\r\n~\r\n", With(&[405])),
    ("chunked twice", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", With(&[400])),
    ("chunked in a list twice", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", With(&[400])),
    ("chunked and then something", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", With(&[400])),
    ("something and then chunked", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", With(&[400])),
    ("an unknown coding", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", With(&[400])),
    ("no coding in its header", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding:\r\n\r\n0\r\n\r\n", With(&[400])),
    ("a coding in quotes", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", With(&[400])),
    ("a coding with a vertical tab", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", With(&[400])),
    ("a coding in capitals", b"POST /livez HTTP/1.1\r\n~Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", With(&[405])),
    ("chunks in HTTP/1.0", b"POST /livez HTTP/1.0\r\n~Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", With(&[400])),
    ("a chunk with an extension", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"CANARY\"\r\n{}\r\n0\r\n\r\n", With(&[422])),
    ("a chunk size that is none", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nCANARY\r\n{}\r\n0\r\n\r\n", With(&[400])),
    ("a chunk size with a sign", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", With(&[400])),
    ("a chunk size with 0x", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", With(&[400])),
    ("a chunk size beyond 64 bits", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", With(&[400])),
    ("a chunk that is longer than its size", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}CANARY\r\n0\r\n\r\n", With(&[400])),
    ("a trailer", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: CANARY\r\n\r\n", With(&[422])),
    ("a trailer that would be a length", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n", With(&[422])),
    ("more than the length says", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}CANARY", With(&[422])),
    ("less than the length says", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{}", MaybeWith(400)),
    ("chunks without an end", b"POST /api/v1/connectors HTTP/1.1\r\n~Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", MaybeWith(400)),
    ("a body that nobody asked for", b"GET /livez HTTP/1.1\r\n~Content-Length: 6\r\n\r\nCANARY", With(&[200])),
    ("a request as a body", b"GET /livez HTTP/1.1\r\n~Content-Length: 36\r\n\r\nGET /CANARY HTTP/1.1\r\nHost: localhost\r\n\r\n", With(&[200])),
];

/// Lines, and what separates them.
const LINES: &[Case] = &[
    ("lines that end in LF", b"GET /livez HTTP/1.1\nHost: localhost\nConnection: close\n\n", With(&[200])),
    ("empty lines before", b"\r\n\r\nGET /livez HTTP/1.1\r\n~\r\n", With(&[200])),
    ("CR alone", b"GET /livez HTTP/1.1\rHost: CANARY\r\r", With(&[400])),
    ("a folded header", b"GET /livez HTTP/1.1\r\n~X-A: CAN\r\n ARY\r\n\r\n", With(&[400])),
    ("a space before the first header", b"GET /livez HTTP/1.1\r\n X-A: CANARY\r\n~\r\n", With(&[400])),
    ("a space before the colon", b"GET /livez HTTP/1.1\r\n~X-A : CANARY\r\n\r\n", With(&[400])),
    ("a header without a colon", b"GET /livez HTTP/1.1\r\n~CANARY\r\n\r\n", With(&[400])),
    ("a header without a name", b"GET /livez HTTP/1.1\r\n~: CANARY\r\n\r\n", With(&[400])),
    ("NUL in a value", b"GET /livez HTTP/1.1\r\n~X-A: CAN\0ARY\r\n\r\n", With(&[400])),
    ("CR in a value", b"GET /livez HTTP/1.1\r\n~X-A: CAN\rARY\r\n\r\n", With(&[400])),
    ("DEL in a value", b"GET /livez HTTP/1.1\r\n~X-A: CAN\x7fARY\r\n\r\n", With(&[400])),
    ("bytes above ASCII in a value", b"GET /livez HTTP/1.1\r\n~X-A: CANARY\xff\xfe\r\n\r\n", With(&[200])),
    (
        "bytes above ASCII in a correlation id",
        b"GET /livez HTTP/1.1\r\n~X-Correlation-ID: CANARY\xc3\xa9\r\n\r\n",
        With(&[200]),
    ),
    ("NUL in a name", b"GET /livez HTTP/1.1\r\n~X-\0A: CANARY\r\n\r\n", With(&[400])),
    ("bytes above ASCII in a name", b"GET /livez HTTP/1.1\r\n~X-\xc3\xa9: CANARY\r\n\r\n", With(&[400])),
    ("a parenthesis in a name", b"GET /livez HTTP/1.1\r\n~X(A): CANARY\r\n\r\n", With(&[400])),
    ("a tab in the request line", b"GET\t/livez HTTP/1.1\r\n~\r\n", With(&[400])),
    ("two spaces in the request line", b"GET  /livez HTTP/1.1\r\n~\r\n", With(&[400])),
    ("a space in the path", b"GET /li vez HTTP/1.1\r\n~\r\n", With(&[400])),
    ("something behind the version", b"GET /livez HTTP/1.1 CANARY\r\n~\r\n", With(&[400])),
    ("nothing but line ends", b"\r\n\r\n\r\n", Silently),
    ("nothing", b"", Silently),
    ("half a request line", b"GET /CANARY", Silently),
    ("half a header", b"GET /livez HTTP/1.1\r\nHost: CANARY", Silently),
    ("bytes of no kind", b"\x00\x01\x02CANARY\xff\xfe\r\n\r\n", With(&[400])),
    ("the hello of TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03CANARY", With(&[400])),
    ("SSH", b"SSH-2.0-CANARY\r\n", With(&[400])),
];

/// The host.
const HOSTS: &[Case] = &[
    ("no host", b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", With(&[400])),
    ("no host in HTTP/1.0", b"GET /livez HTTP/1.0\r\n\r\n", With(&[200])),
    ("two hosts", b"GET /livez HTTP/1.1\r\n~Host: localhost\r\n\r\n", With(&[400])),
    ("two different hosts", b"GET /livez HTTP/1.1\r\n~Host: CANARY\r\n\r\n", With(&[400])),
    ("a host with a user", b"GET /livez HTTP/1.1\r\nHost: CANARY@localhost\r\n\r\n", With(&[400])),
    ("a host with a path", b"GET /livez HTTP/1.1\r\nHost: localhost/CANARY\r\n\r\n", With(&[400])),
    ("a host with a space", b"GET /livez HTTP/1.1\r\nHost: localhost CANARY\r\n\r\n", With(&[400])),
    ("a host with a port that is none", b"GET /livez HTTP/1.1\r\nHost: localhost:CANARY\r\n\r\n", With(&[400])),
    ("a host with a port too high", b"GET /livez HTTP/1.1\r\nHost: localhost:65536\r\n\r\n", With(&[400])),
    ("a host above ASCII", b"GET /livez HTTP/1.1\r\nHost: CANARY\xc3\xa9\r\n\r\n", With(&[400])),
    ("an empty host", b"GET /api/v1/connectors HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", With(&[403])),
];

/// What is asked for.
const TARGETS: &[Case] = &[
    ("a whole URL", b"GET http://localhost/livez HTTP/1.1\r\n~\r\n", With(&[200])),
    ("a whole URL of another host", b"GET http://CANARY/livez HTTP/1.1\r\n~\r\n", With(&[400])),
    ("a URL of another scheme", b"GET ftp://localhost/livez HTTP/1.1\r\n~\r\n", With(&[200])),
    ("a host alone", b"GET localhost:80 HTTP/1.1\r\n~\r\n", With(&[400])),
    ("an asterisk", b"OPTIONS * HTTP/1.1\r\n~\r\n", With(&[404])),
    ("an asterisk that is asked for", b"GET * HTTP/1.1\r\n~\r\n", With(&[404])),
    ("two slashes", b"GET //livez HTTP/1.1\r\n~\r\n", With(&[404])),
    ("a dot", b"GET /./livez HTTP/1.1\r\n~\r\n", With(&[404])),
    ("two dots", b"GET /problems/../livez HTTP/1.1\r\n~\r\n", With(&[404])),
    ("two dots, encoded", b"GET /problems/%2e%2e/livez HTTP/1.1\r\n~\r\n", With(&[404])),
    ("two dots and a slash, encoded", b"GET /problems/..%2flivez HTTP/1.1\r\n~\r\n", With(&[404])),
    ("the path of the API, encoded", b"GET /%61pi/v1/connectors HTTP/1.1\r\n~\r\n", With(&[404])),
    ("the path of the API in capitals", b"GET /API/v1/connectors HTTP/1.1\r\n~\r\n", With(&[404])),
    ("a backslash", b"GET /api\\v1\\connectors HTTP/1.1\r\n~\r\n", MaybeWith(404)),
    ("NUL, encoded", b"GET /problems/%00 HTTP/1.1\r\n~\r\n", With(&[404])),
    ("a percent sign that encodes nothing", b"GET /problems/%zz HTTP/1.1\r\n~\r\n", With(&[404])),
    ("a percent sign at the end", b"GET /problems/% HTTP/1.1\r\n~\r\n", With(&[404])),
    ("what is no UTF-8, encoded", b"GET /problems/%ff%fe HTTP/1.1\r\n~\r\n", With(&[404])),
    ("bytes above ASCII in the path", b"GET /problems/\xc3\xa9 HTTP/1.1\r\n~\r\n", With(&[404])),
    ("what is no UTF-8 in the path", b"GET /problems/\xff HTTP/1.1\r\n~\r\n", With(&[400])),
    ("NUL in the path", b"GET /problems/\0 HTTP/1.1\r\n~\r\n", With(&[400])),
    ("a fragment", b"GET /livez#CANARY HTTP/1.1\r\n~\r\n", With(&[200])),
    ("no slash", b"GET livez HTTP/1.1\r\n~\r\n", With(&[400])),
    ("a query alone", b"GET ?CANARY HTTP/1.1\r\n~\r\n", MaybeWith(400)),
];

/// Versions, methods, and more than one request.
const OTHERS: &[Case] = &[
    ("HTTP/0.9", b"GET /livez\r\n", With(&[400])),
    ("HTTP/1.0", b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n", With(&[200])),
    ("HTTP/1.2", b"GET /livez HTTP/1.2\r\n~\r\n", With(&[400])),
    ("HTTP/2.0", b"GET /livez HTTP/2.0\r\n~\r\n", With(&[400])),
    ("http/1.1", b"GET /livez http/1.1\r\n~\r\n", With(&[400])),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nCANARY", With(&[400])),
    ("a method in small letters", b"get /livez HTTP/1.1\r\n~\r\n", With(&[405])),
    ("a method that nobody knows", b"CANARY /livez HTTP/1.1\r\n~\r\n", With(&[405])),
    ("TRACE", b"TRACE /livez HTTP/1.1\r\n~X-A: CANARY\r\n\r\n", With(&[405])),
    ("CONNECT", b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\nConnection: close\r\n\r\n", With(&[404])),
    ("CONNECT to another host", b"CONNECT example.com:443 HTTP/1.1\r\n~\r\n", With(&[400])),
    ("OPTIONS", b"OPTIONS /livez HTTP/1.1\r\n~\r\n", With(&[405])),
    ("an upgrade", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n", With(&[200])),
    ("an upgrade to HTTP/2", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: CANARY\r\n\r\n", With(&[200])),
    ("an expectation that nobody knows", b"GET /livez HTTP/1.1\r\n~Expect: CANARY\r\n\r\n", With(&[200])),
    ("two requests at once", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\n~\r\n", With(&[200, 404])),
    ("two requests, the first with a body", b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nCANARYGET /livez HTTP/1.1\r\n~\r\n", With(&[405, 200])),
    ("a request and nonsense", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nCANARY\r\n\r\n", With(&[200, 400])),
    ("two requests, the first the last of its connection", b"GET /livez HTTP/1.1\r\n~\r\nGET /CANARY HTTP/1.1\r\n~\r\n", With(&[200])),
    ("two correlation ids", b"GET /livez HTTP/1.1\r\n~X-Correlation-ID: CANARY\r\nX-Correlation-ID: CANARY\r\n\r\n", With(&[200])),
    ("two credentials", b"GET /livez HTTP/1.1\r\n~Authorization: Bearer CANARY\r\nAuthorization: Bearer CANARY\r\n\r\n", With(&[200])),
];

fn sent(request: &[u8]) -> Vec<u8> {
    let usual = b"Host: localhost\r\nConnection: close\r\n";
    let mut bytes = Vec::new();
    for byte in request {
        if *byte == b'~' { bytes.extend_from_slice(usual) } else { bytes.push(*byte) }
    }
    bytes
}

#[tokio::test]
async fn in_every_raw_case_ends_as_documented_and_harms_nobody() {
    let service = Service::start(Sqlite).await;
    let mut wrong = Vec::new();
    for (name, request, ends) in [FRAMING, LINES, HOSTS, TARGETS, OTHERS].concat() {
        // Cases that would leave the service waiting say that there is no more to come.
        let half_close = matches!(ends, Silently | MaybeWith(_));
        let answers = converse(service.address(), &sent(request), half_close).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let right = match ends {
            With(expected) => statuses == expected,
            Silently => statuses.is_empty(),
            MaybeWith(status) => statuses.is_empty() || statuses == [status],
        };
        if !right {
            wrong.push(format!("{name}: {statuses:?}, not {ends:?}"));
        }
        for answer in &answers {
            assert!(!answer.text().contains("CANARY"), "{name}: {}", answer.text());
            assert!(answer.headers.iter().all(|(_, value)| !value.contains("CANARY")), "{name}: {answer:?}");
            if answer.status >= 400 {
                answer.check_refusal(name);
            }
        }
        assert_eq!(service.get("/livez").await.text(), "ok\n", "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(service.items("/api/v1/connectors").await.is_empty());
    let (log, _database) = service.stop();
    let telling: Vec<_> = log.iter().filter(|line| line.to_string().contains("CANARY")).collect();
    // What is asked for, and how, are in the log by design: the method of one case.
    assert!(telling.iter().all(|line| line["method"] == "CANARY" && line["path"] == "/livez"), "{telling:#?}");
}
