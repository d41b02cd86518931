//! Azure Key Vault: the official client against a server that speaks its protocol over TLS.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use application::ports::{SecretError, SecretStore};
use domain::secret_ref::SecretRef;
use infrastructure::http::TrustedRoots;
use infrastructure::secrets::{AzureCredential, AzureSettings, AzureStore, CachedStore};
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use test_support::KeyVault;

use super::{not_found, resolve};

const PROOF: &str = "Xyz8Q~service-secret-of-the-application";

/// A vault, a store on it, and the file with the service's proof.
struct World {
    vault: KeyVault,
    store: AzureStore,
    proof: PathBuf,
    directory: TempDir,
}

async fn world() -> World {
    world_with(|proof| AzureCredential::ClientSecret {
        tenant_id: KeyVault::TENANT.to_owned(),
        client_id: KeyVault::CLIENT.to_owned(),
        secret_file: proof,
    })
    .await
}

async fn world_with(credential: impl FnOnce(PathBuf) -> AzureCredential) -> World {
    let vault = KeyVault::start(PROOF).await;
    let directory = TempDir::new().expect("a directory");
    let proof = directory.path().join("proof");
    std::fs::write(&proof, format!("{PROOF}\n")).expect("a file");
    let store = AzureStore::new(settings(&vault, credential(proof.clone()))).expect("a store");
    World { vault, store, proof, directory }
}

fn settings(vault: &KeyVault, credential: AzureCredential) -> AzureSettings {
    AzureSettings {
        vault_url: vault.url().parse().expect("a URL"),
        credential,
        authority_url: Some(vault.url().parse().expect("a URL")),
        resource: Some(KeyVault::RESOURCE.to_owned()),
        roots: TrustedRoots { extra: vec![vault.authority().as_bytes().to_vec()] },
    }
}

/// Why it is unavailable, after what every such text begins with.
async fn unavailable(store: &dyn SecretStore, reference: &str) -> String {
    match resolve(store, reference).await {
        Err(SecretError::Unavailable(text)) => {
            assert!(!text.contains(PROOF), "{text}");
            let start = format!("the secret `{reference}` could not be read: ");
            text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn se_s_2_a_secret_of_azure_is_found_by_name_field_and_version() {
    let World { vault, store, .. } = &world().await;
    let first = vault.put("hr-api-key", r#"{"key":"first"}"#);
    vault.put("hr-api-key", r#"{"key":"second"}"#);
    assert_eq!(resolve(store, "azure:hr-api-key#key").await.as_deref(), Ok("second"));
    assert_eq!(resolve(store, "azure:hr-api-key").await.as_deref(), Ok(r#"{"key":"second"}"#));
    assert_eq!(resolve(store, &format!("azure:hr-api-key#key@{first}")).await.as_deref(), Ok("first"));
    assert_eq!(vault.logins(), 1, "a token is used until it ends");
}

#[tokio::test]
async fn se_s_2_what_azure_does_not_give_out_is_not_found() {
    let World { vault, store, .. } = &world().await;
    let missing = not_found("the secret `azure:erp` does not exist, or was deleted");
    assert_eq!(resolve(store, "azure:erp").await, missing);
    vault.put("erp", "value");
    let other = not_found("the secret `azure:erp@0` does not exist, or not in that version");
    assert_eq!(resolve(store, "azure:erp@0").await, other);
    vault.disable("erp");
    assert_eq!(resolve(store, "azure:erp").await, not_found("the secret `azure:erp` is disabled"));
    vault.delete("erp");
    assert_eq!(resolve(store, "azure:erp").await, missing);
}

#[rstest]
#[case("hr/api-key")]
#[case("hr_api_key")]
#[case("hr.api")]
#[tokio::test]
async fn se_s_2_a_name_that_azure_cannot_have_is_not_asked_for(#[case] name: &str) {
    let World { vault, store, .. } = &world().await;
    let reference = format!("azure:{name}");
    let text =
        format!("the secret `{reference}` cannot exist: names in Azure Key Vault are made of letters, digits and `-`");
    assert_eq!(resolve(store, &reference).await, not_found(&text));
    assert_eq!(vault.logins(), 0);
}

#[rstest]
#[case::denied(
    403,
    "Forbidden",
    "the store denies it (403); see that the service's identity may `get` secrets (the role Key Vault Secrets User), and the vault's firewall"
)]
#[case::throttled(429, "Throttled", "the store throttles the service; try again later")]
#[case::failing(500, "InternalError", "the store answered with the status 500; see the log")]
#[case::other_service(404, "ResourceNotFound", "the store answered with the status 404; see the log")]
#[case::no_secret(
    200,
    "Welcome",
    "what answered is not this Azure Key Vault; see the log and `secret_stores.azure.vault_url`"
)]
#[tokio::test]
async fn se_s_2_a_refusal_of_azure_is_named(#[case] status: u16, #[case] code: &str, #[case] expected: &str) {
    let World { vault, store, .. } = &world().await;
    vault.put("erp", "value");
    let body = if status == 200 { json!([code]) } else { json!({ "error": { "code": code, "message": PROOF } }) };
    vault.answer(status, body);
    assert_eq!(unavailable(store, "azure:erp").await, expected);
}

#[tokio::test]
async fn se_s_2_azure_that_is_away_is_said_at_once() {
    let World { vault, store, .. } = &world().await;
    vault.put("erp", "value");
    assert_eq!(resolve(store, "azure:erp").await.as_deref(), Ok("value"));
    vault.stop_listening().await;
    let away = "the store cannot be reached; see the log and `secret_stores.azure.vault_url`";
    assert_eq!(unavailable(store, "azure:erp").await, away);
}

#[tokio::test]
async fn se_s_2_azure_that_is_silent_is_given_up_after_5_s() {
    let World { vault, store, .. } = &world().await;
    vault.fall_silent();
    let begun = Instant::now();
    assert_eq!(unavailable(store, "azure:erp").await, "the store did not answer within 5 s");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn se_s_2_a_vault_with_an_unknown_certificate_is_told_nothing() {
    let World { vault, proof, .. } = &world().await;
    let credential = AzureCredential::ClientSecret {
        tenant_id: KeyVault::TENANT.to_owned(),
        client_id: KeyVault::CLIENT.to_owned(),
        secret_file: proof.clone(),
    };
    let settings = AzureSettings { roots: TrustedRoots::default(), ..settings(vault, credential) };
    let store = AzureStore::new(settings).expect("a store");
    let untrusted = "TLS with the store failed; see the log, `secret_stores.azure.vault_url` and `extra_ca_file`";
    assert_eq!(unavailable(&store, "azure:erp").await, untrusted);
    assert_eq!(vault.logins(), 0);
}

#[tokio::test]
async fn se_s_6_a_rotated_secret_of_azure_is_seen_when_an_upstream_refuses_the_old_one() {
    let World { vault, store, directory, .. } = world().await;
    let store = CachedStore::remote(std::sync::Arc::new(store));
    vault.put("erp", "old");
    let reference = SecretRef::parse("azure:erp").expect("a reference");
    let held = store.resolve(&reference).await.expect("a secret");
    vault.put("erp", "new");
    assert_eq!(resolve(&store, "azure:erp").await.as_deref(), Ok("old"), "it is cached");
    store.renew(&reference, &held).await.expect("a secret");
    assert_eq!(resolve(&store, "azure:erp").await.as_deref(), Ok("new"));
    drop(directory);
}

#[tokio::test]
async fn se_s_2_the_services_own_secret_may_be_rotated_under_it() {
    let World { vault, store, proof, .. } = &world().await;
    vault.put("erp", "value");
    assert_eq!(resolve(store, "azure:erp").await.as_deref(), Ok("value"));
    vault.rotate_proof("another");
    let refused = "Azure refuses the service's login (401); see the log and the members of `secret_stores.azure`";
    assert_eq!(unavailable(store, "azure:erp").await, refused);
    std::fs::write(proof, "another").expect("a file");
    assert_eq!(resolve(store, "azure:erp").await.as_deref(), Ok("value"));
    // With a client that is held, too.
    vault.rotate_proof("a third");
    std::fs::write(proof, "a third").expect("a file");
    assert_eq!(resolve(store, "azure:erp").await.as_deref(), Ok("value"));
    std::fs::remove_file(proof).expect("a file");
    vault.rotate_proof("a fourth");
    let missing = "the service's own identity cannot be had; see the log and the members of `secret_stores.azure`";
    assert_eq!(unavailable(store, "azure:erp").await, missing);
}

#[tokio::test]
async fn se_s_2_a_workload_proves_itself_with_the_token_of_its_service_account() {
    let world = world_with(|proof| AzureCredential::WorkloadIdentity {
        tenant_id: Some(KeyVault::TENANT.to_owned()),
        client_id: Some(KeyVault::CLIENT.to_owned()),
        token_file: Some(proof),
    });
    let World { vault, store, proof, .. } = &world.await;
    vault.put("erp", "value");
    // The token stands in the file as it is.
    std::fs::write(proof, PROOF).expect("a file");
    assert_eq!(resolve(store, "azure:erp").await.as_deref(), Ok("value"));
}

#[tokio::test]
async fn se_s_2_a_vault_that_asks_for_a_token_for_something_else_gets_none() {
    let World { vault, store, .. } = &world().await;
    vault.put("erp", "value");
    vault.ask_for("https://management.azure.com");
    let strange = "what answered is not this Azure Key Vault; see the log and `secret_stores.azure.vault_url`";
    assert_eq!(unavailable(store, "azure:erp").await, strange);
    assert_eq!(vault.logins(), 0);
}
