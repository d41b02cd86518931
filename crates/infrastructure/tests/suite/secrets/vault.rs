//! The store over Vault's key-value engine, against a real server with its protocol.

use std::path::Path;
use std::time::Duration;

use application::ports::{SecretError, SecretStore};
use domain::secret_ref::SecretRef;
use infrastructure::http::TrustedRoots;
use infrastructure::secrets::{CachedStore, VaultLogin, VaultSettings, VaultStore};
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::OpenBao;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{not_found, resolve};

/// What the service needs, and no more.
const POLICY: &str = r#"path "secret/data/hr/*" { capabilities = ["read"] }"#;

fn store(address: &str, mount: &str, login: VaultLogin) -> VaultStore {
    let settings = VaultSettings {
        address: address.parse().expect("an address"),
        mount: mount.to_owned(),
        namespace: None,
        login,
        roots: TrustedRoots::default(),
    };
    VaultStore::new(settings).expect("a store")
}

/// A file with the service's own proof.
fn proof(directory: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, format!("{text}\n")).expect("a file");
    path
}

/// A store with that token, in a file that may change.
fn with_token(address: &str, directory: &TempDir, token: &str) -> VaultStore {
    store(address, "secret", VaultLogin::Token { file: proof(directory, "token", token) })
}

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn unavailable(reference: &str, why: &str) -> Result<String, SecretError> {
    Err(SecretError::Unavailable(format!("the secret `{reference}` could not be read: {why}")))
}

#[tokio::test]
async fn se_s_2_a_name_is_a_path_a_field_a_member_and_a_version_a_version() {
    let (bao, directory) = (OpenBao::start(), directory());
    bao.put_secret("hr/api-key", &json!({ "token": "first", "user": "ana" }));
    bao.put_secret("hr/api-key", &json!({ "token": "second", "user": "ana", "port": 8443 }));
    bao.put_secret("hr/single", &json!({ "anything": "alone" }));
    bao.put_secret("hr/value", &json!({ "value": "the one", "note": "another" }));
    bao.put_secret("hr/empty", &json!({ "token": "", "large": "x".repeat(65_537) }));
    let vault = with_token(&bao.url(), &directory, &bao.token(POLICY, "1h"));
    for (reference, value) in [
        ("vault:hr/api-key#token", "second"),
        ("vault:hr/api-key#token@1", "first"),
        ("vault:hr/api-key#token@2", "second"),
        ("vault:hr/single", "alone"),
        ("vault:hr/value", "the one"),
    ] {
        assert_eq!(resolve(&vault, reference).await.as_deref(), Ok(value), "{reference}");
    }
    for (reference, why) in [
        ("vault:hr/api-key", "has several fields; name one of `port`, `token`, `user`, as in `vault:hr/api-key#FIELD`"),
        ("vault:hr/api-key#key", "has no such field; it has `port`, `token`, `user`"),
        ("vault:hr/api-key#port", "is not a JSON string"),
        ("vault:hr/api-key#token@latest", "names a version that is no number, as Vault's are"),
        ("vault:hr/empty#token", "is empty"),
        ("vault:hr/empty#large", "is too large: a secret has at most 64 KiB"),
    ] {
        assert_eq!(resolve(&vault, reference).await, not_found(&format!("the secret `{reference}` {why}")));
    }
}

#[tokio::test]
async fn se_s_3_missing_is_what_the_store_does_not_have() {
    let (bao, directory) = (OpenBao::start(), directory());
    for value in ["first", "second"] {
        bao.put_secret("hr/key", &json!({ "value": value }));
        bao.put_secret("hr/gone", &json!({ "value": value }));
    }
    bao.tell("DELETE", "secret/data/hr/gone", &json!({}));
    bao.tell("PUT", "secret/destroy/hr/gone", &json!({ "versions": [1] }));
    let vault = with_token(&bao.url(), &directory, &bao.token(POLICY, "1h"));
    for (reference, why) in [
        ("vault:hr/nothing", "does not exist"),
        ("vault:hr/key@7", "does not exist, or not in that version"),
        ("vault:hr/gone", "was deleted"),
        ("vault:hr/gone@1", "was deleted"),
    ] {
        assert_eq!(resolve(&vault, reference).await, not_found(&format!("the secret `{reference}` {why}")));
    }
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("second"));
}

#[tokio::test]
async fn se_s_3_a_store_that_denies_says_nothing_about_existence() {
    let (bao, directory) = (OpenBao::start(), directory());
    bao.put_secret("erp/key", &json!({ "value": "hidden" }));
    let why = "the store denies it (403); see that the service's token is valid and that its policy allows `read` on \
               `secret/data/erp/key`";
    let denied = unavailable("vault:erp/key", why);
    let token = bao.token(POLICY, "1h");
    assert_eq!(resolve(&with_token(&bao.url(), &directory, &token), "vault:erp/key").await, denied);
    assert_eq!(resolve(&with_token(&bao.url(), &directory, "hvs.wrong"), "vault:erp/key").await, denied);
    let elsewhere = store(&bao.url(), "kv", VaultLogin::Token { file: proof(&directory, "root", OpenBao::ROOT_TOKEN) });
    let why = "the store has no key-value engine at `kv`; see `secret_stores.vault.mount`";
    assert_eq!(resolve(&elsewhere, "vault:erp/key").await, unavailable("vault:erp/key", why));
}

#[tokio::test]
async fn se_s_3_a_store_that_is_sealed_or_gone_is_unavailable() {
    let (bao, directory) = (OpenBao::start(), directory());
    bao.put_secret("hr/key", &json!({ "value": "one" }));
    let vault = with_token(&bao.url(), &directory, OpenBao::ROOT_TOKEN);
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("one"));
    bao.tell("PUT", "sys/seal", &json!({}));
    let sealed = "the store is sealed; its operator has to unseal it";
    assert_eq!(resolve(&vault, "vault:hr/key").await, unavailable("vault:hr/key", sealed));
    drop(bao);
    let down = "the store cannot be reached; see the log and `secret_stores.vault.address`";
    assert_eq!(resolve(&vault, "vault:hr/key").await, unavailable("vault:hr/key", down));
}

#[tokio::test]
async fn se_s_3_a_store_that_never_answers_is_waited_for_5_s() {
    let (silent, directory) = (TcpListener::bind("127.0.0.1:0").await.expect("a port"), directory());
    let address = format!("http://{}", silent.local_addr().expect("an address"));
    let vault = with_token(&address, &directory, "token");
    let listening = async {
        let connection = silent.accept().await.expect("a connection");
        tokio::time::pause();
        connection
    };
    let began = Instant::now();
    let (answer, _connection) = tokio::join!(resolve(&vault, "vault:hr/key"), listening);
    assert_eq!(answer, unavailable("vault:hr/key", "the store did not answer within 5 s"));
    let waited = began.elapsed();
    assert!((Duration::from_millis(4_900)..Duration::from_secs(7)).contains(&waited), "{waited:?}");
}

#[rstest]
#[case::empty("")]
#[case::two_words("two words")]
#[tokio::test]
async fn a_token_file_without_a_token_is_told(#[case] text: &str) {
    let directory = directory();
    let vault = with_token("http://127.0.0.1:9", &directory, text);
    let told = "the file with the service's own proof cannot be used; see the log and `secret_stores.vault`";
    assert_eq!(resolve(&vault, "vault:hr/key").await, unavailable("vault:hr/key", told));
}

#[tokio::test]
async fn a_token_that_somebody_rotates_in_its_file_counts_at_once() {
    let (bao, directory) = (OpenBao::start(), directory());
    bao.put_secret("hr/key", &json!({ "value": "one" }));
    let vault = with_token(&bao.url(), &directory, "hvs.stale");
    resolve(&vault, "vault:hr/key").await.expect_err("a token that is not good");
    proof(&directory, "token", &bao.token(POLICY, "1h"));
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("one"));
}

/// Gives the service a role, and answers how it logs in with it.
fn role(bao: &OpenBao, directory: &Path, ttl: &str) -> VaultLogin {
    bao.tell("PUT", "sys/policies/acl/hr", &json!({ "policy": POLICY }));
    bao.tell("POST", "sys/auth/approle", &json!({ "type": "approle" }));
    bao.tell("POST", "auth/approle/role/connectors", &json!({ "token_policies": ["hr"], "token_ttl": ttl }));
    let role_id = bao.ask("GET", "auth/approle/role/connectors/role-id", &json!({}));
    let secret_id = bao.ask("POST", "auth/approle/role/connectors/secret-id", &json!({}));
    let file = directory.join("secret-id");
    std::fs::write(&file, secret_id["data"]["secret_id"].as_str().expect("a secret id")).expect("a file");
    let role_id = role_id["data"]["role_id"].as_str().expect("a role id").to_owned();
    VaultLogin::AppRole { mount: "approle".to_owned(), role_id, secret_id_file: file }
}

/// How many tokens of logins there are.
fn logins(bao: &OpenBao) -> usize {
    let accessors = bao.ask("LIST", "auth/token/accessors", &json!({}));
    let accessors = accessors["data"]["keys"].as_array().expect("accessors").clone();
    let path = |accessor: &Value| bao.ask("POST", "auth/token/lookup-accessor", &json!({ "accessor": accessor }));
    accessors.iter().filter(|accessor| path(accessor)["data"]["path"] == "auth/approle/login").count()
}

#[tokio::test]
async fn an_approle_logs_in_once_and_again_when_its_token_is_revoked() {
    let (bao, directory) = (OpenBao::start(), directory());
    bao.put_secret("hr/key", &json!({ "value": "one" }));
    let vault = store(&bao.url(), "secret", role(&bao, directory.path(), "1h"));
    for _ in 0..3 {
        assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("one"));
    }
    assert_eq!(logins(&bao), 1, "the token is kept");
    bao.tell("PUT", "sys/leases/revoke-prefix/auth/approle/login", &json!({}));
    assert_eq!(logins(&bao), 0);
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("one"));
    assert_eq!(logins(&bao), 1);
}

#[tokio::test]
async fn an_approle_logs_in_again_before_its_token_ends() {
    let (bao, directory) = (OpenBao::start(), directory());
    bao.put_secret("hr/key", &json!({ "value": "one" }));
    let vault = store(&bao.url(), "secret", role(&bao, directory.path(), "1h"));
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("one"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(54)).await;
    tokio::time::resume();
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("one"));
    assert_eq!(logins(&bao), 2, "nine tenths of an hour have passed");
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_apart_from_a_secret_that_is_denied() {
    let (bao, directory) = (OpenBao::start(), directory());
    let login = role(&bao, directory.path(), "1h");
    std::fs::write(directory.path().join("secret-id"), "wrong").expect("a file");
    let why = "the store refuses the service's login (400); see the members of `secret_stores.vault`";
    let vault = store(&bao.url(), "secret", login);
    assert_eq!(resolve(&vault, "vault:hr/key").await, unavailable("vault:hr/key", why));
    // Nobody has switched the method on; the file of the role is still there.
    let jwt_file = directory.path().join("secret-id");
    let login = VaultLogin::Kubernetes { mount: "kubernetes".to_owned(), role: "connectors".to_owned(), jwt_file };
    let refused = resolve(&store(&bao.url(), "secret", login), "vault:hr/key").await;
    let why = "the store refuses the service's login (403); see the members of `secret_stores.vault`";
    assert_eq!(refused, unavailable("vault:hr/key", why));
}

#[tokio::test]
async fn se_s_6_a_rotation_is_seen_after_300_s_and_at_once_by_whom_the_upstream_refuses() {
    let (bao, directory) = (OpenBao::start(), directory());
    bao.put_secret("hr/key", &json!({ "value": "one" }));
    let vault = CachedStore::remote(std::sync::Arc::new(with_token(&bao.url(), &directory, OpenBao::ROOT_TOKEN)));
    let reference = SecretRef::parse("vault:hr/key").expect("a reference");
    let stale = vault.resolve(&reference).await.expect("a secret");
    bao.put_secret("hr/key", &json!({ "value": "two" }));
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("one"), "from the cache");
    let renewed = vault.renew(&reference, &stale).await.expect("a secret");
    assert_eq!(renewed.expose_secret(), "two");
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("two"));
    bao.put_secret("hr/key", &json!({ "value": "three" }));
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(5)).await;
    tokio::time::resume();
    assert_eq!(resolve(&vault, "vault:hr/key").await.as_deref(), Ok("three"));
}
