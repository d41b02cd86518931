//! Connectors whose secrets live in AWS Secrets Manager or Azure Key Vault.

use std::sync::{Arc, Mutex};

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::{KeyVault, Moto};

use crate::support::Program;
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

const PROOF: &str = "Xyz8Q~service-secret-of-the-application";

/// An upstream that takes one token, which can be changed.
async fn upstream(token: &Arc<Mutex<&'static str>>) -> Upstream {
    let token = token.clone();
    Upstream::start(move |hit, _| {
        let expected = format!("Bearer {}", token.lock().expect("a token"));
        if hit.header("authorization") == Some(expected.as_str()) {
            Reply::json(&json!({ "ok": true }))
        } else {
            Reply::status(401)
        }
    })
    .await
}

fn connector(upstream: &Upstream) -> Value {
    upstream.connector(&json!({
        "authenticationType": "Bearer", "authenticationSecretRef": "SecretStore:erp-token",
        "capabilities": ["pull"],
    }))
}

fn pull() -> Value {
    json!({ "operationType": "pull", "endpoint": "/records" })
}

fn aws(moto: &Moto) -> Vec<(&'static str, String)> {
    vec![
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_KIND", "aws".to_owned()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_REGION", moto.region().to_owned()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_ENDPOINT_URL", moto.url()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_PREFIX", "connectors/".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
    ]
}

/// The program's configuration for a vault, with the files that it needs.
fn azure(vault: &KeyVault, files: &tempfile::TempDir) -> Vec<(&'static str, String)> {
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    vec![
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_KIND", "azure".to_owned()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_VAULT_URL", vault.url()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_AUTH", "client-secret".to_owned()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_TENANT_ID", KeyVault::TENANT.to_owned()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_CLIENT_ID", KeyVault::CLIENT.to_owned()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_CLIENT_SECRET_FILE", write("proof", PROOF)),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_AUTHORITY_URL", vault.url()),
        ("CONNECTORS_SECRET_STORES_SECRETSTORE_RESOURCE", KeyVault::RESOURCE.to_owned()),
        ("CONNECTORS_EXTRA_CA_FILE", write("authority.pem", vault.authority())),
    ]
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// What `connectors secrets check` says with this configuration: the exit code, and the text.
fn check(variables: &[(&'static str, String)]) -> (Option<i32>, String) {
    let program = variables.iter().fold(Program::new(), |program, (name, value)| program.with(name, value));
    let ended = program.run(&["secrets", "check", "SecretStore:erp-token"]);
    (ended.code, ended.stdout + &ended.stderr)
}

/// A call with the old secret, one after its rotation, one when the store is away and nothing is cached.
async fn survives(
    engine: Engine,
    variables: &[(&'static str, String)],
    rotate: impl FnOnce(),
    end: impl AsyncFnOnce(),
) {
    let token = Arc::new(Mutex::new("old"));
    let upstream = upstream(&token).await;
    let mut service = Service::configured(engine, &borrowed(variables)).await;
    let path = service.register_enabled(&connector(&upstream)).await;
    let execution = service.execute(&path, &pull()).await;
    assert_eq!(execution["log"]["status"], "Success", "{execution:#}");

    rotate();
    *token.lock().expect("a token") = "new";
    let execution = service.execute(&path, &pull()).await;
    assert_eq!(execution["log"]["status"], "Success", "{execution:#}");
    assert_eq!(upstream.hits().len(), 3, "one with the old secret, one refused, one with the new");

    end().await;
    service.kill_and_start_again();
    let execution = service.execute(&path, &pull()).await;
    assert_eq!(execution["log"]["status"], "Failed", "{execution:#}");
    assert_eq!(execution["log"]["errorCode"], "secret-unavailable", "{execution:#}");
    assert_eq!(upstream.hits().len(), 3, "no request goes out without its secret");
}

#[rstest]
#[tokio::test]
async fn se_s_6_a_connector_with_a_secret_in_aws_survives_its_rotation(#[values(Sqlite, Postgres)] engine: Engine) {
    let moto = Mutex::new(Moto::start());
    let lock = || moto.lock().expect("moto");
    lock().create("connectors/erp-token", "old");
    let variables = aws(&lock());
    let rotate = || drop(lock().put("connectors/erp-token", "new"));
    survives(engine, &variables, rotate, async || lock().end()).await;
}

#[rstest]
#[tokio::test]
async fn se_s_6_a_connector_with_a_secret_in_azure_survives_its_rotation(#[values(Sqlite, Postgres)] engine: Engine) {
    let vault = KeyVault::start(PROOF).await;
    let files = tempfile::TempDir::new().expect("a directory");
    vault.put("erp-token", "old");
    let variables = azure(&vault, &files);
    let rotate = || drop(vault.put("erp-token", "new"));
    survives(engine, &variables, rotate, async || vault.stop_listening().await).await;
}

#[tokio::test]
async fn se_s_2_the_check_says_what_is_wrong_with_aws() {
    let mut moto = Moto::start();
    let variables = aws(&moto);
    let (code, text) = check(&variables);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the secret `SecretStore:erp-token` does not exist"), "{text}");
    moto.create("connectors/erp-token", "value-of-it");
    let (code, text) = check(&variables);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("value-of-it"), "{text}");

    let mut nobody: Vec<_> = variables.iter().filter(|(name, _)| !name.starts_with("AWS_")).cloned().collect();
    nobody.push(("AWS_EC2_METADATA_DISABLED", "true".to_owned()));
    let (code, text) = check(&nobody);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the service has no AWS credentials"), "{text}");

    moto.end();
    let (code, text) = check(&variables);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the store cannot be reached"), "{text}");
    assert!(!text.contains("bPxRfiCYEXAMPLEKEY"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn se_s_2_the_check_says_what_is_wrong_with_azure() {
    let vault = KeyVault::start(PROOF).await;
    let files = tempfile::TempDir::new().expect("a directory");
    let variables = azure(&vault, &files);
    let (code, text) = check(&variables);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the secret `SecretStore:erp-token` does not exist"), "{text}");
    vault.put("erp-token", "value-of-it");
    let (code, text) = check(&variables);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("value-of-it"), "{text}");

    vault.rotate_proof("another");
    let (code, text) = check(&variables);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Azure refuses the service's login (401)") && text.contains("AADSTS7000215"), "{text}");
    assert!(!text.contains(PROOF), "{text}");

    vault.stop_listening().await;
    let (code, text) = check(&variables);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the store cannot be reached"), "{text}");
}
