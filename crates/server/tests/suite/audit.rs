//! `connectors audit verify`: the verdict without the service.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::{Engine, TestDatabase};

use crate::support::Program;

/// The program on a store of that engine with three entries, and no service.
async fn with_entries(engine: Engine) -> (Program, TestDatabase) {
    let database = TestDatabase::start(engine).await;
    let program = Program::new().with("CONNECTORS_DATABASE_URL", database.url());
    for name in ["ana", "ben"] {
        program.succeed(&["keys", "create", "--name", name, "--role", "auditor"]);
    }
    program.succeed(&["keys", "revoke", "ana"]);
    (program, database)
}

fn verify(program: &Program, arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = program.run(&[&["audit", "verify"], arguments].concat());
    let verdict = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}{}", ended.stdout, ended.stderr));
    assert!(ended.stdout.ends_with("}\n"), "{:?}", ended.stdout);
    (ended.code, verdict)
}

#[rstest]
#[tokio::test]
async fn se_a_5_the_command_prints_the_verdict_and_ends_with_it(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (program, database) = with_entries(engine).await;
    let (code, verdict) = verify(&program, &[]);
    assert_eq!((code, &verdict["valid"], &verdict["entries"]), (Some(0), &json!(true), &json!(3)), "{verdict}");
    let anchor = format!("{}:{}", verdict["head"]["sequence"], verdict["head"]["hash"].as_str().expect("a hash"));
    assert_eq!(verify(&program, &["--head", &anchor]), (Some(0), verdict));

    database.unlock_audit().await;
    let cut = "DELETE FROM audit_entries WHERE sequence = 3; UPDATE audit_head SET sequence = 2, \
         hash = (SELECT hash FROM audit_entries WHERE sequence = 2)";
    database.execute(cut).await;
    assert_eq!(verify(&program, &[]).0, Some(0));
    let (code, verdict) = verify(&program, &["--head", &anchor]);
    assert_eq!((code, &verdict["firstInvalidSequence"]), (Some(1), &json!(3)), "{verdict}");
    database.restore_audit().await;
    database.execute("UPDATE audit_entries SET actor = NULL WHERE sequence = 2").await;
    let (code, verdict) = verify(&program, &[]);
    assert_eq!((code, &verdict["firstInvalidSequence"]), (Some(1), &json!(2)), "{verdict}");
}

#[rstest]
#[case("12")]
#[case("x:0000000000000000000000000000000000000000000000000000000000000000")]
#[case("1:0000")]
fn a_head_that_is_none_is_a_wrong_command_line(#[case] head: &str) {
    let ended = Program::new().run(&["audit", "verify", "--head", head]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("64 hexadecimal digits"), "{}", ended.stderr);
}

/// 1 would say that the trail is not valid, which nobody knows.
#[test]
fn a_store_that_cannot_be_read_is_told_from_an_invalid_trail_and_left_alone() {
    let program = Program::new();
    let missing = program.run(&["audit", "verify"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(3), ""), "{}", missing.stderr);
    assert!(missing.stderr.contains("there is no store at data/connectors.db"), "{}", missing.stderr);
    assert_eq!(std::fs::read_dir(program.directory()).expect("the directory").count(), 0, "nothing is made");

    let empty = program.with_file("data/connectors.db", "").with_file("data/other.db", &"no database ".repeat(100));
    let unmigrated = empty.run(&["audit", "verify"]);
    assert_eq!((unmigrated.code, unmigrated.stdout.as_str()), (Some(3), ""), "{}", unmigrated.stderr);
    let kept = std::fs::read(empty.directory().join("data/connectors.db")).expect("the file");
    assert_eq!(kept, b"", "nothing is migrated");
    let other = empty.run(&["audit", "verify", "--database-url", "sqlite://data/other.db"]);
    assert_eq!((other.code, other.stdout.as_str()), (Some(3), ""), "{}", other.stderr);

    let away = empty.run(&["audit", "verify", "--database-url", "postgres://me@127.0.0.1:1/esg"]);
    assert_eq!((away.code, away.stdout.as_str()), (Some(3), ""), "{}", away.stderr);
}
