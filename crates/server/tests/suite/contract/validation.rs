//! What is refused on the way in, with a pointer for every fault and without the value that was refused.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";
const HR: &str = "https://api.hr-system.example.com/v1";

/// Asserts that a connector with these members is refused for exactly these members, and is not there afterwards.
async fn refused(service: &Service, members: &Value, pointers: &[&str]) {
    let answer = service.post(CONNECTORS, &connector(HR, members)).await;
    assert_eq!(answer.pointers(), pointers, "{members}: {}", answer.text());
    assert_eq!(service.items(CONNECTORS).await, [] as [Value; 0]);
}

#[rstest]
#[tokio::test]
async fn seven_faults_are_seven_pointers(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let faulty = json!({
        "name": "",
        "connectorType": 7,
        "endpointBaseUrl": "not a url",
        "authenticationType": "ApiKey",
        "capabilities": ["pull", "fly"],
        "maxRetryAttempts": -1,
        "retryDelaySeconds": 301,
    });
    let answer = service.post(CONNECTORS, &faulty).await;
    answer.problem(422, "validation-failed");
    let expected = [
        "/authenticationSecretRef",
        "/capabilities/1",
        "/connectorType",
        "/endpointBaseUrl",
        "/maxRetryAttempts",
        "/name",
        "/retryDelaySeconds",
    ];
    assert_eq!(answer.pointers(), expected);

    // A replacement is judged the same way.
    let path = service.register(&connector(HR, &json!({}))).await;
    let mut replacement = faulty.clone();
    replacement["connectorType"] = json!("HR");
    replacement["colour"] = json!("red");
    let mut expected = expected.map(|pointer| if pointer == "/connectorType" { "/colour" } else { pointer });
    expected.sort_unstable();
    assert_eq!(service.put(&path, &replacement).await.pointers(), expected);
    assert_eq!(service.get(&path).await.expect(200)["version"], 1);
}

#[rstest]
#[tokio::test]
async fn what_is_needed_is_named(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let needed = ["/authenticationType", "/capabilities", "/connectorType", "/endpointBaseUrl", "/name"];
    assert_eq!(service.post(CONNECTORS, &json!({})).await.pointers(), needed);
    for pointer in needed {
        refused(&service, &json!({ &pointer[1..]: null }), &[pointer]).await;
    }
}

#[rstest]
#[tokio::test]
async fn every_member_has_its_type_and_its_bounds(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for (member, wrongs) in [
        ("name", vec![json!("  "), json!("a".repeat(201)), json!("a\nb"), json!("a\u{0}"), json!(1), json!([])]),
        ("connectorType", vec![json!(""), json!("a".repeat(101)), json!({}), json!("a\tb")]),
        ("description", vec![json!("a".repeat(1_001)), json!(false), json!("a\u{0}b")]),
        ("authenticationType", vec![json!("none"), json!("Digest"), json!("oauth2"), json!(0)]),
        ("rateLimitPerMinute", vec![json!(-1), json!(100_001), json!(1.5), json!("60")]),
        ("maxRetryAttempts", vec![json!(11), json!(-1), json!(2.5), json!("3"), json!([3])]),
        ("retryDelaySeconds", vec![json!(-0.1), json!(60.001), json!(0.0001), json!("5"), json!({})]),
        ("useExponentialBackoff", vec![json!("true"), json!(1)]),
        ("retryJitter", vec![json!("full"), json!("Equal"), json!(1)]),
        ("maxRetryDelaySeconds", vec![json!(301), json!(5.5)]),
        ("attemptTimeoutSeconds", vec![json!(0), json!(61), json!(0.5)]),
        ("deadlineSeconds", vec![json!(0), json!(301)]),
        ("idempotencyKeyHeader", vec![json!(""), json!("a b"), json!("Host"), json!(1)]),
        ("mappingConfiguration", vec![json!([]), json!("{}"), json!(1)]),
        ("capabilities", vec![json!([]), json!("pull"), json!({})]),
    ] {
        for wrong in wrongs {
            refused(&service, &json!({ member: wrong }), &[&format!("/{member}")]).await;
        }
    }
    refused(&service, &json!({ "capabilities": ["pull", 1] }), &["/capabilities/1"]).await;
    refused(&service, &json!({ "capabilities": ["pull", "pull"] }), &["/capabilities/1"]).await;
    refused(&service, &json!({ "maxRetryDelaySeconds": 4 }), &["/retryDelaySeconds"]).await;
    refused(&service, &json!({ "Name": "x", "a/b~c": 1 }), &["/Name", "/a~1b~0c"]).await;
}

#[rstest]
#[tokio::test]
async fn a_base_url_is_an_absolute_https_url_and_no_more(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for wrong in [
        "not a url",
        "/v1",
        "ftp://api.example.com",
        "https:///v1",
        "https://ana@api.example.com",
        "https://ana:hunter2@api.example.com",
        "https://api.example.com/?key=hunter2",
        "https://api.example.com/#x",
        "https://api.example.com/a b",
        "https://api.example.com:0",
        "https://api.example.com\\@evil.example",
        &format!("https://api.example.com/{}", "a".repeat(2_048)),
    ] {
        let answer = service.post(CONNECTORS, &connector(wrong, &json!({}))).await;
        assert_eq!(answer.pointers(), ["/endpointBaseUrl"], "{wrong}");
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
}

#[rstest]
#[tokio::test]
async fn special_addresses_are_refused_in_every_spelling(#[values(Sqlite, Postgres)] engine: Engine) {
    let closed = [("CONNECTORS_ALLOW_HTTP", "false"), ("CONNECTORS_ALLOWED_DESTINATIONS", "")];
    let service = Service::configured(engine, &closed).await;
    for host in [
        "127.0.0.1",
        "127.0.0.1:8443",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "１２７.０.０.１",
        "①②⑦.0.0.1",
        "%31%32%37.0.0.1",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "0",
        "[::]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "169.254.1.1",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
        "[2001:db8::1]",
    ] {
        let answer = service.post(CONNECTORS, &connector(&format!("https://{host}/v1"), &json!({}))).await;
        assert_eq!(answer.pointers(), ["/endpointBaseUrl"], "{host}");
        answer.problem(422, "destination-blocked");
    }
    let plain = service.post(CONNECTORS, &connector("http://api.example.com", &json!({}))).await;
    assert_eq!(plain.pointers(), ["/endpointBaseUrl"]);
    assert_eq!(service.items(CONNECTORS).await, [] as [Value; 0]);
}

#[rstest]
#[tokio::test]
async fn metadata_services_stay_closed_whatever_is_allowed(#[values(Sqlite, Postgres)] engine: Engine) {
    let open = [("CONNECTORS_ALLOWED_DESTINATIONS", "0.0.0.0/0,::/0,169.254.169.254")];
    let service = Service::configured(engine, &open).await;
    for host in ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "168.63.129.16", "[fd00:ec2::254]"] {
        let answer = service.post(CONNECTORS, &connector(&format!("http://{host}"), &json!({}))).await;
        answer.problem(422, "destination-blocked");
    }
    service.register(&connector("http://10.20.30.40/erp", &json!({}))).await;
}

#[rstest]
#[tokio::test]
async fn a_secret_reference_is_checked_for_its_grammar_its_store_and_its_secret(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let service = Service::start(engine).await;
    service.put_secret("HR-Key", "the value of the secret");
    let with = |reference: Value| {
        connector(HR, &json!({ "authenticationType": "Bearer", "authenticationSecretRef": reference }))
    };
    for (reference, code) in [
        (json!("sk_live_4eC39HqLyjWDarjtT1zdp7dc"), "raw-secret-detected"),
        (json!("SecretStore:../HR-Key"), "validation-failed"),
        (json!("SecretStore:a//b"), "validation-failed"),
        (json!("SecretStore:"), "validation-failed"),
        (json!(null), "validation-failed"),
        (json!(5), "validation-failed"),
        (json!("Vault:HR-Key"), "secret-store-unknown"),
        (json!("SecretStore:Other"), "secret-not-found"),
    ] {
        let answer = service.post(CONNECTORS, &with(reference.clone())).await;
        assert_eq!(answer.pointers(), ["/authenticationSecretRef"], "{reference}");
        answer.problem(422, code);
        assert!(!answer.text().contains("sk_live"), "{}", answer.text());
    }
    let open = json!({ "authenticationSecretRef": "SecretStore:HR-Key" });
    refused(&service, &open, &["/authenticationSecretRef"]).await;
    let created = service.post(CONNECTORS, &with(json!("SecretStore:HR-Key"))).await;
    assert_eq!(created.expect(201)["authenticationSecretRef"], "SecretStore:HR-Key");
    assert!(!created.text().contains("the value of the secret"));
}

#[rstest]
#[tokio::test]
async fn authentication_settings_belong_to_their_type(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    service.put_secret("K", "the value");
    let settings = |kind: &str, settings: Value| json!({ "authenticationType": kind, "authenticationSecretRef": "SecretStore:K", "authenticationSettings": settings });
    for (kind, given, pointer) in [
        ("Bearer", json!({ "headerName": "X-Key" }), "/authenticationSettings/headerName"),
        ("Basic", json!({ "realm": "x" }), "/authenticationSettings/realm"),
        ("ApiKey", json!({ "headerName": "a b" }), "/authenticationSettings/headerName"),
        ("ApiKey", json!({ "headerName": "Host" }), "/authenticationSettings/headerName"),
        ("ApiKey", json!({ "queryParameter": "" }), "/authenticationSettings/queryParameter"),
        ("ApiKey", json!([]), "/authenticationSettings"),
        ("OAuth2", json!({}), "/authenticationSettings/tokenUrl"),
        ("OAuth2", json!({ "tokenUrl": "https://169.254.169.254/t" }), "/authenticationSettings/tokenUrl"),
        ("OAuth2", json!({ "tokenUrl": HR, "scopes": ["a", "a"] }), "/authenticationSettings/scopes/1"),
        ("OAuth2", json!({ "tokenUrl": HR, "clientSecret": "x" }), "/authenticationSettings/clientSecret"),
    ] {
        refused(&service, &settings(kind, given), &[pointer]).await;
    }
    let created = service.post(CONNECTORS, &connector(HR, &settings("ApiKey", json!({})))).await.expect(201);
    assert_eq!(created["authenticationSettings"], json!({ "headerName": "X-API-Key" }));
}

#[rstest]
#[tokio::test]
async fn a_mapping_is_checked_when_it_is_saved(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let mapping = json!({ "mappingConfiguration": {
        "recordsPath": "$[",
        "mappings": [
            { "externalField": "a", "internalField": "x", "transform": "direct" },
            { "externalField": "b", "internalField": "x", "transform": "direct" },
            { "externalField": "c", "internalField": "y", "transform": "alchemy" },
            { "externalField": "d", "internalField": "z", "transform": "lookup" },
            { "internalField": "w", "transform": "direct" },
        ],
    } });
    let answer = service.post(CONNECTORS, &connector(HR, &mapping)).await;
    let pointers = answer.pointers();
    for (expected, index) in
        ["/recordsPath", "/mappings/1", "/mappings/2", "/mappings/3", "/mappings/4"].iter().zip(0..)
    {
        let prefix = format!("/mappingConfiguration{expected}");
        assert!(pointers.iter().any(|pointer| pointer.starts_with(&prefix)), "{index}: {pointers:?}");
    }
    let large =
        json!({ "mappingConfiguration": { "mappings": [], "recordsPath": format!("$.{}", "a".repeat(65_536)) } });
    let pointers = service.post(CONNECTORS, &connector(HR, &large)).await.pointers();
    assert!(pointers.iter().all(|pointer| pointer.starts_with("/mappingConfiguration")), "{pointers:?}");
}
