//! Connectors whose secrets are in Vault: a real server with its protocol, and the built program.

use std::path::PathBuf;

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::OpenBao;

use crate::support::Program;
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const CONNECTORS: &str = "/api/v1/connectors";

const POLICY: &str = r#"path "secret/data/hr/*" { capabilities = ["read"] }"#;

/// The variables that make a Vault the store `SecretStore`.
fn variables(bao: &OpenBao, token_file: &str) -> [(&'static str, String); 3] {
    [
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_KIND", "vault".to_owned()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_ADDRESS", bao.url()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_TOKEN_FILE", token_file.to_owned()),
    ]
}

/// A file with a token that may read `hr/`.
fn token_file(bao: &OpenBao, directory: &TempDir) -> PathBuf {
    let path = directory.path().join("token");
    std::fs::write(&path, bao.token(POLICY, "1h")).expect("a file");
    path
}

async fn service(engine: Engine, bao: &OpenBao, directory: &TempDir, level: &str) -> Service {
    let file = token_file(bao, directory);
    let variables = variables(bao, file.to_str().expect("a path"));
    let level = ("CONNECTORS_LOG_LEVEL", level.to_owned());
    let variables: Vec<(&str, &str)> =
        variables.iter().chain([&level]).map(|(name, value)| (*name, value.as_str())).collect();
    Service::configured(engine, &variables).await
}

fn bearer(reference: &str) -> Value {
    json!({ "authenticationType": "Bearer", "authenticationSecretRef": reference })
}

#[rstest]
#[tokio::test]
async fn se_s_6_a_secret_in_vault_is_sent_and_its_rotation_changes_no_connector(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let (bao, directory) = (OpenBao::start(), TempDir::new().expect("a directory"));
    bao.put_secret("hr/key", &json!({ "token": "c4nary-of-vault-1", "note": "c4nary-of-vault-note" }));
    let upstream = Upstream::empty().await;
    let mut service = service(engine, &bao, &directory, "trace").await;
    let path = service.register_enabled(&upstream.connector(&bearer("SecretStore:hr/key#token"))).await;
    let before = service.get(&path).await.expect(200);
    let call = json!({ "operationType": "pull", "endpoint": "/people" });
    assert_eq!(service.execute(&path, &call).await["log"]["status"], "Success");

    bao.put_secret("hr/key", &json!({ "token": "c4nary-of-vault-2" }));
    assert_eq!(service.execute(&path, &call).await["log"]["status"], "Success");
    service.kill_and_start_again();
    assert_eq!(service.execute(&path, &call).await["log"]["status"], "Success");
    let sent: Vec<String> =
        upstream.hits().iter().filter_map(|hit| hit.header("authorization").map(str::to_owned)).collect();
    let (first, second) = ("Bearer c4nary-of-vault-1", "Bearer c4nary-of-vault-2");
    assert_eq!(sent, [first, first, second], "the second call has it from the cache, which the new process lacks");
    assert_eq!(service.get(&path).await.expect(200), before);

    let (log, _database) = service.stop();
    let log = json!(log).to_string();
    let token = std::fs::read_to_string(directory.path().join("token")).expect("a token");
    assert!(!log.contains("c4nary") && !log.contains(&token), "the log has a secret");
}

#[rstest]
#[tokio::test]
async fn se_s_3_a_secret_is_looked_for_in_vault_before_a_connector_is_saved(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let (bao, directory) = (OpenBao::start(), TempDir::new().expect("a directory"));
    bao.put_secret("hr/key", &json!({ "value": "there" }));
    let upstream = Upstream::empty().await;
    let service = service(engine, &bao, &directory, "info").await;
    let path = service.register(&upstream.connector(&bearer("SecretStore:hr/key"))).await;
    let before = service.get(&path).await.expect(200);

    let missing = upstream.connector(&bearer("SecretStore:hr/nothing"));
    for answer in [service.post(CONNECTORS, &missing).await, service.put(&path, &missing).await] {
        let problem = answer.expect(422);
        assert_eq!(problem["code"], "secret-not-found");
        let fault = &problem["errors"][0];
        assert_eq!(fault["pointer"], "/authenticationSecretRef");
        assert_eq!(fault["detail"], "the secret `SecretStore:hr/nothing` does not exist");
    }
    bao.tell("PUT", "sys/seal", &json!({}));
    let unknown = upstream.connector(&bearer("SecretStore:hr/other"));
    for answer in [service.post(CONNECTORS, &unknown).await, service.put(&path, &unknown).await] {
        assert_eq!(answer.expect(503)["code"], "secret-store-unavailable");
    }
    assert_eq!(service.get(&path).await.expect(200), before, "nothing is saved");
    assert_eq!(service.items(CONNECTORS).await.len(), 1);
    let (log, _database) = service.stop();
    assert!(json!(log).to_string().contains("the store is sealed; its operator has to unseal it"));
}

#[test]
fn a_reference_is_checked_without_showing_its_value() {
    let (bao, directory) = (OpenBao::start(), TempDir::new().expect("a directory"));
    bao.put_secret("hr/key", &json!({ "token": "c4nary" }));
    let file = token_file(&bao, &directory);
    let program = variables(&bao, file.to_str().expect("a path"))
        .iter()
        .fold(Program::new(), |program, (name, value)| program.with(name, value));
    let there = program.run(&["secrets", "check", "SecretStore:hr/key#token"]);
    assert_eq!((there.code, there.stdout.as_str()), (Some(0), "the secret `SecretStore:hr/key#token` is there\n"));
    assert_eq!(there.stderr, "");
    for (reference, code, why) in [
        ("SecretStore:hr/key#user", 1, "the secret `SecretStore:hr/key#user` has no such field; it has `token`"),
        ("SecretStore:hr/none", 1, "the secret `SecretStore:hr/none` does not exist"),
        ("SecretStore:erp/key", 1, "the store denies it (403)"),
        ("vault:hr/key", 1, "`vault:hr/key`: no secret store of that name is configured; configured are: SecretStore"),
        ("hr/key", 2, "must read `store:name`, optionally followed by `#field` and `@version`"),
    ] {
        let ended = program.run(&["secrets", "check", reference]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{reference}");
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert!(!ended.stderr.contains("c4nary"), "{}", ended.stderr);
    }
}
