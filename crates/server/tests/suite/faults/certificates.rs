//! Row 14: a bad certificate is tried once, and nothing is sent to whoever shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use serde_json::json;
use test_support::Engine::Sqlite;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::authority::{Authority, Identity, self_signed};
use super::counts::CERTIFICATES;
use super::names::Names;
use super::namespace::isolated;
use super::{UNLIMITED, connector, execute_all};
use crate::support::service::Service;

const HOST: &str = "erp.example.com";

/// A server that counts who connects and what is sent to it.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(identity: Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, connections: Arc::default(), requests: Arc::default() };
        let (acceptor, connections, requests) =
            (identity.acceptor(), Arc::clone(&server.connections), Arc::clone(&server.requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(acceptor.clone(), stream, Arc::clone(&requests)));
            }
        });
        server
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream, requests: Arc<AtomicUsize>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut request = [0; 4_096];
    if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
        requests.fetch_add(1, Ordering::SeqCst);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).await.ok();
        stream.shutdown().await.ok();
    }
}

fn bad_certificates(trusted: &Authority) -> Vec<(&'static str, Identity)> {
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let by_subject_only = |params: &mut CertificateParams| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(DnType::CommonName, HOST);
    };
    let for_clients =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let an_authority = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    vec![
        ("expired", trusted.certify(HOST, expired)),
        ("not yet valid", trusted.certify(HOST, |params| params.not_before = date_time_ymd(2090, 1, 1))),
        ("another host's", trusted.certify("crm.example.com", |_| {})),
        ("self-signed", self_signed(HOST)),
        ("an unknown authority's", Authority::new("a stranger").certify(HOST, |_| {})),
        ("the host in the subject only", trusted.certify(HOST, by_subject_only)),
        ("for clients only", trusted.certify(HOST, for_clients)),
        ("a broken signature", trusted.certify(HOST, |_| {}).with_a_broken_signature()),
        ("an authority's own", trusted.certify(HOST, an_authority)),
    ]
}

#[test]
fn fault_14_rt_4_a_bad_certificate_is_tried_once() {
    isolated(&fault_14_rt_4_a_bad_certificate_is_tried_once, async {
        let _names = Names::serve(|_, _| vec!["127.0.0.1".parse().expect("an address")]).await;
        let trusted = Authority::new("the deployment's own authority");
        let roots = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(roots.path(), trusted.pem()).expect("a file");
        let file = [("CONNECTORS_EXTRA_CA_FILE", roots.path().to_str().expect("a path"))];
        let service = Service::configured(Sqlite, &[UNLIMITED.as_slice(), &file].concat()).await;
        let connect = async |name: &str, server: &Server| {
            let members = json!({ "name": name, "maxRetryAttempts": 3, "retryDelaySeconds": 0 });
            service.register_enabled(&connector(&format!("https://{HOST}:{}/v1", server.port), &members)).await
        };
        // A GET, which may be repeated: only the rule keeps it from being.
        let call = json!({ "operationType": "pull", "endpoint": "/readings" });

        let good = Server::start(trusted.certify(HOST, |_| {})).await;
        let path = connect("a good one", &good).await;
        assert_eq!(service.execute(&path, &call).await["log"]["status"], "Success");
        assert_eq!(good.counts(), (1, 1));

        let mut bad = Vec::new();
        for (name, identity) in bad_certificates(&trusted) {
            let server = Server::start(identity).await;
            let path = connect(name, &server).await;
            bad.push((name, server, path));
        }
        let rounds = CERTIFICATES.count();
        for round in 1..=rounds {
            let calls: Vec<_> = bad.iter().map(|(_, _, path)| (path.as_str(), &call)).collect();
            let executions = execute_all(&service, &calls).await;
            for ((name, server, _), execution) in bad.iter().zip(executions) {
                let log = &execution["log"];
                let ended = (&log["status"], &log["errorCode"], &log["attemptCount"], &log["retryable"]);
                assert_eq!(
                    ended,
                    (&json!("Failed"), &json!("tls-certificate"), &json!(1), &json!(false)),
                    "{name}: {log:#}"
                );
                assert_eq!(server.counts(), (round, 0), "{name}: one try, and no request");
            }
        }
        CERTIFICATES.reached(format_args!(
            "{} calls to {} bad certificates, one try each",
            rounds * bad.len(),
            bad.len()
        ));
    });
}
