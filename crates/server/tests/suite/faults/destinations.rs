//! Row 13 and SE-D: where no call goes. Every address of the network here is an upstream that would answer, so a guard
//! that lets something through is seen, and so is every packet.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use test_support::Engine::Sqlite;
use test_support::TestDatabase;

use super::counts::{REBOUND, REDIRECTED};
use super::everywhere::{Arrival, Everywhere, answer};
use super::names::Names;
use super::namespace::isolated;
use super::packets::Packets;
use super::{UNLIMITED, connector, execute_all, spellings};
use crate::support::service::Service;

const CONNECTORS: &str = "/api/v1/connectors";

/// The one address that these deployments open.
const OPEN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// So many calls at once, below what one connector may have.
const AT_ONCE: usize = 20;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn pull() -> Value {
    json!({ "operationType": "pull", "endpoint": "/readings" })
}

fn ok(_: &Arrival) -> String {
    answer("200 OK", "Content-Type: application/json\r\n", "{\"kWh\":12.5}")
}

/// A service on this database that opens `allowed`.
fn opening(database: TestDatabase, allowed: &str) -> Service {
    Service::on(database, &[UNLIMITED.as_slice(), &[("CONNECTORS_ALLOWED_DESTINATIONS", allowed)]].concat())
}

async fn opening_one() -> Service {
    opening(TestDatabase::start(Sqlite).await, "127.0.0.1")
}

/// Asserts that the call was blocked, and that nothing of the answer tells what the name came to.
#[track_caller]
fn blocked(what: &str, execution: &Value) {
    let log = &execution["log"];
    assert_eq!(
        (&log["status"], &log["errorCode"]),
        (&json!("Failed"), &json!("destination-blocked")),
        "{what}: {log:#}"
    );
    assert_eq!((&log["retryAttempts"], &log["retryable"]), (&json!(0), &json!(false)), "{what}");
    assert_eq!((&log["errorDetails"], &execution["response"]), (&Value::Null, &Value::Null), "{what}");
}

#[test]
fn fault_13_a_name_that_is_bound_anew_leads_nowhere_but_to_open_addresses() {
    /// What one look-up is told, after the one before it was told the open address alone.
    const REBINDINGS: [&[&str]; 8] = [
        &["169.254.169.254"],
        &["10.9.8.7"],
        &["127.0.0.2"],
        &["127.0.0.1", "10.9.8.7"],
        &["169.254.169.254", "127.0.0.1"],
        &["127.0.0.1", "fd00:ec2::254"],
        &["127.0.0.1", "::1"],
        &["127.0.0.1", "::ffff:10.9.8.7"],
    ];
    isolated(&fault_13_a_name_that_is_bound_anew_leads_nowhere_but_to_open_addresses, async {
        let rebindings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rebindings);
        let _names = Names::serve(move |_, times| {
            if times.is_multiple_of(2) {
                return vec![OPEN];
            }
            let number = times / 2;
            counted.fetch_max(number + 1, Ordering::SeqCst);
            REBINDINGS[number % REBINDINGS.len()].iter().map(|text| address(text)).collect()
        })
        .await;
        let packets = Packets::watch();
        let upstream = Everywhere::start(ok).await;
        let service = opening_one().await;
        let base = format!("http://erp.example.com:{}/v1", upstream.port);
        let path = service.register_enabled(&connector(&base, &json!({}))).await;
        let (call, wanted) = (pull(), REBOUND.count());
        let (mut successes, mut blocks) = (0, 0);
        while rebindings.load(Ordering::SeqCst) < wanted {
            for execution in execute_all(&service, &[(path.as_str(), &call); AT_ONCE]).await {
                if execution["log"]["status"] == "Success" {
                    successes += 1;
                } else {
                    blocked("a rebinding", &execution);
                    blocks += 1;
                }
            }
        }
        assert_eq!(packets.beyond_loopback().await, [].into());
        let hits = upstream.elsewhere(OPEN);
        assert!(hits.is_empty(), "{hits:#?}");
        let rebindings = rebindings.load(Ordering::SeqCst);
        assert_eq!(successes, upstream.arrivals().len());
        // Look-ups at once share the answers out among them: a denied IPv6 address may meet with an IPv4 answer that is
        // denied already. With a denied IPv4 address it is one block each.
        assert!(
            2 * blocks > rebindings && successes > 0,
            "{rebindings} rebindings, {blocks} blocks, {successes} successes"
        );
        REBOUND.reached(format_args!("{rebindings} rebindings of a name, {} hits on the target", hits.len()));
    });
}

#[test]
fn fault_13_se_d_4_a_redirect_is_not_followed_and_takes_no_secret_along() {
    isolated(&fault_13_se_d_4_a_redirect_is_not_followed_and_takes_no_secret_along, async {
        const STATUSES: [&str; 6] = ["300", "301", "302", "303", "307", "308"];
        const LOCATIONS: [&str; 7] = [
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
            "https://169.254.169.254/",
            "//169.254.169.254/latest/",
            "http://2852039166/",
            "http://[fd00:ec2::254]/latest/",
            "http://[::ffff:169.254.169.254]/",
            "http://metadata.google.internal/computeMetadata/v1/",
        ];
        let _names = Names::serve(|_, _| vec![address("169.254.169.254")]).await;
        let packets = Packets::watch();
        let upstream = Everywhere::start(|arrival| {
            let (status, location) =
                arrival.head.split_once("/v1/").expect("the base path").1.split_once('/').expect("both");
            let location =
                LOCATIONS[location.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0_usize)];
            answer(&format!("{status} Elsewhere"), &format!("Location: {location}\r\n"), "")
        })
        .await;
        let service = opening_one().await;
        service.put_secret("key", "k3y-of-the-erp");
        let auth = json!({
            "authenticationType": "ApiKey", "authenticationSecretRef": "SecretStore:key", "maxRetryAttempts": 3,
            "retryDelaySeconds": 0,
        });
        let path = service.register_enabled(&connector(&format!("http://127.0.0.1:{}/v1", upstream.port), &auth)).await;
        let rounds = REDIRECTED.count();
        let mut calls = 0;
        for _ in 0..rounds {
            for status in STATUSES {
                for location in 0..LOCATIONS.len() {
                    let call = json!({ "operationType": "pull", "endpoint": format!("/{status}/{location}") });
                    let log = service.execute(&path, &call).await["log"].clone();
                    let ended = (&log["status"], &log["errorCode"], &log["attemptCount"]);
                    assert_eq!(ended, (&json!("Failed"), &json!("redirect-not-followed"), &json!(1)), "{log:#}");
                    calls += 1;
                }
            }
        }
        assert_eq!(packets.beyond_loopback().await, [].into());
        let arrivals = upstream.arrivals();
        assert!(arrivals.iter().all(|arrival| arrival.at == OPEN && arrival.head.contains("k3y-of-the-erp")));
        assert_eq!(arrivals.len(), calls);
        REDIRECTED.reached(format_args!("{calls} redirects to a metadata service, 0 hits on the target"));
    });
}

#[test]
fn se_d_1_only_the_deployment_opens_private_addresses_and_plain_http() {
    isolated(&se_d_1_only_the_deployment_opens_private_addresses_and_plain_http, async {
        let _names = Names::serve(|_, _| vec![address("10.9.8.7")]).await;
        let packets = Packets::watch();
        let upstream = Everywhere::start(ok).await;
        let base = |scheme: &str, host: &str| format!("{scheme}://{host}:{}/v1", upstream.port);
        let closed = [("CONNECTORS_ALLOW_HTTP", "false"), ("CONNECTORS_ALLOWED_DESTINATIONS", "")];
        let service = Service::configured(Sqlite, &[UNLIMITED.as_slice(), &closed].concat()).await;
        for (scheme, host) in [("http", "erp.example.com"), ("https", "10.9.8.7"), ("http", "10.9.8.7")] {
            let refused = service.post(CONNECTORS, &connector(&base(scheme, host), &json!({}))).await;
            assert_eq!(refused.pointers(), ["/endpointBaseUrl"], "{scheme}://{host}");
        }
        let path = service.register_enabled(&connector(&base("https", "erp.example.com"), &json!({}))).await;
        blocked("a private address", &service.execute(&path, &pull()).await);
        assert_eq!(packets.beyond_loopback().await, [].into());

        for allowed in ["10.9.8.0/24", "10.9.8.7", "erp.example.com"] {
            let service = opening(TestDatabase::start(Sqlite).await, allowed);
            let path = service.register_enabled(&connector(&base("http", "erp.example.com"), &json!({}))).await;
            assert_eq!(service.execute(&path, &pull()).await["log"]["status"], "Success", "{allowed}");
        }
        assert_eq!(upstream.elsewhere(address("10.9.8.7")).len(), 0);
        assert_eq!(upstream.arrivals().len(), 3);
        assert!(packets.beyond_loopback().await.contains(&address("10.9.8.7")), "an open address is called");
    });
}

#[test]
fn se_d_2_a_name_with_one_denied_address_is_not_called() {
    isolated(&se_d_2_a_name_with_one_denied_address_is_not_called, async {
        // `n3-mixed.example.com` has the address number 3 behind an open one, `n3-only.example.com` nothing else.
        let _names = Names::serve(|name, _| {
            let (number, mixed) = (name.split(['n', '-']).nth(1), name.contains("-mixed."));
            let denied = number.and_then(|number| spellings::ADDRESSES.get(number.parse::<usize>().ok()?));
            mixed.then_some(OPEN).into_iter().chain(denied.map(|text| address(text))).collect()
        })
        .await;
        let packets = Packets::watch();
        let upstream = Everywhere::start(ok).await;
        let service = opening_one().await;
        let mut connectors = Vec::new();
        for number in 0..spellings::ADDRESSES.len() {
            for kind in ["only", "mixed"] {
                let name = format!("n{number}-{kind}.example.com");
                let base = format!("http://{name}:{}/v1", upstream.port);
                connectors
                    .push((name.clone(), service.register_enabled(&connector(&base, &json!({ "name": name }))).await));
            }
        }
        let call = pull();
        for some in connectors.chunks(AT_ONCE) {
            let calls: Vec<_> = some.iter().map(|(_, path)| (path.as_str(), &call)).collect();
            for ((name, _), execution) in some.iter().zip(execute_all(&service, &calls).await) {
                blocked(name, &execution);
            }
        }
        assert_eq!(packets.beyond_loopback().await, [].into());
        assert_eq!(upstream.arrivals().len(), 0);
    });
}

#[test]
fn se_d_2_metadata_services_are_not_called_whatever_is_open() {
    isolated(&se_d_2_metadata_services_are_not_called_whatever_is_open, async {
        const METADATA: [&str; 8] = [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "168.63.129.16",
            "100.100.100.200",
            "fd00:ec2::254",
            "169.254.170.2",
        ];
        let _names = Names::serve(|name, _| {
            let number = name.trim_start_matches('n').split('.').next().and_then(|number| number.parse::<usize>().ok());
            vec![address(number.and_then(|number| METADATA.get(number)).unwrap_or(&"10.9.8.7"))]
        })
        .await;
        let packets = Packets::watch();
        let upstream = Everywhere::start(ok).await;
        let everything = "0.0.0.0/0,::/0,169.254.169.254,fd00:ec2::254,n0.example.com";
        let service = opening(TestDatabase::start(Sqlite).await, everything);
        for (number, metadata) in METADATA.iter().enumerate() {
            let base = format!("http://n{number}.example.com:{}/v1", upstream.port);
            let path = service.register_enabled(&connector(&base, &json!({ "name": base }))).await;
            blocked(metadata, &service.execute(&path, &pull()).await);
        }
        assert_eq!(packets.beyond_loopback().await, [].into());
        let base = format!("http://erp.example.com:{}/v1", upstream.port);
        let path = service.register_enabled(&connector(&base, &json!({}))).await;
        assert_eq!(service.execute(&path, &pull()).await["log"]["status"], "Success", "all else is open");
    });
}

#[test]
fn se_d_3_every_spelling_of_a_denied_address_ends_at_the_same_verdict() {
    isolated(&se_d_3_every_spelling_of_a_denied_address_ends_at_the_same_verdict, async {
        // Names that a parser fails to read as addresses would be looked up.
        let _names = Names::serve(|_, _| vec![address("10.9.8.7")]).await;
        let packets = Packets::watch();
        let upstream = Everywhere::start(ok).await;
        let base = |host: &str| format!("http://{host}:{}/v1", upstream.port);
        // Not this machine: `localhost` is in the list.
        let one = "10.20.30.40";
        let closed = opening(TestDatabase::start(Sqlite).await, one);
        for host in spellings::HOSTS {
            let refused = closed.post(CONNECTORS, &connector(&base(host), &json!({}))).await;
            refused.problem(422, "destination-blocked");
            assert_eq!(refused.pointers(), ["/endpointBaseUrl"], "{host}");
        }
        assert_eq!(closed.items(CONNECTORS).await, [] as [Value; 0]);

        // Registered while the deployment was open, called after it was closed.
        let service = opening(TestDatabase::start(Sqlite).await, "0.0.0.0/0,::/0");
        let mut connectors = Vec::new();
        for host in spellings::HOSTS {
            let created = service.post(CONNECTORS, &connector(&base(host), &json!({ "name": host }))).await;
            if created.status == 201 {
                let path = format!("{CONNECTORS}/{}", created.json()["id"].as_str().expect("an id"));
                service.post_nothing(&format!("{path}/enable")).await.expect(200);
                connectors.push((host, path));
            } else {
                created.problem(422, "destination-blocked");
            }
        }
        assert!(connectors.len() >= spellings::HOSTS.len() - 12, "all but metadata: {connectors:?}");
        let (_, database) = service.stop();
        let service = opening(database, one);
        let call = pull();
        for some in connectors.chunks(AT_ONCE) {
            let calls: Vec<_> = some.iter().map(|(_, path)| (path.as_str(), &call)).collect();
            for ((host, _), execution) in some.iter().zip(execute_all(&service, &calls).await) {
                blocked(host, &execution);
            }
        }
        assert_eq!(packets.beyond_loopback().await, [].into());
        assert_eq!(upstream.arrivals().len(), 0);
    });
}

#[test]
fn se_d_5_a_block_looks_the_same_whatever_is_behind_the_address() {
    isolated(&se_d_5_a_block_looks_the_same_whatever_is_behind_the_address, async {
        let _names = Names::serve(|name, _| {
            vec![match name {
                "erp.example.com" => address("10.9.8.7"),
                "crm.example.com" => address("169.254.169.254"),
                _ => address("fd00:ec2::254"),
            }]
        })
        .await;
        let packets = Packets::watch();
        let upstream = Everywhere::start(ok).await;
        let service = opening_one().await;
        let mut seen = Vec::new();
        // The port of the upstream, and one where nothing listens.
        for port in [upstream.port, 9] {
            for host in ["erp.example.com", "crm.example.com", "hr.example.com"] {
                let name = format!("{host} {port}");
                let base = format!("https://{host}:{port}/v1");
                let path = service.register_enabled(&connector(&base, &json!({ "name": name }))).await;
                let execution = service.execute(&path, &pull()).await;
                blocked(&name, &execution);
                let id = execution["log"]["id"].as_str().expect("an id").to_owned();
                let page = service.get(&format!("{CONNECTORS}/logs/{id}")).await.expect(200);
                seen.push(without_what_differs(&json!([execution, page])));
            }
        }
        assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:#?}");
        let (log, _) = service.stop();
        for text in [json!(seen).to_string(), json!(log).to_string()] {
            for address in ["10.9.8.7", "169.254", "fd00:ec2"] {
                assert!(!text.contains(address), "{address} is told: {text}");
            }
        }
        assert_eq!(packets.beyond_loopback().await, [].into());
        assert_eq!(upstream.arrivals().len(), 0);
    });
}

/// The value without ids, names, times, durations and what the caller knows of the request.
fn without_what_differs(value: &Value) -> Value {
    const DIFFER: [&str; 9] = [
        "id",
        "connectorId",
        "connectorName",
        "correlationId",
        "traceId",
        "startedAt",
        "completedAt",
        "durationMs",
        "requestSummary",
    ];
    match value {
        Value::Object(members) => {
            let same = members.iter().filter(|(name, _)| !DIFFER.contains(&name.as_str()));
            same.map(|(name, member)| (name.clone(), without_what_differs(member))).collect()
        }
        Value::Array(elements) => elements.iter().map(without_what_differs).collect(),
        other => other.clone(),
    }
}
