//! TLS: certificates are judged and never retried, unfinished handshakes are.

use std::sync::Arc;

use domain::failure::ErrorCode;
use infrastructure::http::{ExecutorSettings, NameServers, ReqwestExecutor, TrustedRoots};
use infrastructure::system::{SystemClock, UuidV7Ids};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use rstest::rstest;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, self_signed};
use super::names::{self, addresses};
use super::support::{code, executor_with, get, opening, post, run};
use super::upstream::{Step, Upstream, message, ok};

async fn trusting(authority: &Authority) -> ReqwestExecutor {
    let names = names::serve(&[("erp.example.com", addresses(&["127.0.0.1"]))]).await;
    executor_with(opening(&["127.0.0.1"]), names, authority)
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new();
    let upstream = Upstream::start_tls([ok()], authority.server(&["erp.example.com", "127.0.0.1"], |_| {})).await;
    let executor = trusting(&authority).await;
    for url in [upstream.url(), upstream.url_at("erp.example.com")] {
        let (report, _) = run(&executor, &get(&url)).await;
        assert_eq!(report.failure, None);
    }
    assert_eq!(upstream.hits().len(), 2);
}

fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2090, 1, 1);
}

fn for_clients(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

fn unchanged(_: &mut CertificateParams) {}

#[rstest]
#[case::expired("erp.example.com", expired)]
#[case::not_yet_valid("erp.example.com", not_yet_valid)]
#[case::for_clients("erp.example.com", for_clients)]
#[case::for_another_host("crm.example.com", unchanged)]
#[case::for_a_subdomain("www.erp.example.com", unchanged)]
#[tokio::test]
async fn rt_4_a_bad_certificate_is_tried_once(#[case] host: &str, #[case] change: impl FnOnce(&mut CertificateParams)) {
    let authority = Authority::new();
    let server = authority.server(&[host], change);
    certificate_refused(server, &authority).await;
}

#[tokio::test]
async fn rt_4_an_unknown_authority_is_tried_once() {
    let stranger = Authority::new().server(&["erp.example.com"], |_| {});
    certificate_refused(stranger, &Authority::new()).await;
}

#[tokio::test]
async fn rt_4_a_self_signed_certificate_is_tried_once() {
    certificate_refused(self_signed(&["erp.example.com"]), &Authority::new()).await;
}

async fn certificate_refused(server: TlsAcceptor, trusted: &Authority) {
    let upstream = Upstream::start_tls([ok()], server).await;
    let (report, _) = run(&trusting(trusted).await, &get(&upstream.url_at("erp.example.com"))).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::TlsCertificate), 1), "{:?}", report.failure);
    assert_eq!((upstream.connections(), upstream.hits().len()), (1, 0), "one try, and no request");
}

#[tokio::test]
async fn rt_5_a_handshake_that_does_not_finish_is_repeated_even_for_a_post() {
    // They answer in plain text, hang up, or reset, as soon as they have read a client hello.
    let spoken = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    for greeting in [spoken, Vec::new()] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut hello = [0; 4_096];
                let _ = stream.read(&mut hello).await;
                let _ = stream.write_all(&greeting).await;
            }
        });
        let mut plan = post(&format!("https://127.0.0.1:{port}/"));
        plan.retry.max_retry_attempts = 1;
        let (report, _) = run(&trusting(&Authority::new()).await, &plan).await;
        assert_eq!((code(&report), report.attempts), (Some(ErrorCode::TlsHandshake), 2), "{:?}", report.failure);
    }
}

#[tokio::test]
async fn a_body_until_the_end_is_no_success_when_tls_was_not_closed() {
    let authority = Authority::new();
    // Without a length only the end of the connection tells the end of the body, and anybody can cut that.
    let head = b"HTTP/1.1 200 OK\r\n\r\nhalf of it".to_vec();
    let server = || authority.server(&["127.0.0.1"], |_| {});
    let cut = Upstream::start_tls([Step::AnswerAndReset(head.clone())], server()).await;
    let closed = Upstream::start_tls([Step::AnswerAndClose(head)], server()).await;
    let executor = trusting(&authority).await;
    let (report, _) = run(&executor, &post(&cut.url())).await;
    assert_eq!(code(&report), Some(ErrorCode::ConnectionReset));
    let (report, _) = run(&executor, &post(&closed.url())).await;
    assert_eq!(report.failure, None);
}

#[tokio::test]
async fn rt_9_connections_that_die_are_harmless_over_tls_too() {
    let authority = Authority::new();
    let server = authority.server(&["127.0.0.1"], |_| {});
    let upstream = Upstream::start_tls([Step::AnswerAndClose(message("200 OK", "", b"{}"))], server).await;
    let executor = trusting(&authority).await;
    for _ in 0..20 {
        let before = upstream.hits().len();
        let mut plan = post(&upstream.url());
        plan.retry.max_retry_attempts = 0;
        run(&executor, &plan).await;
        assert!(upstream.hits().len() - before <= 1);
    }
}

#[rstest]
#[case::empty("")]
#[case::no_pem("not a certificate")]
#[case::a_key("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]
#[case::no_der("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
#[case::no_base64("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n")]
#[test]
fn an_extra_root_that_would_be_trusted_in_vain_is_refused(#[case] bundle: &str) {
    let roots = TrustedRoots { extra: vec![Authority::new().pem(), bundle.as_bytes().to_vec()] };
    let settings = ExecutorSettings { roots, names: NameServers::At(Vec::new()), ..ExecutorSettings::default() };
    assert!(ReqwestExecutor::new(settings, Arc::new(UuidV7Ids), Arc::new(SystemClock)).is_err());
}
