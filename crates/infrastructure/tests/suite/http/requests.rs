//! What goes over the wire.

use application::ports::{CallPlan, Credential};
use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;

use super::support::{TRACE, call, code, executor, get, post, run};
use super::upstream::{Hit, Upstream, ok, status};

async fn sent(plan: CallPlan) -> Hit {
    let upstream = Upstream::start([ok()]).await;
    let mut plan = plan;
    let target = upstream.url().parse::<url::Url>().expect("a URL");
    plan.url.set_port(target.port()).expect("a port");
    let (report, _) = run(&executor(), &plan).await;
    assert_eq!(report.failure, None);
    upstream.hits().remove(0)
}

#[tokio::test]
async fn a_call_brings_its_method_path_query_and_the_services_defaults() {
    let hit = sent(get("http://127.0.0.1/v1/a%20b?page=1&q=%C3%A4")).await;
    assert_eq!(hit.request_line(), "GET /v1/a%20b?page=1&q=%C3%A4 HTTP/1.1");
    assert_eq!(hit.header("accept"), ["application/json"]);
    assert_eq!(hit.header("accept-encoding"), ["gzip"]);
    assert_eq!(hit.header("user-agent"), [concat!("esg-connectors/", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(hit.header("host").len(), 1);
    for absent in ["content-type", "content-length", "transfer-encoding", "referer", "cookie", "authorization"] {
        assert!(hit.header(absent).is_empty(), "{absent}");
    }
}

#[tokio::test]
async fn a_body_is_json_unless_the_call_says_otherwise() {
    let hit = sent(post("http://127.0.0.1/v1/items")).await;
    assert_eq!(hit.header("content-type"), ["application/json"]);
    assert_eq!((hit.header("content-length"), hit.body.as_slice()), (vec!["7"], b"{\"a\":1}".as_slice()));
    let mut plan = post("http://127.0.0.1/v1/items");
    plan.headers = vec![
        ("Content-Type".to_owned(), "application/merge-patch+json".to_owned()),
        ("accept".to_owned(), "text/csv".to_owned()),
        ("User-Agent".to_owned(), "probe".to_owned()),
        ("Accept-Language".to_owned(), "en".to_owned()),
    ];
    let hit = sent(plan).await;
    assert_eq!(hit.header("content-type"), ["application/merge-patch+json"]);
    assert_eq!(hit.header("accept"), ["text/csv"]);
    assert_eq!(hit.header("user-agent"), ["probe"]);
    assert_eq!(hit.header("accept-language"), ["en"]);
}

#[tokio::test]
async fn a_post_without_a_body_says_that_it_has_none() {
    let hit = sent(CallPlan { body: None, ..post("http://127.0.0.1/v1/items") }).await;
    assert_eq!((hit.header("content-length"), hit.header("content-type")), (vec!["0"], vec![]));
}

#[tokio::test]
async fn every_method_goes_out_as_itself() {
    for method in HttpMethod::ALL {
        let hit = sent(call(method, "http://127.0.0.1/v1/items")).await;
        assert!(hit.request_line().starts_with(&format!("{} /v1/items ", method.as_str())), "{}", hit.request_line());
    }
}

#[tokio::test]
async fn co_2_every_attempt_bears_the_correlation_id_and_a_trace_parent_of_its_own() {
    let upstream = Upstream::start([status(503), status(503), ok()]).await;
    let mut plan = get(&upstream.url());
    plan.trace.state = Some("vendor=1".to_owned());
    plan.headers = ["X-Correlation-ID", "traceparent", "Accept-Encoding"]
        .map(|name| (name.to_owned(), "forged".to_owned()))
        .to_vec();
    run(&executor(), &plan).await;
    let mut parents: Vec<String> = Vec::new();
    for hit in upstream.hits() {
        assert_eq!(hit.header("x-correlation-id"), ["corr-1"]);
        assert_eq!(hit.header("tracestate"), ["vendor=1"]);
        assert_eq!(hit.header("accept-encoding"), ["gzip"]);
        let parent = hit.header("traceparent").join(" and ");
        assert_eq!((&parent[..36], &parent[52..]), (&TRACE[..36], "-01"), "{parent}");
        parents.push(parent);
    }
    parents.push(TRACE.to_owned());
    parents.sort();
    parents.dedup();
    assert_eq!(parents.len(), 4, "{parents:?}");
}

#[tokio::test]
async fn a_credential_goes_where_the_plan_says() {
    let mut plan = get("http://127.0.0.1/v1/items?page=1");
    plan.credential = Credential::Header("X-API-Key".to_owned(), "s3cret".to_owned().into());
    plan.headers = vec![("x-api-key".to_owned(), "the call's own".to_owned())];
    assert_eq!(sent(plan).await.header("x-api-key"), ["s3cret"]);
    let mut plan = get("http://127.0.0.1/v1/items?page=1");
    plan.credential = Credential::Query("api key".to_owned(), "a&b=c d".to_owned().into());
    assert_eq!(sent(plan).await.request_line(), "GET /v1/items?page=1&api+key=a%26b%3Dc+d HTTP/1.1");
}

#[tokio::test]
async fn a_secret_that_cannot_be_a_header_ends_the_call_before_a_byte_is_sent() {
    for secret in ["two\nlines", "nul\0", "carriage\r"] {
        let upstream = Upstream::start([ok()]).await;
        let mut plan = get(&upstream.url());
        plan.credential = Credential::Header("X-API-Key".to_owned(), secret.to_owned().into());
        let (report, _) = run(&executor(), &plan).await;
        assert_eq!((code(&report), report.attempts), (Some(ErrorCode::SecretNotFound), 0));
        assert_eq!(upstream.connections(), 0);
        let failure = report.failure.expect("a failure");
        assert_eq!(failure.message, "the secret's value cannot be sent as a header; no request was made");
    }
}
