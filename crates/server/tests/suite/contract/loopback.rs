//! Without authentication the service belongs to this machine, and no page of another host speaks for its visitor.

use rstest::rstest;
use serde_json::json;
use test_support::Engine::Sqlite;

use crate::support::exchange::exchange;
use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";

#[rstest]
#[case::a_rebound_name("evil.example", 403)]
#[case::with_a_port("evil.example:8080", 403)]
#[case::another_address("192.0.2.7:8080", 403)]
#[case::no_host_at_all("", 403)]
#[case::a_name_that_begins_like_ours("localhost.evil.example", 403)]
#[case::the_name_of_this_machine("localhost:8080", 200)]
#[case::below_it("studio.localhost", 200)]
#[case::its_address("127.0.0.1", 200)]
#[case::its_other_address("[::1]:8080", 200)]
#[tokio::test]
async fn only_requests_to_this_machine_are_answered(#[case] host: &str, #[case] status: u16) {
    let service = Service::start(Sqlite).await;
    let request = format!("GET {CONNECTORS} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answer = exchange(service.address(), request.as_bytes()).await;
    assert_eq!(answer.status, status, "{}", answer.text());
}

#[rstest]
#[case::another_host("https://evil.example", 403)]
#[case::a_sandboxed_page("null", 403)]
#[case::a_front_end_of_this_machine("http://localhost:5173", 201)]
#[tokio::test]
async fn no_page_of_another_host_changes_anything(#[case] origin: &str, #[case] status: u16) {
    let service = Service::start(Sqlite).await;
    let create = service.request("POST", CONNECTORS).header("Origin", origin);
    let answer = create.json(&connector("https://api.example.com", &json!({}))).send().await;
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(service.items(CONNECTORS).await.len(), usize::from(status == 201));
}

#[tokio::test]
async fn with_keys_the_name_of_the_service_is_its_own_affair() {
    let service = Service::with_keys(Sqlite).await;
    let key = service.key("ana", "viewer", &[]);
    let request = format!(
        "GET {CONNECTORS} HTTP/1.1\r\nHost: connectors.example.com\r\nOrigin: https://studio.example.com\r\n\
         Authorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    let answer = exchange(service.address(), request.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
