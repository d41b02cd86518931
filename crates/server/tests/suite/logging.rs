//! Log lines that nobody takes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::exchange::Request;

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_does_not_end_the_service() {
    let directory = TempDir::new().expect("a directory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_connectors"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(directory.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let listening = log.find_map(|line| line.ok().filter(|line| line.contains("listening on"))).expect("it listens");
    let line: Value = serde_json::from_str(&listening).expect("a line of JSON");
    let address = line["address"].as_str().expect("an address").parse().expect("an address");
    drop(log);

    for _ in 0..3 {
        assert_eq!(Request::new(address, "GET", "/livez").send().await.status, 200);
    }
    assert_eq!(child.try_wait().expect("asked"), None, "it lives");
    child.kill().expect("killed");
    child.wait().expect("ended");
}
