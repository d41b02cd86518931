//! A secret store that is down, slow, or has something new: fault 15.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use test_support::Engine::Sqlite;

use super::counts::{EXPIRED, SECRETLESS};
use super::{UNLIMITED, connector, execute_all};
use crate::support::service::Service;
use crate::support::upstream::{Hit, Reply, Upstream};

/// How the store fails, each under a secret of its own, so that all of them are met at once; and whether it is asked
/// anew at once when it is well again: what is missing is known to be missing for 10 s, and what hangs is waited for.
const TROUBLES: [(&str, bool); 8] = [
    ("sealed", true),
    ("broken", true),
    ("gone", true),
    ("silent", false),
    ("cut", true),
    ("nonsense", true),
    ("denied", false),
    ("fieldless", false),
];

/// Slow, but not too slow.
const SLOW: &str = "slow";

/// How long a value is kept (SE-S-6).
const KEPT: Duration = Duration::from_mins(5);

/// A server with Vault's protocol, and an upstream that takes one edition of each secret.
#[derive(Default)]
struct Scene {
    /// Whether the store fails.
    troubled: AtomicBool,
    /// The edition of all secrets in the store.
    edition: AtomicUsize,
    /// The edition that the upstream takes.
    taken: AtomicUsize,
}

impl Scene {
    fn store(&self, hit: &Hit) -> Reply {
        let line = hit.request_line().to_owned();
        let name = line.split([' ', '/', '?']).nth(6).unwrap_or_default();
        if name == SLOW {
            return self.secret(name).after(Duration::from_millis(700));
        }
        if !self.troubled.load(Ordering::SeqCst) {
            return self.secret(name);
        }
        let errors = |status, why: &str| Reply::with(status, &[], &json!({ "errors": [why] }).to_string());
        match name {
            "sealed" => errors("503 Service Unavailable", "Vault is sealed"),
            "broken" => errors("500 Internal Server Error", "an error"),
            "gone" => Reply::Drop,
            "silent" => Reply::Hang,
            "cut" => Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"data\":".to_vec()),
            "nonsense" => Reply::with("200 OK", &[], "<html>Log in</html>"),
            "denied" => errors("403 Forbidden", "permission denied"),
            _ => kept(&json!({ "other": "value" })),
        }
    }

    fn secret(&self, name: &str) -> Reply {
        kept(&json!({ "token": format!("c4nary-{name}-{}", self.edition.load(Ordering::SeqCst)) }))
    }

    fn upstream(&self, hit: &Hit) -> Reply {
        let taken = format!("-{}", self.taken.load(Ordering::SeqCst));
        let proven = hit.header("authorization").is_some_and(|proof| proof.ends_with(&taken));
        if proven { Reply::json(&json!([])) } else { Reply::status(401) }
    }
}

fn kept(members: &Value) -> Reply {
    let metadata = json!({
        "created_time": "2026-01-01T00:00:00Z", "custom_metadata": null, "deletion_time": "", "destroyed": false,
        "version": 1,
    });
    Reply::json(&json!({
        "request_id": "r", "lease_id": "", "renewable": false, "lease_duration": 0, "wrap_info": null,
        "warnings": null, "auth": null, "data": { "data": members, "metadata": metadata },
    }))
}

/// No request without its secret: whatever arrived anywhere proves its own connector, by an edition that there was.
#[track_caller]
fn all_prove_themselves(hits: &[Hit], names: &[&str], editions: usize) {
    for hit in hits {
        let name = names.iter().find(|name| hit.request_line().contains(&format!("/{name} "))).expect("a connector");
        let proof = hit.header("authorization").unwrap_or_default();
        let known = (0..editions).any(|edition| proof == format!("Bearer c4nary-{name}-{edition}"));
        assert!(known, "{} with {proof:?}", hit.request_line());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_15_no_request_leaves_without_its_secret_whatever_the_store_does() {
    let scene = Arc::<Scene>::default();
    let (storing, answering) = (Arc::clone(&scene), Arc::clone(&scene));
    let store = Upstream::start(move |hit, _| storing.store(hit)).await;
    let upstream = Upstream::start(move |hit, _| answering.upstream(hit)).await;
    let directory = tempfile::TempDir::new().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "a-token").expect("a file");
    let address = store.base_url().replace("/v1", "");
    let mut service = Service::configured(
        Sqlite,
        &[
            UNLIMITED[1],
            ("CONNECTORS_SECRET_STORES_SECRETSTORE_KIND", "vault"),
            ("CONNECTORS_SECRET_STORES_SECRETSTORE_ADDRESS", &address),
            ("CONNECTORS_SECRET_STORES_SECRETSTORE_TOKEN_FILE", token.to_str().expect("a path")),
        ],
    )
    .await;
    let mut paths = Vec::new();
    let names: Vec<&str> = TROUBLES.iter().map(|(name, _)| *name).chain([SLOW]).collect();
    for name in &names {
        let members = json!({
            "name": name, "authenticationType": "Bearer", "authenticationSecretRef": format!("SecretStore:hr/{name}#token"),
            "retryDelaySeconds": 0, "deadlineSeconds": 2,
        });
        paths.push(service.register_enabled(&connector(&upstream.base_url(), &members)).await);
    }
    let requests: Vec<Value> =
        names.iter().map(|name| json!({ "operationType": "pull", "endpoint": format!("/{name}") })).collect();
    let calls: Vec<(&str, &Value)> = paths.iter().map(String::as_str).zip(&requests).collect();
    let (slow, troubled) = calls.split_last().expect("calls");

    // What registering has looked up is in the cache of a process that is gone.
    scene.troubled.store(true, Ordering::SeqCst);
    service.kill_and_start_again();
    let rounds = SECRETLESS.count();
    for round in 1..=rounds {
        for execution in execute_all(&service, &troubled.repeat(3)).await {
            let log = &execution["log"];
            let code = log["errorCode"].as_str().expect("no success");
            assert!(["secret-unavailable", "secret-not-found", "deadline-exceeded"].contains(&code), "{log:#}");
            assert_eq!(log["attemptCount"], 0, "{log:#}");
        }
        assert_eq!(upstream.hits().len(), 0, "round {round}");
    }
    let log = service.execute(slow.0, slow.1).await["log"].take();
    assert_eq!((&log["status"], &log["attemptCount"]), (&json!("Success"), &json!(1)), "{log:#}");

    let well: Vec<_> = troubled.iter().zip(TROUBLES).filter(|(_, (_, again))| *again).map(|(call, _)| *call).collect();
    let succeed = async |attempts: u64| {
        for execution in execute_all(&service, &well).await {
            let log = &execution["log"];
            assert_eq!((&log["status"], &log["attemptCount"]), (&json!("Success"), &json!(attempts)), "{log:#}");
        }
    };
    scene.troubled.store(false, Ordering::SeqCst);
    succeed(1).await;
    scene.troubled.store(true, Ordering::SeqCst);
    succeed(1).await;

    // Rotated: what is refused is looked up anew, and sent once more only if it is another one (RT-12).
    scene.troubled.store(false, Ordering::SeqCst);
    scene.edition.store(1, Ordering::SeqCst);
    scene.taken.store(1, Ordering::SeqCst);
    succeed(2).await;
    scene.troubled.store(true, Ordering::SeqCst);
    scene.taken.store(2, Ordering::SeqCst);
    for execution in execute_all(&service, &well).await {
        let log = &execution["log"];
        let ended = (&log["errorCode"], &log["httpStatusCode"], &log["attemptCount"]);
        assert_eq!(ended, (&json!("http-status"), &json!(401), &json!(1)), "{log:#}");
    }
    all_prove_themselves(&upstream.hits(), &names, 2);

    let expirations = EXPIRED.count();
    for _ in 0..expirations {
        let before = upstream.hits().len();
        tokio::time::sleep(KEPT + Duration::from_secs(1)).await;
        for execution in execute_all(&service, &well).await {
            assert_eq!(execution["log"]["attemptCount"], 0, "{execution:#}");
        }
        assert_eq!(upstream.hits().len(), before, "what is too old is not sent");
    }
    let (lookups, secretless) = (store.hits().len(), rounds * troubled.len() * 3);
    SECRETLESS.reached(format_args!(
        "{secretless} calls to a store that fails in {} ways, 0 hits; {} hits with their secret, {expirations} \
         expirations while it was away, {lookups} look-ups",
        TROUBLES.len(),
        upstream.hits().len(),
    ));
}
