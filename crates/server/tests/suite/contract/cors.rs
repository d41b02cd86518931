//! Pages of other origins read answers where, and only where, the deployment lists their origin (IN).

use serde_json::json;
use test_support::Engine::Sqlite;

use crate::support::exchange::Answer;
use crate::support::openapi::operations;
use crate::support::program::Program;
use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";
const UNKNOWN: &str = "01979a2b-7c00-7000-8000-000000000001";
const STUDIO: &str = "https://studio.example.com";
const ORIGINS: (&str, &str) = ("CONNECTORS_CORS_ALLOWED_ORIGINS", "https://studio.example.com,https://b.example:8443");
const API_KEYS: (&str, &str) = ("CONNECTORS_AUTH_MODE", "api-key");

fn says_nothing_of_origins(answer: &Answer) -> bool {
    answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-"))
}

#[tokio::test]
async fn in_a_listed_origin_may_read_every_answer_and_no_other_one_any() {
    let service = Service::configured(Sqlite, &[API_KEYS, ORIGINS]).await;
    let key = service.key("ana", "admin", &[]);
    for origin in [STUDIO, "https://b.example:8443"] {
        let read = service.request("GET", CONNECTORS).key(&key).header("Origin", origin).send().await;
        read.expect(200);
        assert_eq!(read.header("access-control-allow-origin"), Some(origin));
        assert_eq!(read.header("access-control-allow-credentials"), None);
        let exposed = read.header("access-control-expose-headers").expect("headers");
        for name in ["etag", "location", "x-correlation-id", "x-integration-status", "retry-after", "ratelimit"] {
            assert!(exposed.split(',').any(|exposed| exposed.trim() == name), "{name}: {exposed}");
        }
        // Also what went wrong.
        for (target, status) in [("/nothing", 404), (CONNECTORS, 401)] {
            let refused = service.request("GET", target).header("Origin", origin).send().await;
            assert_eq!(refused.status, status);
            assert_eq!(refused.header("access-control-allow-origin"), Some(origin), "{target}");
        }
    }
    for other in [
        "null",
        "https://studio.example.com.evil.example",
        "https://evil.example/https://studio.example.com",
        "https://xstudio.example.com",
        "https://sub.studio.example.com",
        "http://studio.example.com",
        "https://studio.example.com:8443",
        "https://studio.example.com:443",
        "https://studio.example.com/",
        "https://Studio.example.com",
        "HTTPS://studio.example.com",
        "https://b.example",
        "https://studio.example.com, https://evil.example",
        "*",
        "",
    ] {
        let answer = service.request("GET", CONNECTORS).key(&key).header("Origin", other).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{other}");
        let preflight = service.request("OPTIONS", CONNECTORS).header("Origin", other);
        let preflight = preflight.header("Access-Control-Request-Method", "GET").send().await;
        assert_eq!(preflight.header("access-control-allow-origin"), None, "{other}");
    }
    // A cache must not hand the answer for one origin to another one, or to none.
    let read = service.request("GET", "/livez").send().await;
    assert!(read.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("origin")));
}

#[tokio::test]
async fn in_the_preflight_of_every_operation_is_answered_without_credentials_and_is_no_failed_log_in() {
    let service = Service::configured(Sqlite, &[API_KEYS, ORIGINS]).await;
    for operation in operations() {
        let asked = service.request("OPTIONS", &operation.target(UNKNOWN)).header("Origin", STUDIO);
        let asked = asked.header("Access-Control-Request-Method", &operation.method);
        let headers = "authorization,content-type,if-match,idempotency-key,x-correlation-id";
        let answer = asked.header("Access-Control-Request-Headers", headers).send().await;
        assert_eq!(answer.status, 204, "{operation:?}: {}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some(STUDIO), "{operation:?}");
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        let allowed = |name: &str| answer.header(name).unwrap_or_default().to_ascii_lowercase();
        let methods = allowed("access-control-allow-methods");
        assert!(methods.split(',').any(|method| method == operation.method.to_ascii_lowercase()), "{methods}");
        let allowed = allowed("access-control-allow-headers");
        assert!(headers.split(',').all(|header| allowed.split(',').any(|one| one == header)), "{allowed}");
    }
    // Without the header of a preflight it is a request like any other.
    let plain = service.request("OPTIONS", "/livez").header("Origin", STUDIO).send().await;
    plain.problem(405, "method-not-allowed");
    let (log, _database) = service.stop();
    assert!(log.iter().all(|line| line["security_event"].is_null()), "{log:#?}");
}

#[tokio::test]
async fn in_without_a_list_no_answer_speaks_of_origins() {
    let service = Service::with_keys(Sqlite).await;
    let answer = service.request("GET", "/livez").header("Origin", STUDIO).send().await;
    assert!(says_nothing_of_origins(&answer), "{:?}", answer.headers);
    let preflight = service.request("OPTIONS", CONNECTORS).header("Origin", STUDIO);
    let preflight = preflight.header("Access-Control-Request-Method", "GET").send().await;
    assert!(says_nothing_of_origins(&preflight) && preflight.status == 401, "{:?}", preflight.headers);
}

#[tokio::test]
async fn in_without_authentication_a_listed_page_of_this_machine_works_and_an_unlisted_one_reads_nothing() {
    let page = "http://localhost:5173";
    let service = Service::configured(Sqlite, &[("CONNECTORS_CORS_ALLOWED_ORIGINS", page)]).await;
    let create = service.request("POST", CONNECTORS).header("Origin", page);
    let created = create.json(&connector("https://api.example.com", &json!({}))).send().await;
    created.expect(201);
    assert_eq!(created.header("access-control-allow-origin"), Some(page));
    let other = service.request("GET", CONNECTORS).header("Origin", "http://localhost:5174").send().await;
    assert_eq!(other.header("access-control-allow-origin"), None);
    let foreign = service.request("GET", CONNECTORS).header("Origin", STUDIO).send().await;
    foreign.problem(403, "foreign-page");
}

#[test]
fn in_an_origin_that_is_none_and_a_foreign_one_without_authentication_end_the_start() {
    for (origins, mode, said) in [
        (
            STUDIO,
            "none",
            "contains \"https://studio.example.com\", a page of another machine, and `auth.mode` is `none`",
        ),
        ("*", "api-key", "contains \"*\"; every entry is `http` or `https`"),
        ("https://studio.example.com/", "api-key", "browsers spell this origin \"https://studio.example.com\""),
    ] {
        let program = Program::new().with(ORIGINS.0, origins).with("CONNECTORS_AUTH_MODE", mode);
        let ended = program.run(&["serve"]);
        assert_eq!(ended.code, Some(2), "{origins}");
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}
