//! SE-A-3, CO-5: what a key of the role `service` is not bound to does not exist for it, whatever it asks. Every
//! operation of the OpenAPI document is walked, so that a new one has to say how it keeps to that.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::exchange::Answer;
use crate::support::openapi::{Operation, operations};
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const CONNECTORS: &str = "/api/v1/connectors";
const UNKNOWN: &str = "01979a2b-7c00-7000-8000-000000000001";

/// What a service may do; everything else is 403 whatever it names, as the walk in `roles` shows.
const PERMITTED: [&str; 2] = ["read", "execute"];

/// The correlation id under which everything of this test was done.
const SHARED: &str = "shared";

/// Two connectors that were called under one correlation id, a key that is bound to the one, and the log of a draft,
/// which is nobody's.
struct World {
    service: Service,
    admin: String,
    robot: String,
    mine: Object,
    theirs: Object,
    draft_log: String,
}

struct Object {
    id: String,
    log: String,
}

impl World {
    async fn start(engine: Engine) -> Self {
        let upstream = Upstream::empty().await;
        let service = Service::with_keys(engine).await;
        let admin = service.key("root", "admin", &[]);
        let mut objects = Vec::new();
        for name in ["Mine", "Theirs"] {
            let given = upstream.connector(&json!({ "name": name, "connectorType": name }));
            let created = service.request("POST", CONNECTORS).key(&admin).json(&given).send().await.expect(201);
            let id = created["id"].as_str().expect("an id").to_owned();
            service.request("POST", &format!("{CONNECTORS}/{id}/enable")).key(&admin).send().await.expect(200);
            let log = execute(&service, &admin, &id).await.expect(200)["log"]["id"].as_str().expect("an id").to_owned();
            objects.push(Object { id, log });
        }
        let draft = upstream.connector(&json!({ "name": "Theirs as a draft" }));
        let test = service.request("POST", &format!("{CONNECTORS}/test")).key(&admin);
        test.header("X-Correlation-ID", SHARED).json(&draft).send().await.expect(200);
        let of_tests = format!("{CONNECTORS}/logs?operationType=test");
        let logs = service.request("GET", &of_tests).key(&admin).send().await.expect(200);
        let draft_log = logs["items"][0]["id"].as_str().expect("an id").to_owned();
        let [mine, theirs]: [Object; 2] = objects.try_into().ok().expect("two");
        let robot = service.key("robot", "service", &[&mine.id]);
        Self { service, admin, robot, mine, theirs, draft_log }
    }

    /// Asks the operation, about these where its path names something.
    async fn ask(&self, operation: &Operation, connector: &str, log: &str) -> Answer {
        let target = operation
            .path
            .replace("{id}", connector)
            .replace("{logId}", log)
            .replace("{keyId}", UNKNOWN)
            .replace("{correlationId}", SHARED);
        let request = self.service.request(&operation.method, &target).key(&self.robot);
        if operation.has_body { request.json(&call()) } else { request }.send().await
    }

    async fn get(&self, key: &str, target: &str) -> Answer {
        self.service.request("GET", target).key(key).send().await
    }

    /// Asserts that nothing in an answer is of the other connector or of the draft.
    #[track_caller]
    fn assert_no_trace(&self, asked: &str, answer: &Answer) {
        for trace in [&self.theirs.id, &self.theirs.log, &self.draft_log, "Theirs"] {
            assert!(!answer.text().contains(trace), "{asked}: {}", answer.text());
        }
    }
}

fn call() -> Value {
    json!({ "operationType": "pull", "endpoint": "/x" })
}

async fn execute(service: &Service, key: &str, connector: &str) -> Answer {
    let request = service.request("POST", &format!("{CONNECTORS}/{connector}/execute")).key(key);
    request.header("X-Correlation-ID", SHARED).json(&call()).send().await
}

/// What a problem says, apart from which request it was.
fn said(answer: &Answer) -> (u16, Value) {
    let mut problem = answer.json();
    for member in ["correlationId", "instance"] {
        problem[member] = Value::Null;
    }
    (answer.status, problem)
}

/// The operations that a service may use.
fn permitted() -> Vec<(Operation, Value)> {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("JSON");
    let described = operations().into_iter().map(|operation| {
        let described = document["paths"][&operation.path][operation.method.to_ascii_lowercase()].clone();
        (operation, described)
    });
    described
        .filter(|(_, described)| {
            described["x-required-permission"].as_str().is_some_and(|needed| PERMITTED.contains(&needed))
        })
        .collect()
}

/// The query parameters of an operation.
fn parameters(described: &Value) -> Vec<String> {
    let parameters = described["parameters"].as_array().expect("parameters").iter();
    let query = parameters.filter(|parameter| parameter["in"] == "query");
    query.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect()
}

/// A value of a filter that finds the other connector, or its call, for whoever may see them.
fn finds_theirs(world: &World, list: &str, filter: &str) -> String {
    match filter {
        "q" => "their".to_owned(),
        "type" => "Theirs".to_owned(),
        "status" if list == CONNECTORS => "Enabled".to_owned(),
        "status" => "Success".to_owned(),
        "capability" | "operationType" => "pull".to_owned(),
        "connectorId" => world.theirs.id.clone(),
        "correlationId" => SHARED.to_owned(),
        "from" => "1970-01-01T00:00:00Z".to_owned(),
        "to" => "9999-01-01T00:00:00Z".to_owned(),
        "httpStatusCode" => "200".to_owned(),
        "minDurationMs" => "0".to_owned(),
        "window" => "24h".to_owned(),
        other => panic!("say here what {other} of {list} is to find"),
    }
}

#[rstest]
#[tokio::test]
async fn se_a_3_co_5_what_a_service_is_not_bound_to_is_404_as_what_never_was(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut walked = 0;
    for (operation, _) in permitted() {
        let World { mine, theirs, draft_log, .. } = &world;
        let foreign = match operation.path.as_str() {
            path if path.contains("{id}") => vec![(theirs.id.as_str(), UNKNOWN)],
            path if path.contains("{logId}") => vec![(UNKNOWN, theirs.log.as_str()), (UNKNOWN, draft_log)],
            _ => continue,
        };
        walked += 1;
        let never = world.ask(&operation, UNKNOWN, UNKNOWN).await;
        assert_eq!(never.status, 404, "{}: {}", operation.id, never.text());
        for (connector, log) in foreign {
            let answer = world.ask(&operation, connector, log).await;
            assert_eq!(said(&answer), said(&never), "{}", operation.id);
        }
        let own = world.ask(&operation, &mine.id, &mine.log).await;
        assert_eq!(own.status, 200, "{}: {}", operation.id, own.text());
        world.assert_no_trace(&operation.id, &own);
    }
    assert_eq!(walked, 4, "getConnector, executeCall, listConnectorLogs, getLog");
}

#[rstest]
#[tokio::test]
async fn se_a_3_co_5_no_list_shows_what_a_service_is_not_bound_to_by_no_filter(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let world = World::start(engine).await;
    for (operation, described) in permitted() {
        let path = operation.path.replace("{correlationId}", SHARED).replace("{id}", &world.mine.id);
        let filters = parameters(&described);
        if operation.method != "GET" || operation.path.contains("{logId}") || operation.id == "getConnector" {
            continue;
        }
        let is_list = filters.iter().any(|filter| filter == "cursor");
        assert!(is_list || operation.id == "getStatistics", "say here how {} keeps to itself", operation.id);
        let plain = world.get(&world.robot, &path).await;
        let shown = plain.expect(200)["items"].as_array().unwrap_or_else(|| panic!("{path}: {}", plain.text())).len();
        assert_eq!(shown, 1, "{path}: the robot's own, so that the walk sees something");
        world.assert_no_trace(&path, &plain);
        for filter in filters.iter().filter(|filter| !matches!(filter.as_str(), "limit" | "cursor")) {
            let target = format!("{path}?{filter}={}", finds_theirs(&world, &path, filter));
            let own_only = path.contains(&world.mine.id);
            let seen = world.get(&world.admin, &target).await.expect(200).to_string();
            assert!(own_only || seen.contains(&world.theirs.id), "{target} finds theirs, for who may see it: {seen}");
            let answer = world.get(&world.robot, &target).await;
            answer.expect(200);
            world.assert_no_trace(&target, &answer);
        }
        if is_list {
            walk_with_the_cursors_of_another(&world, &path).await;
        }
    }
}

/// A cursor is no capability: with those of somebody who sees everything the robot still sees its own.
async fn walk_with_the_cursors_of_another(world: &World, path: &str) {
    let mut target = format!("{path}?limit=1");
    loop {
        let own = world.get(&world.robot, &target).await;
        own.expect(200);
        world.assert_no_trace(&target, &own);
        let page = world.get(&world.admin, &target).await.expect(200);
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        target = format!("{path}?limit=1&cursor={cursor}");
    }
}

#[rstest]
#[tokio::test]
async fn se_a_3_the_idempotency_keys_of_others_lead_a_service_nowhere(#[values(Sqlite, Postgres)] engine: Engine) {
    let world = World::start(engine).await;
    let post = |key: String, target: String| {
        let request = world.service.request("POST", &target).key(&key).header("Idempotency-Key", "once");
        async move { request.json(&call()).send().await }
    };
    for (object, is_mine) in [(&world.theirs, false), (&world.mine, true)] {
        let target = format!("{CONNECTORS}/{}/execute", object.id);
        // The keys of one principal are of one request each.
        world.service.behind_its_back("DELETE FROM idempotency_keys").await;
        let first = post(world.admin.clone(), target.clone()).await.expect(200);
        let answer = post(world.robot.clone(), target).await;
        assert_eq!(answer.header("idempotency-replayed"), None);
        if is_mine {
            assert_ne!(answer.expect(200)["log"]["id"], first["log"]["id"], "a call of its own");
        } else {
            answer.problem(404, "connector-not-found");
        }
    }
}

#[rstest]
#[tokio::test]
async fn se_a_3_a_service_sees_its_own_and_no_more_once_its_connector_is_gone(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let world = World::start(engine).await;
    let path = format!("{CONNECTORS}/{}", world.mine.id);
    world.service.request("POST", &format!("{path}/disable")).key(&world.admin).send().await.expect(200);
    assert_eq!(world.service.request("DELETE", &path).key(&world.admin).send().await.status, 204);
    world.get(&world.robot, &path).await.problem(404, "connector-not-found");
    let listed = world.get(&world.robot, CONNECTORS).await.expect(200);
    assert_eq!(listed["items"], json!([]));
    // Its history outlives it, for the same eyes.
    let logs = world.get(&world.robot, &format!("{CONNECTORS}/logs")).await;
    assert_eq!(logs.expect(200)["items"].as_array().map(Vec::len), Some(1));
    world.assert_no_trace("logs", &logs);
}
