//! The commands beside `serve`.

use std::time::Duration;

use rstest::rstest;
use test_support::{Engine, TestDatabase};

use crate::support::{Ended, Program, Running};

/// The program on a store of that engine, with keys.
fn program_on(database: &TestDatabase) -> Program {
    Program::new().with("CONNECTORS_DATABASE_URL", database.url()).with("CONNECTORS_AUTH_MODE", "api-key")
}

async fn status(service: &Running, key: &str, target: &str) -> u16 {
    service.request("GET", target).key(key).send().await.status
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_key_is_printed_alone_works_and_is_gone_when_it_is_revoked(#[case] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let program = program_on(&database);
    let created = program.run(&["keys", "create", "--name", "ana", "--role", "admin"]);
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    let key = created.stdout.strip_suffix('\n').expect("a line");
    assert!(key.starts_with("esgc_") && !key.contains(char::is_whitespace), "{key:?}");
    assert!(!created.stderr.contains(key));

    let service = program.start(&["serve"]);
    assert_eq!(status(&service, key, "/api/v1/connectors").await, 200);
    assert_eq!(status(&service, &key.replace("esgc_", "esgc_0"), "/api/v1/connectors").await, 401);
    let audit = service.request("GET", "/api/v1/audit").key(key).send().await.expect(200);
    let entry = &audit["items"][0];
    assert_eq!(entry["action"], "key.created");
    assert_eq!((entry["actor"].as_str(), entry["actorType"].as_str()), (Some("local"), Some("Local")));
    assert!(entry["correlationId"].as_str().is_some_and(|id| id.len() == 36), "{entry}");
    assert!(!audit.to_string().contains(key));

    program.succeed(&["keys", "revoke", "ana"]);
    assert_eq!(status(&service, key, "/api/v1/connectors").await, 401);
    let again = program.run(&["keys", "revoke", "ana"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("there is no key `ana` that is not revoked"), "{}", again.stderr);
    let log = service.stop().join("\n");
    assert!(!log.contains(key) && !created.stderr.contains(key));
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn se_s_4_a_key_is_not_called_by_a_secret(#[case] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let program = program_on(&database);
    let other = program.succeed(&["keys", "create", "--name", "ana", "--role", "viewer"]);
    let ended = program.run(&["keys", "create", "--name", other.trim_end(), "--role", "viewer"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--name: looks like an API key of this service"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(other.trim_end()) && ended.stdout.is_empty());
    assert_eq!(program.succeed(&["keys", "list"]).matches("viewer").count(), 1);
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_key_ends_with_its_expiry(#[case] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let program = program_on(&database);
    let key = program.succeed(&["keys", "create", "--name", "temp", "--role", "viewer", "--expires", "2999-12-31"]);
    assert!(program.succeed(&["keys", "list"]).contains("3000-01-01T00:00:00Z"));
    let service = program.start(&["serve"]);
    assert_eq!(status(&service, key.trim(), "/api/v1/connectors").await, 200);
    database.execute("UPDATE api_keys SET expires_at = '2020-01-01T00:00:00.000000Z'").await;
    assert_eq!(status(&service, key.trim(), "/api/v1/connectors").await, 401);
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn se_a_2_the_last_use_of_a_key_outlives_the_process_that_saw_it(#[case] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let program = program_on(&database);
    let [first, second] = ["first", "second"].map(|name| {
        program.succeed(&["keys", "create", "--name", name, "--role", "viewer", "--reason", "tests"]).trim().to_owned()
    });
    program.succeed(&["keys", "create", "--name", "unused", "--role", "viewer"]);
    let service = program.start(&["serve"]);
    for key in [&first, &second, &first, &second] {
        assert_eq!(status(&service, key, "/api/v1/connectors").await, 200);
    }
    service.stop();
    let used = database.rows("SELECT name, CAST(last_used_at AS TEXT) FROM api_keys ORDER BY name").await;
    let known: Vec<_> = used.iter().map(|row| (row[0].as_str(), row[1] != "-")).collect();
    assert_eq!(known, [("first", true), ("second", true), ("unused", false)]);
    assert!(used[0][1] < used[1][1], "the last use of each: {used:?}");
    let list = program.succeed(&["keys", "list"]);
    let shown: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((shown[3][0], shown[3][7]), ("unused", "never"));
    assert!(shown[1][7].starts_with("20") && shown[1][7].ends_with('Z'), "{list}");
    assert_eq!(program.run(&["keys", "revoke", "first", "--reason", &"x".repeat(501)]).code, Some(2));
    program.succeed(&["keys", "revoke", "first", "--reason", "done"]);
    let reasons =
        database.rows("SELECT action, reason FROM audit_entries WHERE subject = 'keys/first' ORDER BY sequence").await;
    assert_eq!(reasons, [["key.created", "tests"], ["key.revoked", "done"]]);
}

#[test]
fn keys_are_listed_with_everything_but_themselves() {
    let program = Program::new();
    let key = program.succeed(&["keys", "create", "--name", "ana", "--role", "operator"]);
    program.succeed(&[
        "keys",
        "create",
        "--name",
        "ben",
        "--role",
        "auditor",
        "--expires",
        "2999-01-01T12:00:00+02:00",
    ]);
    program.succeed(&["keys", "revoke", "ana"]);
    program.succeed(&["keys", "create", "--name", "ana", "--role", "viewer"]);
    let list = program.succeed(&["keys", "list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "ROLE", "CONNECTORS", "CREATED", "EXPIRES", "LAST", "USED", "REVOKED"]);
    assert_eq!(rows[1][..3], ["ana", "operator", "all"]);
    assert_eq!(rows[1][4..], ["by", "local", "never", "never", rows[1][8], "by", "local"]);
    assert_eq!(rows[2][..3], ["ana", "viewer", "all"]);
    assert_eq!(rows[3][..3], ["ben", "auditor", "all"]);
    assert_eq!(rows[3][6..], ["2999-01-01T10:00:00Z", "never", "no"]);
    assert!(!list.contains(key.trim()));
}

#[rstest]
#[case(&["--name", "a b", "--role", "viewer", "--expires", "2020-01-01"], &["--name: must be 1 to 100", "--expires: must be in the future"])]
#[case(&["--name", "a", "--role", "service"], &["--connector: a key of the role `service` needs at least one connector"])]
#[case(&["--name", "a", "--role", "service", "--connector", "0197a000-0000-7000-8000-000000000000"], &["--connector 0197a000-0000-7000-8000-000000000000: there is no connector of this id"])]
#[case(&["--name", "a", "--role", "viewer", "--connector", "0197a000-0000-7000-8000-000000000000"], &["--connector: only a key of the role `service`"])]
#[case(&["--name", "a", "--role", "boss"], &["possible values: viewer, operator, approver, admin, auditor, service"])]
#[case(&["--name", "a", "--role", "viewer", "--expires", "31.12.2999"], &["write a date as 2026-12-31"])]
#[case(&["--name", "a"], &["--role <ROLE>"])]
fn a_key_that_cannot_be_is_not_made(#[case] arguments: &[&str], #[case] expected: &[&str]) {
    let program = Program::new();
    let ended = program.run(&[&["keys", "create"], arguments].concat());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    for text in expected {
        assert!(ended.stderr.contains(text), "{}", ended.stderr);
    }
    assert_eq!(program.succeed(&["keys", "list"]).lines().count(), 1);
}

#[test]
fn a_name_is_taken_until_its_key_is_revoked() {
    let program = Program::new();
    let create = ["keys", "create", "--name", "ana", "--role", "admin"];
    program.succeed(&create);
    let second = program.run(&create);
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""));
    assert!(second.stderr.contains("there is a key `ana` already"), "{}", second.stderr);
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn migrating_twice_changes_nothing_the_second_time(#[case] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let program = program_on(&database);
    assert!(program.run(&["migrate"]).stderr.contains("now has the schema of this version"));
    let again = program.run(&["migrate"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""));
    assert!(again.stderr.contains("has already the schema of this version"), "{}", again.stderr);
}

#[tokio::test]
async fn a_role_without_rights_on_the_schema_serves_one_that_is_current_and_says_so_about_another() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let owner = program_on(&database);
    let name = database.url().rsplit_once('/').expect("a database").1.replace("connectors_test", "connectors_role");
    database.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'hunter2'")).await;
    let (scheme, rest) = database.url().split_once("://").expect("a URL");
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let restricted = Program::new().with("CONNECTORS_DATABASE_URL", &format!("{scheme}://{name}:hunter2@{place}"));

    let early = restricted.run(&["serve", "--listen", "127.0.0.1:0"]);
    owner.succeed(&["migrate"]);
    let rights = "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO";
    database.execute(&format!("{rights} {name}")).await;
    let service = restricted.start(&["serve"]);
    let ready = service.request("GET", "/readyz").send().await.status;
    service.stop();
    database.execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;

    assert_eq!(early.code, Some(1));
    assert!(early.stderr.contains("run `connectors migrate` with a role that may"), "{}", early.stderr);
    assert!(!early.stderr.contains("hunter2"), "{}", early.stderr);
    assert_eq!(ready, 200);
}

#[tokio::test]
async fn the_document_is_printed_as_it_is_served_whatever_the_configuration_is() {
    let printed = Program::new().with("CONNECTORS_LISTEN", "wrong").succeed(&["openapi"]);
    assert!(printed.starts_with("{\n") && printed.ends_with("}\n"));
    let program = Program::new();
    let service = program.start(&[]);
    assert_eq!(service.request("GET", "/openapi.json").send().await.text(), printed.as_str());
}

#[rstest]
#[case(&["frobnicate"], "unrecognized subcommand 'frobnicate'")]
#[case(&["serve", "--lisen", "127.0.0.1:0"], "unexpected argument '--lisen'")]
#[case(&["--listen", "127.0.0.1:0", "keys", "list"], "`--listen` is for the commands that serve")]
#[case(&["keys"], "Usage: connectors keys")]
fn a_wrong_command_line_is_explained(#[case] arguments: &[&str], #[case] expected: &str) {
    let Ended { code, stdout, stderr } = Program::new().run(arguments);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn help_and_version_are_results() {
    let program = Program::new();
    assert_eq!(program.succeed(&["--version"]), concat!("connectors ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = program.succeed(&["--help"]);
    for text in ["serve", "demo", "migrate", "keys", "openapi", "--config <FILE>", "Exit codes"] {
        assert!(help.contains(text), "{text}: {help}");
    }
    assert_eq!(std::fs::read_dir(program.directory()).expect("the directory").count(), 0);
}

#[test]
fn a_store_that_is_not_there_is_explained_in_time() {
    let begun = std::time::Instant::now();
    let url = "postgres://me@127.0.0.1:1/esg";
    for arguments in [&["serve"][..], &["migrate"], &["keys", "list"]] {
        let ended = Program::new().with("CONNECTORS_DATABASE_URL", url).run(arguments);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("cannot use the store {url}")), "{}", ended.stderr);
        assert!(ended.stderr.contains("see that PostgreSQL runs there"), "{}", ended.stderr);
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}
