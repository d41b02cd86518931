//! The provider's keys: which are used, when they are asked for, and what happens while it is away.

use std::time::Duration;

use application::ports::TokenFault;
use infrastructure::oidc::{InvalidIssuer, Issuer};
use serde_json::{Value, json};
use test_support::{IdentityProvider, SigningKey};

use super::{TokenVerifier as _, later, shown, undecided, verifier, verify};

fn changed(key: &SigningKey, member: &str, value: &Value) -> Value {
    let mut jwk = key.jwk();
    jwk[member] = value.clone();
    jwk
}

#[tokio::test]
async fn se_a_2_keys_that_are_not_for_signing_tokens_are_not_used() {
    let provider = IdentityProvider::start().await;
    let [rsa, ec, ed] = &provider.keys;
    // 1024 bits: the upper half of the modulus is cut off.
    let modulus = rsa.jwk()["n"].as_str().expect("a modulus")[..172].to_owned();
    for (key, jwk) in [
        (rsa, changed(rsa, "use", &json!("enc"))),
        (rsa, changed(rsa, "use", &json!(null))),
        (rsa, changed(rsa, "key_ops", &json!(["encrypt", "sign"]))),
        (rsa, changed(rsa, "key_ops", &json!("verify"))),
        (rsa, changed(rsa, "alg", &json!("RS512"))),
        (rsa, changed(rsa, "alg", &json!("RSA-OAEP"))),
        (rsa, changed(rsa, "alg", &json!("ES256"))),
        (rsa, changed(rsa, "kty", &json!("oct"))),
        (rsa, changed(rsa, "n", &json!(modulus))),
        (rsa, changed(rsa, "n", &json!(format!("{}{modulus}", "A".repeat(172))))),
        (rsa, changed(rsa, "n", &json!("not base64url!"))),
        (ec, changed(ec, "crv", &json!("P-384"))),
        (ec, changed(ec, "x", &json!("AAAA"))),
        (ed, changed(ed, "crv", &json!("X25519"))),
        (ed, changed(ed, "x", &json!("AAAA"))),
        // Whoever reads the set can sign with these.
        (rsa, changed(rsa, "d", &json!("AQAB"))),
        (ec, changed(ec, "d", &json!("AQAB"))),
        (ed, changed(ed, "d", &json!(null))),
    ] {
        let spare = SigningKey::p256("spare");
        provider.publish_set(&json!({ "keys": [7, jwk, null, spare.jwk()] }));
        let verifier = verifier(&provider);
        let judged = verify(&verifier, &key.token(&provider.claims(&json!({})))).await;
        assert_eq!(judged, Err(TokenFault::UnknownKey), "{jwk}");
        assert_eq!(verify(&verifier, &spare.token(&provider.claims(&json!({})))).await.as_deref(), Ok("ana"));
    }
    let jwk = changed(rsa, "key_ops", &json!(["verify"]));
    provider.publish_set(&json!({ "keys": [jwk] }));
    assert_eq!(verify(&verifier(&provider), &provider.token(&json!({}))).await.as_deref(), Ok("ana"));
}

#[tokio::test]
async fn se_a_2_a_new_key_is_picked_up_and_a_flood_of_unknown_ones_makes_one_fetch_a_minute() {
    let provider = IdentityProvider::start().await;
    let verifier = verifier(&provider);
    assert!(verify(&verifier, &provider.token(&json!({}))).await.is_ok());

    let new = SigningKey::p256("ec-2");
    provider.publish(&[&provider.keys[0], &new]);
    let token = new.token(&provider.claims(&json!({})));
    let at_once = (0..50).map(|_| verify(&verifier, &token));
    for judged in futures_util::future::join_all(at_once).await {
        assert_eq!(judged.as_deref(), Ok("ana"));
    }
    assert_eq!(provider.key_fetches(), 2);

    for number in 0..300 {
        let stranger = SigningKey::ed25519(&format!("unknown-{number}"));
        let judged = verify(&verifier, &stranger.token(&provider.claims(&json!({})))).await;
        assert_eq!(judged, Err(TokenFault::UnknownKey));
    }
    assert_eq!(provider.key_fetches(), 2);
    later(60).await;
    for _ in 0..10 {
        let stranger = SigningKey::ed25519("unknown");
        verify(&verifier, &stranger.token(&provider.claims(&json!({})))).await.expect_err("a refusal");
    }
    assert_eq!(provider.key_fetches(), 3);
}

#[tokio::test]
async fn se_a_2_a_key_that_the_provider_took_back_is_gone_after_ten_minutes() {
    let provider = IdentityProvider::start().await;
    let verifier = verifier(&provider);
    let token = provider.token(&json!({}));
    assert!(verify(&verifier, &token).await.is_ok());
    provider.publish(&[&provider.keys[1]]);
    later(599).await;
    assert!(verify(&verifier, &token).await.is_ok());
    later(2).await;
    assert_eq!(verify(&verifier, &token).await, Err(TokenFault::UnknownKey));
    assert_eq!(provider.key_fetches(), 2, "keys that were fetched for this token are not fetched again");
}

#[tokio::test]
async fn se_a_2_a_provider_that_took_all_its_keys_back_is_not_taken_for_one_that_is_away() {
    let provider = IdentityProvider::start().await;
    let verifier = verifier(&provider);
    let token = provider.token(&json!({}));
    for taken_back in [json!({ "keys": [] }), json!({ "keys": [changed(&provider.keys[0], "use", &json!("enc"))] })] {
        provider.publish(&[&provider.keys[0]]);
        later(600).await;
        assert!(verify(&verifier, &token).await.is_ok());
        provider.publish_set(&taken_back);
        later(600).await;
        assert!(undecided(&verifier, &token).await > Duration::ZERO, "{taken_back}");
    }
}

#[tokio::test]
async fn se_a_4_for_a_throttled_address_old_keys_are_asked_for_again_and_unknown_ones_are_not() {
    let provider = IdentityProvider::start().await;
    let verifier = verifier(&provider);
    let token = provider.token(&json!({}));
    // Nobody else needs to have brought a token since the start.
    assert_eq!(shown(verifier.verify_without_search(&token).await).as_deref(), Ok("ana"));
    provider.publish(&[&provider.keys[1]]);
    later(601).await;
    assert_eq!(shown(verifier.verify_without_search(&token).await), Err(TokenFault::UnknownKey));
    assert_eq!(provider.key_fetches(), 2);
    later(60).await;
    assert_eq!(shown(verifier.verify_without_search(&token).await), Err(TokenFault::UnknownKey));
    assert_eq!(provider.key_fetches(), 2);
}

#[tokio::test]
async fn se_a_2_while_the_provider_is_away_its_keys_are_used_for_a_day() {
    let provider = IdentityProvider::start().await;
    let verifier = verifier(&provider);
    let token = provider.token(&json!({}));
    assert!(verify(&verifier, &token).await.is_ok());
    let asked = provider.requests();
    provider.be_away(true);
    later(3_600).await;
    for _ in 0..20 {
        assert!(verify(&verifier, &token).await.is_ok());
    }
    assert_eq!(provider.requests(), asked + 1, "it is asked once a minute");
    later(60).await;
    assert!(verify(&verifier, &token).await.is_ok());
    assert_eq!(provider.requests(), asked + 2);
    later(23 * 3_600).await;
    assert!(undecided(&verifier, &token).await > Duration::ZERO);
    provider.be_away(false);
    later(60).await;
    assert!(verify(&verifier, &token).await.is_ok());
}

#[tokio::test]
async fn se_a_2_without_any_key_nobody_can_tell_and_the_provider_is_left_alone_for_a_moment() {
    let provider = IdentityProvider::start().await;
    provider.be_away(true);
    let verifier = verifier(&provider);
    let token = provider.token(&json!({}));
    for _ in 0..20 {
        let wait = undecided(&verifier, &token).await;
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(5), "{wait:?}");
    }
    assert_eq!(provider.requests(), 1);
    // What is wrong in any case is told in any case.
    assert_eq!(verify(&verifier, "nonsense").await, Err(TokenFault::Malformed));
    provider.be_away(false);
    later(5).await;
    assert!(verify(&verifier, &token).await.is_ok());
}

#[tokio::test]
async fn se_a_2_a_provider_that_is_not_what_it_should_be_has_no_keys() {
    let provider = IdentityProvider::start().await;
    let token = provider.token(&json!({}));
    let issuer = provider.issuer();
    let keys = format!("{issuer}/keys");
    for configuration in [
        json!({ "issuer": format!("{issuer}/"), "jwks_uri": keys }),
        json!({ "issuer": "https://login.example.com", "jwks_uri": keys }),
        json!({ "jwks_uri": keys }),
        json!({ "issuer": issuer }),
        json!({ "issuer": issuer, "jwks_uri": "http://192.0.2.1/keys" }),
        json!({ "issuer": issuer, "jwks_uri": "file:///etc/passwd" }),
        json!({ "issuer": issuer, "jwks_uri": 7 }),
        json!([]),
        json!("x".repeat(600 * 1_024)),
    ] {
        provider.configure(&configuration);
        undecided(&verifier(&provider), &token).await;
    }
    provider.configure(&json!({ "issuer": issuer, "jwks_uri": keys }));
    for set in [json!({ "keys": [] }), json!({}), json!([]), json!(null), json!({ "keys": { "rsa-1": 1 } })] {
        provider.publish_set(&set);
        undecided(&verifier(&provider), &token).await;
    }
    provider.publish(&[&provider.keys[0]]);
    for status in [302, 404, 500] {
        provider.answer_with(status);
        undecided(&verifier(&provider), &token).await;
    }
    provider.answer_with(200);
    assert!(verify(&verifier(&provider), &token).await.is_ok());
}

#[test]
fn se_a_2_an_issuer_is_https_or_on_this_machine() {
    for right in
        ["https://login.example.com", "https://login.example.com/realms/esg/", "http://127.0.0.1:8080/realms/esg"]
    {
        assert_eq!(Issuer::parse(right).expect("an issuer").as_str(), right);
    }
    assert_eq!(Issuer::parse("http://login.example.com"), Err(InvalidIssuer::Plain));
    for wrong in [
        "",
        "login.example.com",
        "https://login.example.com?tenant=1",
        "https://login.example.com#a",
        "https://me@login.example.com",
        "ftp://login.example.com",
        " https://login.example.com",
    ] {
        assert_eq!(Issuer::parse(wrong), Err(InvalidIssuer::Form), "{wrong}");
    }
}
