//! What every answer tells browsers (IN).

use test_support::Engine::Sqlite;

use crate::support::exchange::{Answer, exchange};
use crate::support::openapi::operations;
use crate::support::service::Service;

const UNKNOWN: &str = "01979a2b-7c00-7000-8000-000000000001";

const EVERYWHERE: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-permitted-cross-domain-policies", "none"),
];

#[track_caller]
fn check(asked: &str, answer: &Answer) {
    for (name, value) in EVERYWHERE {
        assert_eq!(answer.header(name), Some(value), "{asked}: {name}");
    }
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{asked}: no policy"));
    for directive in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(directive), "{asked}: {policy}");
    }
    assert!(!policy.contains("unsafe-eval") && !policy.contains('*'), "{asked}: {policy}");
    assert_eq!(policy.contains("script-src"), asked.contains(" /docs"), "{asked}: {policy}");
    for telling in ["server", "x-powered-by", "via"] {
        assert_eq!(answer.header(telling), None, "{asked}");
    }
    if asked.contains(" /api/") {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{asked}");
    }
}

#[tokio::test]
async fn in_every_answer_has_the_security_headers() {
    let service = Service::with_keys(Sqlite).await;
    let key = service.key("ana", "admin", &[]);
    let others =
        ["/docs/", "/docs/swagger-ui.css", "/openapi.json", "/nothing/here", "/api/v1/nothing", "/docs/nothing"]
            .map(|target| ("GET".to_owned(), target.to_owned()));
    let all = operations().into_iter().map(|operation| (operation.method.clone(), operation.target(UNKNOWN)));
    for (method, target) in all.chain(others) {
        let asked = format!("{method} {target}");
        // As it should be, without credentials, with another method, with a query that nothing has.
        check(&asked, &service.request(&method, &target).key(&key).send().await);
        check(&asked, &service.request(&method, &target).send().await);
        check(&asked, &service.request("PATCH", &target).key(&key).send().await);
        check(&asked, &service.request(&method, &format!("{target}?nothing=x")).key(&key).send().await);
    }
    for unread in ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"] {
        check(unread, &exchange(service.address(), unread.as_bytes()).await);
    }
}

#[tokio::test]
async fn in_the_listener_of_metrics_answers_with_them_as_well() {
    let mut service = Service::configured(Sqlite, &[("CONNECTORS_METRICS_LISTEN", "127.0.0.1:0")]).await;
    let address = service.metrics_address();
    for (asked, status) in [("GET /metrics", 200), ("GET /nothing", 404), ("POST /metrics", 405), ("nonsense", 400)] {
        let request = format!("{asked} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert_eq!(answer.status, status, "{asked}");
        check(asked, &answer);
        if status >= 400 {
            answer.check_refusal(asked);
        }
    }
}
