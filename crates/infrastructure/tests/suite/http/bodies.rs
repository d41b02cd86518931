//! How much of an answer is read (OUT), and in which coding.

use std::io::Write;

use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;
use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;

use super::support::{call, code, executor, get, run};
use super::upstream::{Step, Upstream, message, ok};

const MIB: usize = 1024 * 1024;
const GZIP: &str = "content-encoding: gzip\r\n";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// Bytes that do not compress: a linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    let states =
        std::iter::successors(Some(1_u32), |state| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
    states.map(|state| state.to_be_bytes()[0]).take(length).collect()
}

#[rstest]
#[case::empty(Vec::new())]
#[case::small(b"[1,2,3]".to_vec())]
#[case::large(noise(3 * MIB))]
#[case::equal_readings(b"0,".repeat(20_000))]
#[tokio::test]
async fn out_a_gzip_body_is_handed_on_decoded(#[case] content: Vec<u8>) {
    let upstream = Upstream::start([Step::Answer(message("200 OK", GZIP, &gzip(&content)))]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.failure, None);
    let response = report.response.expect("an answer");
    assert!(response.body == content);
    let described = response.headers.iter().any(|(name, _)| name == "content-encoding" || name == "content-length");
    assert!(!described, "they tell of the wire, not of this body");
    assert_eq!(upstream.hits()[0].header("accept-encoding"), ["gzip"]);
}

#[tokio::test]
async fn out_ten_mebibytes_are_read_and_no_byte_more() {
    let whole = noise(10 * MIB);
    let upstream = Upstream::start([
        Step::Answer(message("200 OK", "", &whole)),
        Step::Answer(message("200 OK", "", &noise(10 * MIB + 1))),
        Step::Answer(message("200 OK", GZIP, &gzip(&noise(10 * MIB + 1)))),
    ])
    .await;
    let executor = executor();
    let (report, _) = run(&executor, &get(&upstream.url())).await;
    assert!(report.response.expect("an answer").body == whole);
    for _ in 0..2 {
        let (report, gate) = run(&executor, &get(&upstream.url())).await;
        assert_eq!((code(&report), report.attempts), (Some(ErrorCode::ResponseTooLarge), 1), "not repeated, RT-4");
        assert_eq!((report.response, gate.attempts()[0].http_status_code), (None, Some(200)));
    }
}

#[tokio::test]
async fn out_an_endless_body_ends_at_the_limit() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let upstream = Upstream::start([Step::Flood(head, noise(64 * 1024))]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(code(&report), Some(ErrorCode::ResponseTooLarge));
}

#[tokio::test]
async fn out_a_gzip_bomb_is_refused_by_its_size_and_by_its_ratio() {
    for mebibytes in [40, 5] {
        let bomb = gzip(&vec![0; mebibytes * MIB]);
        assert!(bomb.len() < MIB);
        let upstream = Upstream::start([Step::Answer(message("200 OK", GZIP, &bomb))]).await;
        let (report, _) = run(&executor(), &get(&upstream.url())).await;
        assert_eq!(code(&report), Some(ErrorCode::ResponseTooLarge));
    }
}

#[tokio::test]
async fn out_headers_over_64_kib_or_too_many_are_refused() {
    let long = format!("x-long: {}\r\n", "a".repeat(65 * 1024));
    let huge = format!("x-huge: {}\r\n", "a".repeat(500 * 1024));
    let many = "x-many: 1\r\n".repeat(10_000);
    for headers in [long, huge, many] {
        let upstream = Upstream::start([Step::Answer(message("200 OK", &headers, b"{}"))]).await;
        let (report, _) = run(&executor(), &get(&upstream.url())).await;
        assert_eq!((code(&report), report.attempts), (Some(ErrorCode::ResponseTooLarge), 1), "{:?}", report.failure);
    }
    let fits = format!("x-long: {}\r\n", "a".repeat(60 * 1024));
    let upstream = Upstream::start([Step::Answer(message("200 OK", &fits, b"{}"))]).await;
    assert_eq!(run(&executor(), &get(&upstream.url())).await.0.failure, None);
}

#[rstest]
#[case::no_gzip_at_all(b"plain text".to_vec(), GZIP)]
#[case::cut(gzip(&noise(5_000))[..2_000].to_vec(), GZIP)]
#[case::cut_in_its_header(gzip(b"x")[..5].to_vec(), GZIP)]
#[case::without_its_checksum({ let whole = gzip(b"hello"); whole[..whole.len() - 8].to_vec() }, GZIP)]
#[case::a_wrong_checksum({ let mut whole = gzip(b"hello"); let at = whole.len() - 8; whole[at] ^= 1; whole }, GZIP)]
#[case::a_coding_not_offered(b"x".to_vec(), "content-encoding: br\r\n")]
#[case::twice_coded(gzip(&gzip(b"x")), "content-encoding: gzip, gzip\r\n")]
#[tokio::test]
async fn a_broken_coding_is_malformed(#[case] body: Vec<u8>, #[case] headers: &str) {
    let upstream = Upstream::start([Step::Answer(message("200 OK", headers, &body))]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::MalformedResponse), 1), "{:?}", report.failure);
    assert_eq!(report.response, None);
}

#[tokio::test]
async fn the_head_of_a_body_that_does_not_come_is_handed_on_as_it_is() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99\r\n\r\n".to_vec();
    let upstream = Upstream::start([Step::Answer(head)]).await;
    let (report, _) = run(&executor(), &call(HttpMethod::Head, &upstream.url())).await;
    assert_eq!(report.failure, None);
    let response = report.response.expect("an answer");
    assert!(response.body.is_empty());
    assert!(response.headers.contains(&("content-length".to_owned(), "99".to_owned())));
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let mut answer = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".to_vec();
    answer.extend(message("200 OK", "", b"{}"));
    let upstream = Upstream::start([Step::Answer(answer)]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.response.map(|response| response.status), Some(200));
}

#[tokio::test]
async fn a_gzip_body_that_breaks_off_is_a_reset() {
    let mut cut = message("200 OK", GZIP, &gzip(&noise(5_000)));
    cut.truncate(cut.len() - 1_000);
    let upstream = Upstream::start([Step::AnswerAndClose(cut), ok()]).await;
    let (report, gate) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.failure, None);
    assert_eq!(gate.codes(), [Some(ErrorCode::ConnectionReset), None]);
}
