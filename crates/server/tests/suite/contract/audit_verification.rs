//! The trail proves itself: verification, and what a third party can do with an export.

use std::process::Command;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::connector;

const AUDIT: &str = "/api/v1/audit";
const VERIFY: &str = "/api/v1/audit/verify";
const EXPORT: &str = "/api/v1/audit/export";
const HR: &str = "https://api.hr-system.example.com/v1";

/// The page that tells third parties how to verify an export.
const PAGE: &str = include_str!("../../../../../docs/audit.md");

/// A service whose trail has six entries.
async fn with_history(engine: Engine) -> Service {
    let service = Service::start(engine).await;
    for name in ["Ökostrom \"A\"", "=HYPERLINK(1)"] {
        let path = service.register(&connector(HR, &json!({ "name": name, "description": "a,b\n\u{2028}" }))).await;
        for (act, reason) in [("enable", "=1+1"), ("disable", "line 1\nline \"2\"")] {
            service.post(&format!("{path}/{act}"), &json!({ "reason": reason })).await.expect(200);
        }
    }
    service
}

async fn anchor(service: &Service) -> String {
    let newest = service.items(AUDIT).await.swap_remove(0);
    format!("{}:{}", newest["sequence"], newest["hash"].as_str().expect("a hash"))
}

#[rstest]
#[tokio::test]
async fn se_a_5_a_valid_trail_is_answered_with_its_head(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let head = json!({ "sequence": 0, "hash": "0".repeat(64) });
    let expected = json!({ "valid": true, "entries": 0, "head": head, "firstInvalidSequence": null, "problem": null });
    assert_eq!(service.get(VERIFY).await.expect(200), expected);
    assert_eq!(service.get(EXPORT).await.text(), "");

    let service = with_history(engine).await;
    let newest = &service.items(AUDIT).await[0];
    let head = json!({ "sequence": 6, "hash": newest["hash"] });
    let expected = json!({ "valid": true, "entries": 6, "head": head, "firstInvalidSequence": null, "problem": null });
    let anchor = anchor(&service).await;
    for target in [VERIFY.to_owned(), format!("{VERIFY}?head={anchor}")] {
        let answer = service.get(&target).await;
        assert_eq!(answer.expect(200), expected);
        // The order of the members is the contract's.
        assert!(answer.text().starts_with("{\"valid\":true,\"entries\":6,\"head\":{\"sequence\":6,\"hash\":\""));
    }
    for (query, pointer) in [
        ("head=", "/head"),
        ("head=6", "/head"),
        ("head=6:00", "/head"),
        ("head=0:1", "/head"),
        (&format!("head={anchor}&head={anchor}"), "/head"),
        ("anchor=1", "/anchor"),
    ] {
        assert_eq!(service.get(&format!("{VERIFY}?{query}")).await.pointers(), [pointer], "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn se_a_5_what_was_tampered_with_is_named_and_told_in_the_log(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = with_history(engine).await;
    let anchor = anchor(&service).await;
    service.database().unlock_audit().await;
    service.behind_its_back("UPDATE audit_entries SET action = 'nonsense' WHERE sequence = 4").await;
    let verdict = service.get(VERIFY).await.expect(200);
    assert_eq!((&verdict["valid"], &verdict["firstInvalidSequence"]), (&json!(false), &json!(4)), "{verdict}");
    assert_eq!((&verdict["entries"], &verdict["head"]["sequence"]), (&json!(6), &json!(6)), "{verdict}");
    assert_eq!(verdict["problem"], "entry 4 was edited: its hash is not that of its content");
    // What cannot be read as an entry can be handed on, so that it can be looked at.
    let lines = service.get(EXPORT).await;
    assert!(lines.text().lines().nth(3).is_some_and(|line| line.contains("\"nonsense\"")), "{}", lines.text());

    service.database().restore_audit().await;
    let cut = "DELETE FROM audit_entries WHERE sequence > 4; UPDATE audit_head SET sequence = 4, \
         hash = (SELECT hash FROM audit_entries WHERE sequence = 4)";
    service.behind_its_back(cut).await;
    assert_eq!(service.get(VERIFY).await.expect(200)["valid"], true);
    let verdict = service.get(&format!("{VERIFY}?head={anchor}")).await.expect(200);
    assert_eq!(verdict["firstInvalidSequence"], 5, "{verdict}");
    assert_eq!(verdict["problem"], "entry 5 is missing: the anchor names entry 6");

    let (lines, _database) = service.stop();
    let told = lines.iter().filter(|line| line["security_event"] == "audit-invalid");
    assert_eq!(told.map(|line| line["sequence"].clone()).collect::<Vec<_>>(), [json!(4), json!(5)]);
}

#[rstest]
#[tokio::test]
async fn se_a_5_every_head_is_in_the_log_at_every_level(#[values(Sqlite, Postgres)] engine: Engine) {
    // The program itself has to say where it listens.
    let service = Service::configured(engine, &[("CONNECTORS_LOG_LEVEL", "error,connectors=info")]).await;
    let path = service.register(&connector(HR, &json!({}))).await;
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    service.post("/api/v1/connectors", &connector(HR, &json!({}))).await.problem(409, "connector-name-taken");
    let entries = service.items(AUDIT).await;
    let (lines, _database) = service.stop();
    let heads: Vec<_> = lines.iter().filter(|line| line["target"] == "audit_head").collect();
    assert_eq!((heads.len(), entries.len()), (2, 2), "{lines:#?}");
    for (head, entry) in heads.into_iter().zip(entries.iter().rev()) {
        assert_eq!((&head["sequence"], &head["hash"]), (&entry["sequence"], &entry["hash"]));
    }
}

#[rstest]
#[tokio::test]
async fn an_export_has_what_the_list_has_the_oldest_first(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = with_history(engine).await;
    let answer = service.get(EXPORT).await;
    assert_eq!((answer.status, answer.whole), (200, true));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"audit.ndjson\""));
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let mut listed = service.items(AUDIT).await;
    listed.reverse();
    for (line, entry) in lines.iter().zip(&mut listed) {
        // The list leaves out what is zero of a second's fraction; the text that was hashed does not.
        let (text, at) = (line["at"].as_str().expect("a time"), entry["at"].take());
        let at = at.as_str().expect("a time").trim_end_matches('Z');
        assert!(text.starts_with(at) && text.len() == "2026-01-31T04:05:00.000000Z".len(), "{text} {at}");
        entry["at"] = line["at"].clone();
    }
    assert_eq!(lines, listed);

    let filtered = service.get(&format!("{EXPORT}?action=connector.enabled")).await;
    assert_eq!(filtered.text().lines().count(), 2);
    assert_eq!(service.get(&format!("{EXPORT}?actor=nobody")).await.text(), "");
    assert_eq!(service.get(&format!("{EXPORT}?limit=3&from=x")).await.pointers(), ["/from", "/limit"]);
}

#[rstest]
#[tokio::test]
async fn an_export_for_spreadsheets_runs_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = with_history(engine).await;
    let answer = service.request("GET", EXPORT).header("Accept", "text/csv").send().await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let (names, rest) = answer.text().split_once("\r\n").expect("lines");
    assert_eq!(
        names,
        "sequence,at,actor,actorType,action,subject,connectorId,reason,changes,correlationId,sourceAddress,\
         previousHash,hash"
    );
    assert!(rest.contains(",'=1+1,") && !rest.contains(",=1+1,"), "{rest}");
    assert!(rest.contains(",\"line 1\nline \"\"2\"\"\","), "{rest}");
    assert!(rest.ends_with("\r\n"));
    let other = service.request("GET", EXPORT).header("Accept", "application/pdf").send().await;
    other.problem(406, "not-acceptable");
}

/// Runs the recipe of the page on a file with these lines; answers whether it passes, and what it says.
fn recipe(lines: &[&str]) -> (bool, String) {
    let (_, rest) = PAGE.split_once("```python\n").expect("the recipe");
    let (recipe, _) = rest.split_once("```").expect("its end");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("audit.ndjson");
    std::fs::write(&file, lines.join("\n") + "\n").expect("written");
    let run = Command::new("python3").args(["-c", recipe]).arg(&file).output().expect("python3");
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8(text).expect("text")).concat();
    (run.status.success(), said.trim().to_owned())
}

#[rstest]
#[tokio::test]
async fn se_a_5_a_third_party_verifies_an_export_with_the_recipe_of_the_page(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let service = with_history(engine).await;
    // More digits than Python reads as a number.
    let number: Value = serde_json::from_str(&"7".repeat(5_000)).expect("a number");
    let entry = json!({ "externalField": "a", "internalField": "b", "transform": "direct", "defaultValue": number });
    let long = json!({ "name": "long", "mappingConfiguration": { "mappings": [entry] } });
    service.register(&connector(HR, &long)).await;
    let answer = service.get(EXPORT).await;
    let lines: Vec<&str> = answer.text().lines().collect();
    assert!(answer.text().contains(&number.to_string()));
    assert_eq!(recipe(&lines), (true, anchor(&service).await));
    assert!(recipe(&lines[..4]).0, "a cut tail shows against the anchor alone");

    let wrong = |number: usize| (false, format!("entry {number} is not as it was written"));
    for index in 0..lines.len() {
        let edited = lines[index].replace("\"actor\":\"local\"", "\"actor\":\"eve\"");
        let mut lines = lines.clone();
        lines[index] = &edited;
        assert_eq!(recipe(&lines), wrong(index + 1));
    }
    let (first, last) = lines.split_at(2);
    assert_eq!(recipe(&[first, &last[1..]].concat()), wrong(3));
    assert_eq!(recipe(&[first, first, last].concat()), wrong(3));
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    assert_eq!(recipe(&swapped), wrong(4));
    let filtered = service.get(&format!("{EXPORT}?action=connector.enabled")).await;
    assert_eq!(recipe(&filtered.text().lines().collect::<Vec<_>>()), wrong(1));
}

/// What cannot be read is behind the second page: the answer has begun by then. On SQLite alone, since a view that fails
/// at a row is put in the place of the table.
#[tokio::test]
async fn an_export_that_fails_on_its_way_is_cut_off() {
    let service = with_history(Sqlite).await;
    let database = service.database();
    database.unlock_audit().await;
    let more = "WITH RECURSIVE n (n) AS (SELECT 7 UNION ALL SELECT n + 1 FROM n WHERE n < 600) \
         INSERT INTO kept_audit_entries SELECT n, at, actor, actor_type, action, subject, connector_id, reason, changes, \
             correlation_id, source_address, previous_hash, hash FROM n, audit_entries WHERE sequence = 1; \
         UPDATE audit_head SET sequence = 600; DROP TABLE audit_entries";
    database.execute(more).await;
    database.execute(&failing_behind(500)).await;
    let answer = service.get(EXPORT).await;
    assert_eq!((answer.status, answer.whole), (200, false));
    assert_eq!(answer.text().lines().count(), 400, "two pages came");
    assert!(service.get(&format!("{EXPORT}?action=connector.enabled")).await.whole);
    database.execute(&format!("DROP VIEW audit_entries; {}", failing_behind(0))).await;
    service.get(EXPORT).await.problem(500, "internal-error");
}

fn failing_behind(number: usize) -> String {
    format!(
        "CREATE VIEW audit_entries AS SELECT sequence, at, actor, actor_type, action, subject, connector_id, reason, \
         CASE WHEN sequence > {number} THEN json('no' || sequence) ELSE changes END AS changes, correlation_id, \
         source_address, previous_hash, hash FROM kept_audit_entries"
    )
}
