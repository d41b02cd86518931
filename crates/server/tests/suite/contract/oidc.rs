//! Access tokens of an OpenID Connect provider, at the built program (SE-A-2).

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::{IdentityProvider, SigningKey};

use crate::oauth2::Provider;
use crate::support::canary::dump;
use crate::support::exchange::Answer;
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const CONNECTORS: &str = "/api/v1/connectors";

/// A service that takes tokens of this provider, and whatever else the variables say.
async fn service_of(engine: Engine, issuer: &str, mode: &str, variables: &[(&str, &str)]) -> Service {
    let mut all = vec![
        ("CONNECTORS_AUTH_MODE", mode),
        ("CONNECTORS_AUTH_ISSUER", issuer),
        ("CONNECTORS_AUTH_AUDIENCE", IdentityProvider::AUDIENCE),
    ];
    all.extend(variables);
    Service::configured(engine, &all).await
}

async fn list(service: &Service, token: &str) -> Answer {
    service.request("GET", CONNECTORS).key(token).send().await
}

fn connector() -> Value {
    json!({
        "name": "Forged", "connectorType": "HR", "endpointBaseUrl": "https://hr.example.com",
        "authenticationType": "None", "capabilities": ["pull"],
    })
}

/// Asserts that it is the 401 that tells nothing, and answers its challenge.
#[track_caller]
fn refusal(name: &str, answer: &Answer) -> String {
    assert_eq!(answer.status, 401, "{name}: {}", answer.text());
    let problem = answer.problem(401, "unauthenticated");
    assert_eq!(problem["detail"], "the credentials are not valid", "{name}");
    answer.header("www-authenticate").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn se_a_2_no_forged_or_stale_token_reaches_a_handler_and_none_is_seen_again() {
    let provider = IdentityProvider::start().await;
    let level = [("CONNECTORS_LOG_LEVEL", "trace")];
    let service = service_of(Sqlite, &provider.issuer(), "api-key+oidc", &level).await;
    let admin = provider.token(&json!({}));
    list(&service, &admin).await.expect(200);
    let forgeries = provider.forgeries();
    for forgery in &forgeries {
        let request = service.request("POST", CONNECTORS).key(&forgery.token).json(&connector());
        let answer = request.send().await;
        let challenge = refusal(&forgery.name, &answer);
        assert_eq!(challenge, "Bearer realm=\"connectors\", error=\"invalid_token\"", "{}", forgery.name);
        assert!(!answer.text().contains(&forgery.token), "{}", forgery.name);
    }
    assert_eq!(list(&service, &admin).await.expect(200)["items"], json!([]));
    assert_eq!(provider.key_fetches(), 2, "unknown keys make one fetch a minute");

    let (lines, database) = service.stop();
    let refused = |line: &&Value| line["security_event"] == "credentials-refused";
    let reasons: Vec<&str> = lines.iter().filter(refused).filter_map(|line| line["reason"].as_str()).collect();
    assert_eq!(reasons, forgeries.iter().map(|forgery| forgery.reason).collect::<Vec<_>>());
    let log = json!(lines).to_string();
    let rows = dump(Sqlite, &database).await;
    for forgery in forgeries.iter().filter(|forgery| forgery.token.len() > 20) {
        assert!(!log.contains(&forgery.token), "the log has: {}", forgery.name);
        let (_, last) = forgery.token.rsplit_once('.').unwrap_or(("", &forgery.token));
        assert!(last.len() < 20 || !log.contains(last), "the log has the signature of: {}", forgery.name);
        assert!(!rows.contains(&forgery.token), "the database has: {}", forgery.name);
    }
    assert!(!log.contains("/etc/passwd") && !log.contains("UNION SELECT"), "the log repeats what forgers wrote");
}

#[tokio::test]
async fn se_a_2_a_valid_token_counts_in_one_authorization_header_and_nowhere_else() {
    let provider = IdentityProvider::start().await;
    let service = service_of(Sqlite, &provider.issuer(), "oidc", &[]).await;
    let token = provider.token(&json!({}));
    for right in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
        service.request("GET", CONNECTORS).header("Authorization", &right).send().await.expect(200);
    }
    for wrong in [
        token.clone(),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("Bearer: {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer \t{token}"),
        format!("Bearer{token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token};"),
        format!("Bearer {token}%00"),
        format!("Bearer token={token}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {}", token.replacen('.', " .", 1)),
        format!("Bearer Bearer {token}"),
    ] {
        let answer = service.request("GET", CONNECTORS).header("Authorization", &wrong).send().await;
        assert!(refusal(&wrong, &answer).starts_with("Bearer realm=\"connectors\""), "{wrong}");
    }
    let twice = service.request("GET", CONNECTORS).key(&token).key(&token).send().await;
    assert_eq!(refusal("two headers", &twice), "Bearer realm=\"connectors\"");
    for (name, value) in [
        ("Cookie", format!("access_token={token}")),
        ("X-Access-Token", token.clone()),
        ("Proxy-Authorization", format!("Bearer {token}")),
        ("X-Forwarded-Authorization", format!("Bearer {token}")),
    ] {
        let answer = service.request("GET", CONNECTORS).header(name, &value).send().await;
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"connectors\""), "{name}");
    }
    let in_query = service.get(&format!("{CONNECTORS}?access_token={token}")).await;
    in_query.problem(401, "unauthenticated");
    assert!(!in_query.text().contains(&token));
    let (lines, _database) = service.stop();
    assert!(!json!(lines).to_string().contains(&token));
}

#[rstest]
#[tokio::test]
async fn se_a_2_the_subject_acts_beside_a_key_of_the_same_name_and_is_told_from_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let provider = IdentityProvider::start().await;
    let upstream = Upstream::empty().await;
    let service = service_of(engine, &provider.issuer(), "api-key+oidc", &[]).await;
    let key = service.key("ana", "admin", &[]);
    let [rsa, ec, ed] = &provider.keys;
    let claims = provider.claims(&json!({}));
    let created = service.request("POST", CONNECTORS).key(&rsa.token(&claims)).json(&upstream.connector(&json!({})));
    let created = created.header("X-Correlation-ID", "by-token").send().await.expect(201);
    assert_eq!(created["createdBy"], "ana");
    let path = format!("{CONNECTORS}/{}", created["id"].as_str().expect("an id"));
    service.request("POST", &format!("{path}/enable")).key(&key).send().await.expect(200);
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    let executed = service.request("POST", &format!("{path}/execute")).key(&ec.token(&claims)).json(&call).send().await;
    assert_eq!(executed.expect(200)["log"]["initiatedBy"], "ana");
    let audit = service.request("GET", &format!("{path}/audit")).key(&ed.token(&claims)).send().await.expect(200);
    let acts: Vec<_> = audit["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|entry| json!([entry["action"], entry["actor"], entry["actorType"]]))
        .collect();
    assert_eq!(acts, [json!(["connector.enabled", "ana", "ApiKey"]), json!(["connector.created", "ana", "Oidc"])]);
    // The same `Idempotency-Key` of both is two requests.
    for (credential, name) in [(&rsa.token(&claims), "By token"), (&key, "By key")] {
        let request = service.request("POST", CONNECTORS).key(credential).header("Idempotency-Key", "one");
        let mut body = connector();
        body["name"] = json!(name);
        assert_eq!(request.json(&body).send().await.expect(201)["name"], name);
    }
    let (lines, _database) = service.stop();
    let of_request: Vec<_> = lines.iter().filter(|line| line["correlation_id"] == "by-token").collect();
    assert!(!of_request.is_empty());
    for line in of_request.iter().filter(|line| line["message"] == "request completed") {
        assert_eq!(
            (&line["actor"], &line["actor_type"], &line["role"]),
            (&json!("ana"), &json!("Oidc"), &json!("admin"))
        );
    }
}

#[tokio::test]
async fn se_a_3_the_role_of_a_token_is_that_of_its_claims() {
    let provider = IdentityProvider::start().await;
    let variables = [
        ("CONNECTORS_AUTH_ROLE_CLAIM", "/realm_access/roles"),
        ("CONNECTORS_AUTH_ROLES_OPERATOR", "operator,plant-operators"),
        ("CONNECTORS_AUTH_CONNECTORS_CLAIM", "connectors"),
    ];
    let service = service_of(Sqlite, &provider.issuer(), "oidc", &variables).await;
    let token = |changes: &Value| provider.token(changes);
    let with_roles = |roles: &[&str]| token(&json!({ "realm_access": { "roles": roles } }));
    let create = async |token: &str, name: &str| {
        let mut body = connector();
        body["name"] = json!(name);
        service.request("POST", CONNECTORS).key(token).json(&body).send().await
    };
    create(&with_roles(&["viewer", "offline_access"]), "A").await.problem(403, "forbidden");
    create(&with_roles(&["plant-operators", "viewer"]), "A").await.problem(403, "forbidden");
    let mine = create(&with_roles(&["admin", "viewer"]), "Mine").await.expect(201);
    let theirs = create(&with_roles(&["admin"]), "Theirs").await.expect(201);
    let mine_path = format!("{CONNECTORS}/{}", mine["id"].as_str().expect("an id"));
    let enabled = service.request("POST", &format!("{mine_path}/enable")).key(&with_roles(&["plant-operators"]));
    enabled.send().await.expect(200);

    for (granting, said) in [
        (token(&json!({})), "grants no role"),
        (with_roles(&[]), "grants no role"),
        (with_roles(&["Admin"]), "grants no role"),
        (with_roles(&["operator", "auditor"]), "`auditor`, `operator`"),
        (with_roles(&["service"]), "lists no connector"),
    ] {
        for target in [CONNECTORS, "/api/v1/audit", "/api/v1/nothing"] {
            let problem = service.request("GET", target).key(&granting).send().await.problem(403, "forbidden");
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{problem}");
        }
    }
    let robot = token(&json!({ "sub": "robot", "realm_access": { "roles": ["service"] }, "connectors": [mine["id"]] }));
    let listed = list(&service, &robot).await.expect(200);
    assert_eq!((listed["items"].as_array().map(Vec::len), &listed["items"][0]["name"]), (Some(1), &json!("Mine")));
    let other = format!("{CONNECTORS}/{}", theirs["id"].as_str().expect("an id"));
    service.request("GET", &other).key(&robot).send().await.problem(404, "connector-not-found");
    let (lines, _database) = service.stop();
    assert!(lines.iter().all(|line| line["security_event"] != "credentials-refused"));
    let denied = lines.iter().find(|line| line["security_event"] == "permission-denied" && line["reason"].is_string());
    assert_eq!(denied.expect("a denial")["actor"], "ana");
}

#[tokio::test]
async fn se_a_2_a_mode_takes_what_it_names_and_nothing_else() {
    let provider = IdentityProvider::start().await;
    let token = provider.token(&json!({}));
    for (mode, takes_key, takes_token) in [("api-key", 200, 401), ("oidc", 401, 200), ("api-key+oidc", 200, 200)] {
        let service = service_of(Sqlite, &provider.issuer(), mode, &[]).await;
        let key = service.key("ana", "viewer", &[]);
        assert_eq!(list(&service, &key).await.status, takes_key, "{mode}");
        assert_eq!(list(&service, &token).await.status, takes_token, "{mode}");
        service.get(CONNECTORS).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn se_a_2_the_provider_may_be_away_and_change_its_keys() {
    let provider = IdentityProvider::start().await;
    provider.be_away(true);
    let service = service_of(Sqlite, &provider.issuer(), "api-key+oidc", &[]).await;
    let key = service.key("ana", "viewer", &[]);
    let token = provider.token(&json!({}));
    let away = list(&service, &token).await;
    away.problem(503, "identity-provider-unavailable");
    let wait: u64 = away.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(away.header("www-authenticate"), None);
    list(&service, &key).await.expect(200);
    assert_eq!(service.get("/readyz").await.status, 200);

    provider.be_away(false);
    tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    list(&service, &token).await.expect(200);
    let new = SigningKey::p256("ec-2");
    provider.publish(&[&new]);
    let renewed = new.token(&provider.claims(&json!({})));
    list(&service, &renewed).await.expect(200);
    list(&service, &token).await.problem(401, "unauthenticated");
    provider.be_away(true);
    list(&service, &renewed).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn se_a_2_tokens_of_a_certified_provider_are_taken_beside_keys(#[values(Sqlite, Postgres)] engine: Engine) {
    let provider = Provider::start();
    let service = service_of(engine, &provider.origin, "api-key+oidc", &[]).await;
    let key = service.key("root", "admin", &[]);
    let created = service.request("POST", CONNECTORS).key(&key).json(&connector()).send().await.expect(201);
    let path = format!("{CONNECTORS}/{}", created["id"].as_str().expect("an id"));
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let operator = provider.jwt("hr-basic", algorithm).await;
        list(&service, &operator).await.expect(200);
        let viewer = provider.jwt("hr-post", algorithm).await;
        list(&service, &viewer).await.expect(200);
        let by_viewer = service.request("POST", &format!("{path}/enable")).key(&viewer).send().await;
        by_viewer.problem(403, "forbidden");
        for switch in ["enable", "disable"] {
            let switched = service.request("POST", &format!("{path}/{switch}")).key(&operator).send().await.expect(200);
            assert_eq!(switched["statusChangedBy"], "hr-basic", "{algorithm}");
        }
        let (head, signature) = operator.rsplit_once('.').expect("a signature");
        let reversed: String = signature.chars().rev().collect();
        list(&service, &format!("{head}.{reversed}")).await.problem(401, "unauthenticated");
    }
    let audit = service.request("GET", "/api/v1/audit?actor=hr-basic").key(&key).send().await.expect(200);
    let entries = audit["items"].as_array().expect("items");
    assert_eq!(entries.len(), 6);
    assert!(entries.iter().all(|entry| entry["actorType"] == "Oidc"));
}
