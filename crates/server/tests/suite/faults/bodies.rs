//! Row 10 and OUT: answers of enormous size cost little and end with a clear code.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use test_support::Engine::Sqlite;

use super::counts::ENORMOUS;
use super::script::Step::{Hang, Read, Repeat};
use super::script::{Scripted, Step, write};
use super::{UNLIMITED, execute_all, memory};
use crate::support::service::Service;

const MIB: usize = 1024 * 1024;
const GIB_10: u64 = 10 * 1024 * 1024 * 1024;

/// What one of these answers may cost.
const BUDGET: u64 = 64 * 1024 * 1024;

/// What eight of them may cost that are read at once.
const BUDGET_OF_EIGHT: u64 = 4 * BUDGET;

struct Enormous {
    name: &'static str,
    script: Vec<Step>,
    code: &'static str,
}

fn enormous(name: &'static str, code: &'static str, head: &str, rest: impl IntoIterator<Item = Step>) -> Enormous {
    let head = write(&format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n{head}"));
    Enormous { name, script: [Read, head].into_iter().chain(rest).chain([Hang]).collect(), code }
}

/// 10 GiB of zeros as one gzip member without its end: a head, and 160 times the same 64 MiB.
fn bomb() -> [Step; 2] {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.flush().expect("memory");
    let head = encoder.get_ref().len();
    encoder.write_all(&vec![0; 64 * MIB]).expect("memory");
    // To a whole byte, so that what follows can be the same again.
    encoder.flush().expect("memory");
    let bytes = encoder.get_ref();
    [Step::Write(bytes[..head].to_vec()), Repeat(bytes[head..].to_vec(), 160)]
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// A body of this coding and its whole length.
fn coded(name: &'static str, code: &'static str, coding: &str, body: Vec<u8>) -> Enormous {
    let head = format!("Content-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    enormous(name, code, &head, [Step::Write(body)])
}

fn cases() -> Vec<Enormous> {
    let zeros = vec![b'0'; 64 * 1024];
    let times = GIB_10 / zeros.len() as u64;
    let chunk = [b"10000\r\n".as_slice(), &zeros, b"\r\n"].concat();
    let headers = "X-Reading: 12.5\r\n".repeat(10_000);
    let line = format!("X-Reading: {}\r\n", "a".repeat(1_000));
    let large = "response-too-large";
    let nested = gzip(&gzip(&vec![0; 64 * MIB]));
    vec![
        enormous("10 GiB", large, &format!("Content-Length: {GIB_10}\r\n\r\n"), [Repeat(zeros.clone(), times)]),
        enormous("10 GiB in chunks", large, "Transfer-Encoding: chunked\r\n\r\n", [Repeat(chunk, times)]),
        enormous("10 GiB without a length", large, "\r\n", [Repeat(zeros.clone(), times)]),
        enormous("a bomb of 10 GiB", large, "Content-Encoding: gzip\r\n\r\n", bomb()),
        coded("a bomb below 10 MiB", large, "gzip", gzip(&vec![0; 9 * MIB])),
        coded("a bomb in a bomb", "malformed-response", "gzip, gzip", nested.clone()),
        coded("a bomb in a bomb, by two headers", "malformed-response", "gzip\r\nContent-Encoding: gzip", nested),
        enormous("10 000 headers", large, &format!("{headers}Content-Length: 2\r\n\r\n"), [write("{}")]),
        enormous("headers of 10 GiB", large, "", [Repeat(line.into_bytes(), GIB_10 / 1_000)]),
        enormous("a header of 10 GiB", large, "X-Reading: ", [Repeat(zeros.clone(), times)]),
        enormous(
            "a trailer of 10 GiB",
            "malformed-response",
            "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Reading: ",
            [Repeat(zeros.clone(), times)],
        ),
        enormous(
            "a chunk extension of 10 GiB",
            "malformed-response",
            "Transfer-Encoding: chunked\r\n\r\n2;reading=",
            [Repeat(zeros, times)],
        ),
    ]
}

#[tokio::test]
async fn fault_10_out_an_answer_of_any_size_costs_less_than_64_mib() {
    let service = Service::configured(Sqlite, &UNLIMITED).await;
    let warm =
        Scripted::start(vec![Read, write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")]).await;
    let path = service.register_enabled(&warm.connector(&json!({ "name": "an honest one" }))).await;
    service.execute(&path, &call()).await;
    // The one measure for all of them, so that what an earlier one left behind counts as well.
    let before_all = memory::resident(service.process());

    let mut upstreams = Vec::new();
    for Enormous { name, script, code } in cases() {
        let upstream = Scripted::start(script).await;
        let members = json!({ "name": name, "maxRetryAttempts": 3, "retryDelaySeconds": 0 });
        let path = service.register_enabled(&upstream.connector(&members)).await;
        upstreams.push((name, upstream, path, code));
    }
    for (at_once, budget) in [(1, BUDGET), (8, BUDGET_OF_EIGHT)] {
        let (mut answers, mut most, mut costliest) = (0, 0, "");
        memory::forget_peak(service.process());
        for (name, upstream, path, code) in (0..ENORMOUS.count()).flat_map(|_| &upstreams) {
            let before = (upstream.hits(), upstream.written());
            let call = call();
            for execution in execute_all(&service, &vec![(path.as_str(), &call); at_once]).await {
                let log = &execution["log"];
                assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!(code)), "{name}: {log:#}");
                assert_eq!((&log["attemptCount"], &execution["response"]), (&json!(1), &Value::Null), "{name}");
            }
            assert_eq!(upstream.hits() - before.0, at_once, "{name}: not repeated");
            let written = upstream.written() - before.1;
            assert!(written < BUDGET * at_once as u64, "{name}: {written} bytes were taken");
            let cost = memory::peak(service.process()).saturating_sub(before_all);
            assert!(cost < budget, "{name}, {at_once} at once: {cost} bytes");
            answers += at_once;
            if cost > most {
                (most, costliest) = (cost, *name);
            }
        }
        let mebibytes = most.div_ceil(MIB as u64);
        ENORMOUS.reached(format_args!(
            "{answers} enormous answers, {at_once} at once: at most {mebibytes} MiB of memory ({costliest})"
        ));
    }
}

fn call() -> Value {
    json!({ "operationType": "pull", "endpoint": "/readings" })
}
