//! The destination guard (SE-D). The targets that must not be reached are canaries on loopback, which a policy that
//! does not open loopback denies like any private address; nothing else is ever dialled.

use std::time::Duration;

use domain::destination::DestinationPolicy;
use domain::failure::{ErrorCode, Failure};
use infrastructure::http::{NameServers, ReqwestExecutor};
use rstest::rstest;

use super::certificates::Authority;
use super::names::{self, Entry, addresses};
use super::support::{code, executor_with, get, once, opening, post, run};
use super::upstream::{Step, Upstream, message, ok};

fn guarded(policy: DestinationPolicy, names: NameServers) -> ReqwestExecutor {
    executor_with(policy, names, &Authority::new())
}

fn is_blocked(failure: Option<Failure>) {
    let failure = failure.expect("a failure");
    assert_eq!(failure.code, ErrorCode::DestinationBlocked);
    assert_eq!(failure.message, "this deployment does not call that destination");
    assert_eq!((failure.details, failure.retryable), (None, false), "SE-D-5: it says nothing else");
}

#[rstest]
#[case("127.0.0.1")]
#[case("2130706433")]
#[case("0x7f.1")]
#[case("0177.0.0.1")]
#[case("127.0.0.1.")]
#[case("１２７.0.0.1")]
#[case("[::ffff:127.0.0.1]")]
#[case("localhost")]
#[case("LOCALHOST.")]
#[case("any.localhost")]
#[tokio::test]
async fn se_d_3_no_spelling_of_a_denied_address_is_dialled(#[case] host: &str) {
    let canary = Upstream::start([ok()]).await;
    let executor = guarded(opening(&[]), NameServers::At(Vec::new()));
    let (report, gate) = run(&executor, &get(&canary.url_at(host))).await;
    assert_eq!(report.attempts, 1, "an attempt, and not a second one (RT-4)");
    assert_eq!(gate.codes(), [Some(ErrorCode::DestinationBlocked)]);
    is_blocked(report.failure);
    assert_eq!(canary.connections(), 0, "SE-D-5: not one packet");
}

#[tokio::test]
async fn se_d_1_plain_http_is_not_called_unless_the_deployment_serves_it() {
    let canary = Upstream::start([ok()]).await;
    let names = names::serve(&[("api.example.com", addresses(&["127.0.0.1"]))]).await;
    let policy = DestinationPolicy::new(false, opening_entries(&["127.0.0.1"]));
    let executor = guarded(policy, names);
    for url in [canary.url(), canary.url_at("api.example.com")] {
        is_blocked(run(&executor, &get(&url)).await.0.failure);
    }
    assert_eq!(canary.connections(), 0);
}

fn opening_entries(entries: &[&str]) -> Vec<domain::destination::AllowedDestination> {
    let parse = |entry: &&str| domain::destination::AllowedDestination::parse(entry).expect("an entry");
    entries.iter().map(parse).collect()
}

#[rstest]
#[case::loopback(&["127.0.0.1"])]
#[case::mapped(&["::ffff:127.0.0.1"])]
#[case::a_second_address(&["127.0.0.2", "127.0.0.1"])]
#[case::another_family(&["127.0.0.2", "::1"])]
#[case::metadata(&["127.0.0.2", "169.254.169.254"])]
#[case::private(&["127.0.0.2", "10.0.0.1"])]
#[case::private_v6(&["127.0.0.2", "fd00::1"])]
#[tokio::test]
async fn se_d_2_one_denied_address_blocks_the_whole_name(#[case] answers: &[&str]) {
    let canary = Upstream::start([ok()]).await;
    let names = names::serve(&[("api.example.com", addresses(answers))]).await;
    let (report, _) = run(&guarded(opening(&["127.0.0.2"]), names), &post(&canary.url_at("api.example.com"))).await;
    assert_eq!(report.attempts, 1);
    is_blocked(report.failure);
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn se_d_2_a_name_is_called_at_the_address_that_was_judged() {
    let upstream = Upstream::start([ok()]).await;
    for policy in [opening(&["127.0.0.0/8"]), opening(&["api.example.com"])] {
        let names = names::serve(&[("api.example.com", addresses(&["127.0.0.1"]))]).await;
        let (report, _) = run(&guarded(policy, names), &get(&upstream.url_at("api.example.com"))).await;
        assert_eq!(report.failure, None);
    }
    let host = format!("api.example.com:{}", upstream.port());
    assert!(upstream.hits().iter().all(|hit| hit.header("host") == [host.as_str()]));
}

#[tokio::test]
async fn se_d_2_a_name_that_is_bound_anew_is_judged_anew() {
    let upstream = Upstream::start([Step::AnswerAndClose(message("200 OK", "connection: close\r\n", b"{}"))]).await;
    let canary = Upstream::start_at(&format!("127.0.0.2:{}", upstream.port()), [ok()]).await;
    let names = names::serve(&[("api.example.com", names::rebinding("127.0.0.1", "127.0.0.2"))]).await;
    let executor = guarded(opening(&["127.0.0.1"]), names);
    let plan = once(get(&upstream.url_at("api.example.com")));
    assert_eq!(run(&executor, &plan).await.0.failure, None);
    for _ in 0..20 {
        is_blocked(run(&executor, &plan).await.0.failure);
    }
    assert_eq!((upstream.hits().len(), canary.connections()), (1, 0));
}

#[tokio::test]
async fn the_hosts_file_is_read_and_localhost_is_called_where_the_deployment_opens_it() {
    let upstream = Upstream::start([ok()]).await;
    let executor = guarded(opening(&["localhost"]), NameServers::At(Vec::new()));
    let (report, _) = run(&executor, &get(&upstream.url_at("localhost"))).await;
    assert_eq!((report.failure, upstream.hits().len()), (None, 1));
}

#[rstest]
#[case::no_such_name("missing.example.com", ErrorCode::DnsNotFound, 1)]
#[case::no_address("empty.example.com", ErrorCode::DnsNotFound, 1)]
#[case::broken("broken.example.com", ErrorCode::DnsFailure, 2)]
#[case::no_name_at_all(&"a".repeat(70), ErrorCode::DnsNotFound, 1)]
#[tokio::test]
async fn names_that_do_not_resolve_have_codes_of_their_own(
    #[case] host: &str,
    #[case] expected: ErrorCode,
    #[case] attempts: u32,
) {
    let zone = [("empty.example.com", Entry::Addresses(Vec::new())), ("broken.example.com", Entry::Broken)];
    let executor = guarded(opening(&[]), names::serve(&zone).await);
    // RT-5: nothing was sent, so even a POST is repeated where the failure is transient.
    let mut plan = post(&format!("https://{host}/"));
    plan.retry.max_retry_attempts = 1;
    let (report, _) = run(&executor, &plan).await;
    assert_eq!((code(&report), report.attempts), (Some(expected), attempts), "{:?}", report.failure);
}

#[tokio::test]
async fn rt_3_name_servers_that_do_not_answer_in_time_are_a_dns_failure() {
    let executor = guarded(opening(&[]), names::serve(&[("slow.example.com", Entry::Silent)]).await);
    let mut plan = post("https://slow.example.com/");
    plan.retry.max_retry_attempts = 1;
    plan.attempt_timeout = Duration::from_millis(150);
    let (report, _) = run(&executor, &plan).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::DnsFailure), 2));
}
