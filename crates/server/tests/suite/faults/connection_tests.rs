//! Tests of connections whose names and certificates are broken.

use serde_json::{Value, json};
use test_support::Engine::Sqlite;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::UNLIMITED;
use super::authority::{Authority, Identity};
use super::names::Names;
use super::namespace::isolated;
use crate::support::service::Service;
use crate::support::upstream::connector;

/// A server that answers one request per connection with an empty 200. Its port.
async fn serve(identity: Identity) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let acceptor = identity.acceptor();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.read(&mut [0; 4_096]).await.is_ok_and(|length| length > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.ok();
                    stream.shutdown().await.ok();
                }
            });
        }
    });
    port
}

fn statuses(test: &Value) -> Vec<&str> {
    let steps = test["steps"].as_array().expect("steps");
    steps.iter().filter_map(|step| step["status"].as_str()).collect()
}

#[test]
fn se_d_5_a_test_tells_names_addresses_and_certificates_apart() {
    isolated(&se_d_5_a_test_tells_names_addresses_and_certificates_apart, async {
        let _names = Names::serve(|name, _| match name {
            "nobody.example.com" => Vec::new(),
            "inside.example.com" => vec!["10.9.8.7".parse().expect("an address")],
            _ => vec!["127.0.0.1".parse().expect("an address")],
        })
        .await;
        let trusted = Authority::new("the deployment's own authority");
        let roots = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(roots.path(), trusted.pem()).expect("a file");
        let file = [("CONNECTORS_EXTRA_CA_FILE", roots.path().to_str().expect("a path"))];
        let service = Service::configured(Sqlite, &[UNLIMITED.as_slice(), &file].concat()).await;
        let good = serve(trusted.certify("erp.example.com", |_| {})).await;
        let bad = serve(Authority::new("a stranger").certify("erp.example.com", |_| {})).await;
        let test = async |host: &str, port: u16| {
            let draft = connector(&format!("https://{host}:{port}/v1"), &json!({}));
            service.post("/api/v1/connectors/test", &draft).await.expect(200)
        };

        // Twice: the second one has no session of the first to resume.
        for _ in 0..2 {
            let all = test("erp.example.com", good).await;
            assert_eq!(statuses(&all), ["Passed", "NotRun", "Passed", "Passed", "Passed"], "{all:#}");
        }
        let untrusted = test("erp.example.com", bad).await;
        assert_eq!(statuses(&untrusted), ["Passed", "NotRun", "Passed", "Failed", "NotRun"], "{untrusted:#}");
        let detail = untrusted["steps"][3]["detail"].as_str().expect("a detail");
        assert!(detail.contains("not trusted") && detail.contains("extra_ca_file"), "{detail}");
        let unknown = test("nobody.example.com", good).await;
        assert_eq!(statuses(&unknown), ["Passed", "NotRun", "Failed", "NotRun", "NotRun"], "{unknown:#}");
        assert!(unknown["steps"][2]["detail"].as_str().is_some_and(|detail| detail.contains("does not exist")));
        let blocked = test("inside.example.com", good).await;
        assert_eq!(statuses(&blocked), ["Passed", "NotRun", "Failed", "NotRun", "NotRun"], "{blocked:#}");
        assert!(blocked["steps"][2]["detail"].as_str().is_some_and(|detail| detail.contains("does not call")));
        assert!(!blocked.to_string().contains("10.9.8.7"), "a block tells no address: {blocked:#}");
    });
}
