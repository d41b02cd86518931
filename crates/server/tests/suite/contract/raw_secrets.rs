//! A secret itself is refused wherever configuration is stored, and is found nowhere afterwards (SE-S-4).

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::canary::{assert_clean, dump};
use crate::support::exchange::Answer;
use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";
const HR: &str = "https://api.hr-system.example.com/v1";

/// What must be nowhere: the body of a token, put together here so that nobody takes it for a real one.
const BODY: &str = "canary4Zq8Wm2Xk7Rv9Lp3Tn6Jb5Hd1Fg0Sa";

fn token() -> String {
    ["gh", "p_", BODY].concat()
}

/// The members of a connector with a secret in one place, and the pointer to it.
fn places() -> Vec<(&'static str, Value)> {
    let secret = token();
    let said = format!("reads the sites with {secret} since May");
    let settings = |kind: &str, settings: Value| {
        json!({
            "authenticationType": kind, "authenticationSecretRef": "SecretStore:K",
            "authenticationSettings": settings,
        })
    };
    let grant = |name: &str, value: Value| {
        let mut grant = json!({ "tokenUrl": "https://login.example.com/token" });
        grant[name] = value;
        settings("OAuth2", grant)
    };
    let entry = |name: &str, value: Value| {
        let mut entry = json!({ "externalField": "a", "internalField": "b" });
        if name.starts_with("transformParams") {
            entry["transform"] = json!("lookup");
        }
        entry[name] = value;
        json!({ "mappingConfiguration": { "mappings": [entry] } })
    };
    let in_url = |user: &str| format!("https://{user}:{BODY}@api.example.com/v1");
    vec![
        ("/name", json!({ "name": said })),
        ("/connectorType", json!({ "connectorType": secret })),
        ("/description", json!({ "description": said })),
        ("/description", json!({ "description": format!("api%5Fkey%3D{BODY}") })),
        ("/description", json!({ "description": format!("{{\\\"clientSecret\\\": \\\"{BODY}\\\"}}") })),
        ("/endpointBaseUrl", json!({ "endpointBaseUrl": format!("https://api.example.com/{secret}") })),
        ("/endpointBaseUrl", json!({ "endpointBaseUrl": in_url("reader") })),
        ("/endpointBaseUrl", json!({ "endpointBaseUrl": format!("https://api.example.com/v1?token={BODY}") })),
        ("/authenticationType", json!({ "authenticationType": secret })),
        ("/authenticationSecretRef", json!({ "authenticationType": "Bearer", "authenticationSecretRef": secret })),
        ("/authenticationSecretRef", json!({ "authenticationType": "Bearer", "authenticationSecretRef": BODY })),
        (
            "/authenticationSecretRef",
            json!({ "authenticationType": "Basic", "authenticationSecretRef": format!("reader:{BODY}") }),
        ),
        (
            "/authenticationSecretRef",
            json!({ "authenticationType": "Bearer", "authenticationSecretRef": format!("SecretStore:{secret}") }),
        ),
        ("/authenticationSettings/headerName", settings("ApiKey", json!({ "headerName": secret }))),
        ("/authenticationSettings/queryParameter", settings("ApiKey", json!({ "queryParameter": secret }))),
        ("/authenticationSettings/clientSecret", grant("clientSecret", json!(BODY))),
        ("/authenticationSettings/clientId", grant("clientId", json!(secret))),
        ("/authenticationSettings/audience", grant("audience", json!(said))),
        ("/authenticationSettings/scopes/1", grant("scopes", json!(["hr.read", secret]))),
        ("/authenticationSettings/tokenUrl", grant("tokenUrl", json!(in_url("client")))),
        ("/authenticationSettings", grant(&secret, json!(1))),
        ("/capabilities/1", json!({ "capabilities": ["pull", secret] })),
        ("/retryJitter", json!({ "retryJitter": secret })),
        ("/idempotencyKeyHeader", json!({ "idempotencyKeyHeader": secret })),
        (
            "/mappingConfiguration/recordsPath",
            json!({ "mappingConfiguration": { "recordsPath": format!("$.{secret}"), "mappings": [] } }),
        ),
        (
            "/mappingConfiguration/externalIdPath",
            json!({ "mappingConfiguration": { "externalIdPath": format!("$['{secret}']"), "mappings": [] } }),
        ),
        ("/mappingConfiguration/mappings/0/externalField", entry("externalField", json!(secret))),
        ("/mappingConfiguration/mappings/0/internalField", entry("internalField", json!(secret))),
        ("/mappingConfiguration/mappings/0/transform", entry("transform", json!(secret))),
        ("/mappingConfiguration/mappings/0/defaultValue", entry("defaultValue", json!(said))),
        (
            "/mappingConfiguration/mappings/0/transformParams/table/site~1password",
            entry("transformParams", json!({ "table": { "site/password": BODY } })),
        ),
        (
            "/mappingConfiguration/mappings/0/transformParams/table",
            entry("transformParams", json!({ "table": { secret.clone(): ["an array is another fault"] } })),
        ),
        ("/mappingConfiguration", json!({ "mappingConfiguration": { "mappings": [], secret.clone(): 1 } })),
    ]
}

fn assert_refused(answer: &Answer, pointer: &str, what: &str) {
    assert_eq!(answer.pointers(), [pointer], "{what}: {}", answer.text());
    let problem = answer.problem(422, "raw-secret-detected");
    assert_eq!(problem["errors"][0]["code"], "raw-secret-detected");
    let detail = problem["errors"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("looks like a") && detail.contains("authenticationSecretRef"), "{detail}");
    assert_clean(what, answer.text(), &[BODY]);
    for (name, value) in &answer.headers {
        assert_clean(what, &format!("{name}: {value}"), &[BODY]);
    }
}

#[rstest]
#[tokio::test]
async fn se_s_4_a_raw_secret_is_refused_everywhere_and_found_nowhere(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::configured(engine, &[("CONNECTORS_LOG_LEVEL", "trace")]).await;
    service.put_secret("K", "the value");
    let path = service.register(&connector(HR, &json!({ "name": "Before" }))).await;
    let before = service.get(&path).await.expect(200);
    let audit = service.items("/api/v1/audit").await;
    for (pointer, members) in places() {
        let body = connector(HR, &members);
        let keyed = service.request("POST", CONNECTORS).header("Idempotency-Key", "raw").json(&body);
        assert_refused(&service.post(CONNECTORS, &body).await, pointer, "POST");
        assert_refused(&keyed.send().await, pointer, "POST with a key");
        assert_refused(&service.post(&format!("{CONNECTORS}/test"), &body).await, pointer, "POST /test");
        if pointer == "/connectorType" {
            continue;
        }
        assert_refused(&service.put(&path, &body).await, pointer, "PUT");
    }
    for action in ["enable", "disable"] {
        for reason in [format!("rotated, the new one is {}", token()), format!("password={BODY}")] {
            let answer = service.post(&format!("{path}/{action}"), &json!({ "reason": reason })).await;
            assert_refused(&answer, "/reason", action);
        }
    }
    assert_eq!(service.get(&path).await.expect(200), before);
    assert_eq!(service.items(CONNECTORS).await, [before]);
    assert_eq!(service.items("/api/v1/audit").await, audit);
    assert_eq!(service.items("/api/v1/connectors/logs").await, [] as [Value; 0]);
    let (lines, database) = service.stop();
    assert_clean("the log", &json!(lines).to_string(), &[BODY]);
    assert_clean("the database", &dump(engine, &database).await, &[BODY]);
}

#[rstest]
#[tokio::test]
async fn se_s_4_all_faults_are_named_beside_a_raw_secret(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let body = connector(
        HR,
        &json!({
            "description": token(), "authenticationType": "Bearer", "authenticationSecretRef": token(),
            "maxRetryAttempts": 99, token(): true, "deadlineSeconds": "soon",
        }),
    );
    let answer = service.post(CONNECTORS, &body).await;
    let problem = answer.problem(422, "validation-failed");
    let faults: Vec<(&str, &str)> = problem["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|fault| Some((fault["pointer"].as_str()?, fault["code"].as_str()?)))
        .collect();
    let expected = [
        ("/description", "raw-secret-detected"),
        ("/authenticationSecretRef", "raw-secret-detected"),
        ("/deadlineSeconds", "type"),
        // The name of the unknown member is a secret: it is not pointed to.
        ("", "unknown-member"),
        ("/maxRetryAttempts", "out-of-range"),
    ];
    assert_eq!(faults, expected);
    assert_clean("the answer", answer.text(), &[BODY]);
}

#[rstest]
#[tokio::test]
async fn se_s_4_a_row_from_before_is_read_and_switched_but_not_written_again(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let service = Service::start(engine).await;
    let path = service.register(&connector(HR, &json!({ "description": "to be replaced" }))).await;
    let said = format!("password={BODY}");
    service.behind_its_back(&format!("UPDATE connectors SET description = '{said}'")).await;
    assert_eq!(service.get(&path).await.expect(200)["description"], said);
    assert_eq!(service.items(CONNECTORS).await.len(), 1);
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    let read = service.post_nothing(&format!("{path}/disable")).await.expect(200);
    assert_refused(&service.put(&path, &read).await, "/description", "PUT");
    service.put(&path, &connector(HR, &json!({ "description": "put right" }))).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn se_s_4_look_alikes_are_registered(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    service.put_secret("HR-Client", "{\"clientId\":\"a\",\"clientSecret\":\"b\"}");
    let created = service
        .post(CONNECTORS, &connector(HR, &json!({
            "description": "Token: see the vault. Rotate the password monthly; commit \
                9fceb02d0ae598e95dc970b74767f19372d61af8, tenant 72f988bf-86f1-41af-91ab-2d7cd011db47",
            "authenticationType": "OAuth2", "authenticationSecretRef": "SecretStore:HR-Client",
            "authenticationSettings": {
                "tokenUrl": "https://login.example.com/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token",
                "clientId": "6e3c1f5a-2f0b-4a57-9d55-1c0d1a0b7f11",
                "scopes": ["https://graph.example.com/.default", "api://6e3c1f5a-2f0b-4a57-9d55-1c0d1a0b7f11/esg.read"],
            },
            "mappingConfiguration": { "mappings": [
                { "externalField": "client_secret", "internalField": "apiKey" },
                { "externalField": "$['password'].changed_at", "internalField": "passwordChangedAt", "transform": "lookup",
                  "transformParams": { "table": { "token": "expired", "api_key": "revoked by vendor" } } },
            ] },
        })))
        .await
        .expect(201);
    let path = format!("{CONNECTORS}/{}", created["id"].as_str().expect("an id"));
    let reason = json!({ "reason": "secret rotated: SecretStore:HR-Client#clientSecret@8, password reset done" });
    service.post(&format!("{path}/enable"), &reason).await.expect(200);
}
