//! Which tokens are taken.

use serde_json::json;
use test_support::{IdentityProvider, SigningKey};

use super::{TokenVerifier as _, shown, verifier, verify};

#[tokio::test]
async fn se_a_2_every_forged_or_stale_token_is_refused_for_what_is_wrong_with_it() {
    let provider = IdentityProvider::start().await;
    let verifier = verifier(&provider);
    assert_eq!(verify(&verifier, &provider.token(&json!({}))).await.as_deref(), Ok("ana"));
    let forgeries = provider.forgeries();
    assert!(forgeries.len() > 200, "{}", forgeries.len());
    let mut wrong = Vec::new();
    for forgery in &forgeries {
        let unsought = shown(verifier.verify_without_search(&forgery.token).await);
        for judged in [verify(&verifier, &forgery.token).await, unsought] {
            if judged.clone().map_err(|fault| fault.to_string()) != Err(forgery.reason.to_owned()) {
                wrong.push(format!("{}: {judged:?} instead of {}", forgery.name, forgery.reason));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    // The one of the first token, and one for all those with unknown keys.
    assert_eq!(provider.key_fetches(), 2);
    assert_eq!(provider.requests(), 4, "nothing else was asked for");
}

#[tokio::test]
async fn se_a_2_tokens_of_all_three_algorithms_are_taken() {
    let provider = IdentityProvider::start().await;
    let verifier = verifier(&provider);
    let now = provider.claims(&json!({}))["iat"].as_u64().expect("a time");
    for key in &provider.keys {
        let variants = [
            json!({}),
            json!({ "aud": ["account", "connectors"] }),
            json!({ "exp": now.saturating_sub(20) }),
            json!({ "nbf": now + 20 }),
            json!({ "nbf": null, "iat": null }),
            json!({ "exp": 4_102_444_800.75 }),
            json!({ "cnf": null, "deep": [[[[{ "a": [1e300] }]]]] }),
        ];
        for changes in variants {
            let token = key.token(&provider.claims(&changes));
            assert_eq!(verify(&verifier, &token).await.as_deref(), Ok("ana"), "{} {changes}", key.algorithm());
        }
        for typ in [json!("JWT"), json!("jwt"), json!("application/at+jwt"), json!("AT+JWT")] {
            let header = json!({ "alg": key.algorithm(), "kid": key.id(), "typ": typ });
            let token = key.token_with(&header, &provider.claims(&json!({})));
            assert_eq!(verify(&verifier, &token).await.as_deref(), Ok("ana"), "{header}");
        }
        // Without an id it is the only key for its algorithm.
        let token = key.token_with(&json!({ "alg": key.algorithm() }), &provider.claims(&json!({})));
        assert_eq!(verify(&verifier, &token).await.as_deref(), Ok("ana"), "{}", key.algorithm());
    }
    for subject in ["a".repeat(255), "Zoë Müller".to_owned(), "auth0|5f7c8ec7c33c6c004bbafe82".to_owned()] {
        assert_eq!(verify(&verifier, &provider.token(&json!({ "sub": subject }))).await, Ok(subject));
    }
    assert_eq!(provider.key_fetches(), 1);
}

#[tokio::test]
async fn se_a_2_a_token_without_a_key_id_does_not_choose_between_keys() {
    let provider = IdentityProvider::start().await;
    let (one, other) = (SigningKey::p256("one"), SigningKey::p256("other"));
    provider.publish(&[&one, &other]);
    let token = one.token_with(&json!({ "alg": "ES256" }), &provider.claims(&json!({})));
    let judged = verify(&verifier(&provider), &token).await.expect_err("a refusal");
    assert_eq!(judged.to_string(), "it is signed with an unknown key");
}
