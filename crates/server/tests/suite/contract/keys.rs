//! API keys over the API (SE-A-2): made, shown once, listed, revoked.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::exchange::Answer;
use crate::support::service::Service;
use crate::support::shape::{is_id, is_time};
use crate::support::upstream::Upstream;

const KEYS: &str = "/api/v1/keys";
const CONNECTORS: &str = "/api/v1/connectors";

/// A service and the key of its first admin.
async fn with_admin(engine: Engine) -> (Service, String) {
    let service = Service::with_keys(engine).await;
    let admin = service.key("root", "admin", &[]);
    (service, admin)
}

async fn ask(service: &Service, key: &str, method: &str, target: &str, body: Option<&Value>) -> Answer {
    let request = service.request(method, target).key(key);
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}

async fn create(service: &Service, admin: &str, body: &Value) -> Value {
    ask(service, admin, "POST", KEYS, Some(body)).await.expect(201)
}

async fn names(service: &Service, admin: &str, query: &str) -> Vec<String> {
    let page = ask(service, admin, "GET", &format!("{KEYS}{query}"), None).await.expect(200);
    page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|key| key["name"].as_str().expect("a name").to_owned())
        .collect()
}

fn path(key: &Value) -> String {
    format!("{KEYS}/{}", key["id"].as_str().expect("an id"))
}

#[rstest]
#[tokio::test]
async fn se_a_2_a_key_is_shown_once_works_and_is_revoked_at_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, admin) = with_admin(engine).await;
    let wanted = json!({ "name": "ana", "role": "operator", "expiresAt": "2999-01-31T02:00:00.1234567+02:00", "reason": "tests" });
    let answer = ask(&service, &admin, "POST", KEYS, Some(&wanted)).await;
    let mut made = answer.expect(201);
    assert_eq!(answer.header("location"), Some(path(&made).as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let value = made["key"].as_str().expect("the key").to_owned();
    assert!(value.starts_with("esgc_") && value.len() == 69, "{}", value.len());
    made.as_object_mut().expect("an object").remove("key");
    assert!(is_id(made["id"].as_str().expect("an id")) && is_time(made["createdAt"].as_str().expect("a time")));
    let expected = json!({
        "id": made["id"], "name": "ana", "role": "operator", "connectors": null, "createdAt": made["createdAt"],
        "createdBy": "root", "expiresAt": "2999-01-31T00:00:00.123456Z", "lastUsedAt": null, "revokedAt": null,
        "revokedBy": null,
    });
    assert_eq!(made, expected);
    assert_eq!(ask(&service, &admin, "GET", &path(&made), None).await.expect(200), made);
    assert_eq!(ask(&service, &value, "GET", CONNECTORS, None).await.status, 200);

    let reason = json!({ "reason": "it leaked" });
    let revoke = format!("{}/revoke", path(&made));
    let revoked = ask(&service, &admin, "POST", &revoke, Some(&reason)).await.expect(200);
    ask(&service, &value, "GET", CONNECTORS, None).await.problem(401, "unauthenticated");
    assert_eq!((&revoked["id"], &revoked["revokedBy"]), (&made["id"], &json!("root")));
    assert!(is_time(revoked["revokedAt"].as_str().expect("a time")));
    // Once more, also with nothing said, changes nothing.
    for again in [Some(&reason), None] {
        let same = ask(&service, &admin, "POST", &revoke, again).await.expect(200);
        assert_eq!(same["revokedAt"], revoked["revokedAt"]);
    }
    let found = ask(&service, &admin, "GET", &path(&made), None).await.expect(200);
    assert_eq!(found["revokedAt"], revoked["revokedAt"]);

    let audit = ask(&service, &admin, "GET", "/api/v1/audit?actor=root", None).await.expect(200);
    let entries = audit["items"].as_array().expect("items");
    let told =
        |entry: &Value| ["action", "subject", "reason", "actorType", "sourceAddress"].map(|name| entry[name].clone());
    assert_eq!(told(&entries[0]), ["key.revoked", "keys/ana", "it leaked", "ApiKey", "127.0.0.1"].map(Value::from));
    assert_eq!(told(&entries[1]), ["key.created", "keys/ana", "tests", "ApiKey", "127.0.0.1"].map(Value::from));
    assert_eq!(entries.len(), 2);
    assert!(!audit.to_string().contains(&value));
}

#[rstest]
#[tokio::test]
async fn se_a_2_a_repeated_creation_is_answered_without_the_key(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, admin) = with_admin(engine).await;
    let post =
        |body: Value| service.request("POST", KEYS).key(&admin).header("Idempotency-Key", "once").json(&body).send();
    let mut first = post(json!({ "name": "ana", "role": "viewer" })).await.expect(201);
    let again = post(json!({ "name": "ana", "role": "viewer" })).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("location"), Some(path(&first).as_str()));
    let value = first["key"].take();
    assert!(value.is_string());
    assert_eq!(again.expect(201), first, "all but the key");
    post(json!({ "name": "ben", "role": "viewer" })).await.problem(422, "idempotency-key-reused");
    assert_eq!(names(&service, &admin, "").await, ["ana", "root"]);
}

#[rstest]
#[tokio::test]
async fn every_fault_of_a_key_is_named_at_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, admin) = with_admin(engine).await;
    let unknown = "01979a2b-7c00-7000-8000-000000000001";
    let pointers = async |body: Value| ask(&service, &admin, "POST", KEYS, Some(&body)).await.pointers();
    assert_eq!(pointers(json!({})).await, ["/name", "/role"]);
    let all = json!({
        "name": "a b", "role": "boss", "connectors": [unknown, 7], "expiresAt": "tomorrow", "reason": 1, "key": "mine",
        "colour": "red"
    });
    let found = pointers(all).await;
    assert_eq!(found, ["/colour", "/connectors/1", "/expiresAt", "/key", "/name", "/reason", "/role"]);
    let service_key = |connectors: Value| json!({ "name": "a", "role": "service", "connectors": connectors });
    assert_eq!(pointers(service_key(json!([]))).await, ["/connectors"]);
    assert_eq!(pointers(service_key(json!(null))).await, ["/connectors"]);
    assert_eq!(pointers(service_key(json!([unknown, "x"]))).await, ["/connectors/0", "/connectors/1"]);
    assert_eq!(pointers(service_key(json!(vec![unknown; 201]))).await, ["/connectors"]);
    for past in ["2020-01-01T00:00:00Z", "1969-12-31T00:00:00Z", "9999-12-31T23:59:59-01:00"] {
        assert_eq!(
            pointers(json!({ "name": "a", "role": "viewer", "expiresAt": past })).await,
            ["/expiresAt"],
            "{past}"
        );
    }
    let long = json!({ "name": "a".repeat(101), "role": "viewer", "reason": "x".repeat(501) });
    assert_eq!(pointers(long).await, ["/name", "/reason"]);
    // Put together here, so that nobody takes it for a real one.
    let secret = ["gh", "p_", "canary4Zq8Wm2Xk7Rv9Lp3Tn6Jb5Hd1Fg0Sa"].concat();
    for told in [&secret, &admin] {
        let body = json!({ "name": told, "role": "viewer", "reason": told });
        let answer = ask(&service, &admin, "POST", KEYS, Some(&body)).await;
        assert_eq!(answer.pointers(), ["/name", "/reason"]);
        answer.problem(422, "raw-secret-detected");
        assert!(!answer.text().contains(told.as_str()));
    }
    assert_eq!(names(&service, &admin, "").await, ["root"], "nothing was made");

    let key = create(&service, &admin, &json!({ "name": "ana", "role": "viewer" })).await;
    let revoke = format!("{}/revoke", path(&key));
    let wrong = ask(&service, &admin, "POST", &revoke, Some(&json!({ "reason": 1, "name": "ana" }))).await;
    assert_eq!(wrong.pointers(), ["/name", "/reason"]);
    let found = ask(&service, &admin, "GET", &path(&key), None).await.expect(200);
    assert_eq!(found["revokedAt"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn what_was_read_of_a_key_can_be_sent_to_make_its_successor(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, admin) = with_admin(engine).await;
    let old = create(&service, &admin, &json!({ "name": "ana", "role": "viewer" })).await;
    let read = ask(&service, &admin, "GET", &path(&old), None).await.expect(200);
    let taken = ask(&service, &admin, "POST", KEYS, Some(&read)).await;
    assert_eq!(taken.problem(409, "key-name-taken")["errors"][0]["pointer"], "/name");
    ask(&service, &admin, "POST", &format!("{}/revoke", path(&old)), None).await.expect(200);
    let new = create(&service, &admin, &read).await;
    assert_ne!(new["id"], old["id"]);
    assert_ne!(new["key"], old["key"]);
}

#[rstest]
#[tokio::test]
async fn keys_are_listed_the_newest_first_by_filter_and_by_page(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let (service, admin) = with_admin(engine).await;
    let connector = ask(&service, &admin, "POST", CONNECTORS, Some(&upstream.connector(&json!({})))).await.expect(201);
    let bound = json!({ "name": "robot", "role": "service", "connectors": [connector["id"]] });
    let robot = create(&service, &admin, &bound).await;
    assert_eq!(robot["connectors"], json!([connector["id"]]));
    let gone = create(&service, &admin, &json!({ "name": "gone", "role": "viewer" })).await;
    ask(&service, &admin, "POST", &format!("{}/revoke", path(&gone)), None).await.expect(200);
    create(&service, &admin, &json!({ "name": "late", "role": "viewer", "expiresAt": "2999-01-01T00:00:00Z" })).await;
    let past = "UPDATE api_keys SET expires_at = '2020-01-01T00:00:00.000000Z' WHERE name = 'late'";
    service.behind_its_back(past).await;

    let of_connector = format!("?connectorId={}", connector["id"].as_str().expect("an id"));
    for (query, expected) in [
        ("", &["late", "gone", "robot", "root"][..]),
        ("?name=robot", &["robot"]),
        ("?name=nobody", &[]),
        ("?role=viewer", &["late", "gone"]),
        ("?status=Active", &["robot", "root"]),
        ("?status=Expired", &["late"]),
        ("?status=Revoked", &["gone"]),
        ("?role=viewer&status=Revoked", &["gone"]),
        (&of_connector, &["robot"]),
    ] {
        assert_eq!(names(&service, &admin, query).await, expected, "{query}");
    }
    for wrong in ["role=boss", "status=active", "connectorId=x", "name=", "colour=red", "limit=0", "cursor=x"] {
        let pointer = format!("/{}", wrong.split_once('=').expect("a name").0);
        let answer = ask(&service, &admin, "GET", &format!("{KEYS}?{wrong}"), None).await;
        assert_eq!(answer.pointers(), [pointer], "{wrong}");
    }

    let mut seen = Vec::new();
    let mut target = format!("{KEYS}?limit=3");
    loop {
        let page = ask(&service, &admin, "GET", &target, None).await.expect(200);
        seen.extend(page["items"].as_array().expect("items").iter().map(|key| key["name"].clone()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        target = format!("{KEYS}?limit=3&cursor={cursor}");
        let other = ask(&service, &admin, "GET", &format!("{KEYS}?role=viewer&cursor={cursor}"), None).await;
        assert_eq!(other.pointers(), ["/cursor"], "it is bound to its filters");
    }
    assert_eq!(seen, ["late", "gone", "robot", "root"]);
}

#[rstest]
#[tokio::test]
async fn an_admin_may_revoke_the_very_key_it_comes_with(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, admin) = with_admin(engine).await;
    let root = ask(&service, &admin, "GET", &format!("{KEYS}?name=root"), None).await.expect(200)["items"][0].clone();
    let revoked = ask(&service, &admin, "POST", &format!("{}/revoke", path(&root)), None).await.expect(200);
    assert_eq!(revoked["revokedBy"], "root");
    ask(&service, &admin, "GET", KEYS, None).await.problem(401, "unauthenticated");
    // The command line is the way back.
    let next = service.key("root", "admin", &[]);
    assert_eq!(names(&service, &next, "").await, ["root", "root"]);
}
