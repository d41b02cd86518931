//! `demo`: what a newcomer sees, and whether it is true.

use crate::support::Program;

/// A row of the table, by the end of its correlation id.
#[track_caller]
fn row<'a>(screen: &'a [String], tag: &str) -> &'a str {
    let row = screen.iter().find(|line| line.ends_with(tag));
    row.unwrap_or_else(|| panic!("no row ends with {tag}: {screen:#?}"))
}

/// Plays the demo to its end, tries the lines that it prints, ends it by SIGTERM, and answers what it showed.
async fn play(program: &Program) -> Vec<String> {
    let mut demo = program.start_demo();
    let line = demo.wait_for_line("/logs/by-correlation/");
    let base = format!("http://{}", demo.address);
    let target = |line: &str| {
        let (_, target) = line.split_once(&base).expect("a line for curl");
        target.split(' ').next().unwrap_or_default().to_owned()
    };
    let trace = demo.request("GET", &target(&line)).send().await.expect(200);
    assert_eq!(trace["items"][0]["connectorName"], "Demo HR", "{trace}");
    assert_eq!(trace["items"][0]["attemptCount"], 3, "{trace}");
    let line = demo.wait_for_line("/enable");
    let enabled = demo.request("POST", &target(&line)).send().await.expect(200);
    assert_eq!(enabled["status"], "Enabled", "{enabled}");
    demo.wait_for_line("/docs");
    demo.stop()
}

#[tokio::test]
async fn the_demo_shows_every_kind_of_outcome_and_runs_again_in_the_same_folder() {
    let program = Program::new();
    let screen = play(&program).await;
    for (tag, expected) in [
        ("-hr-headcount", "✓ Success 200 1"),
        ("-hr-training", "✓ Success 200 3"),
        ("-erp-accrual", "✓ Success 201 1"),
        ("-power-today", "✓ Success 200 2"),
        ("-water-down", "✗ Failed 503 3"),
        ("-waste-down", "✗ Failed – 3"),
        ("-old-hr-key", "✗ Failed 401 1"),
        ("-travel-off", "- Skipped – 0"),
    ] {
        let row = row(&screen, tag).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(row.contains(expected), "{row}");
    }
    let headcount: Vec<_> = row(&screen, "-hr-headcount").split_whitespace().collect();
    assert_eq!(headcount[headcount.len() - 3..][..2], ["247", "3"], "mapped and rejected");
    for line in screen.iter().filter(|line| !line.contains("curl")) {
        assert!(line.chars().count() <= 120, "{line}");
        assert!(!line.contains(['\u{1b}', '\r']), "no terminal, no colours: {line}");
    }

    let again = play(&program).await;
    assert!(again.iter().any(|line| line.contains("7 known from an earlier run, updated")), "{again:#?}");
    assert!(row(&again, "-travel-trips").contains("✓ Success"), "{again:#?}");
    assert!(row(&again, "-travel-off").contains("- Skipped"), "{again:#?}");
    assert!(!program.directory().join("data/connectors.db").exists(), "the service's own store stays untouched");
}

#[test]
fn the_demo_does_not_begin_where_it_could_not_go_on() {
    let program = Program::new().with("CONNECTORS_AUTH_MODE", "api-key");
    let ended = program.run(&["demo", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("set `auth.mode` to `none`"), "{}", ended.stderr);
    let entries = std::fs::read_dir(program.directory()).expect("the directory").count();
    assert_eq!(entries, 0, "nothing was written");
}
