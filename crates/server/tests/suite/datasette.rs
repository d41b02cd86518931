//! A source that nobody here wrote: Datasette over Iowa's electricity generation (EIA), pulled, mapped and found again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::connector;

/// A running Datasette; it ends with this value.
struct Datasette {
    child: Child,
    base_url: String,
}

impl Datasette {
    fn start() -> Self {
        let mut command = Command::new(environment("TEST_DATASETTE"));
        command.args([
            "serve",
            "--immutable",
            &environment("TEST_ELECTRICITY_DB"),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("Datasette starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("Uvicorn running on ")?;
            rest.split(' ').next().map(str::to_owned)
        });
        // Whoever writes into a pipe that nobody reads waits for ever.
        std::thread::spawn(move || lines.for_each(drop));
        let mut started = Self { child, base_url: String::new() };
        started.base_url = address.expect("Datasette says where it listens");
        started
    }
}

impl Drop for Datasette {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `bash .ci/test`"))
}

/// From Datasette's rows to internal fields: the day, the source by its kind, the generation in `GWh` and in `MWh`.
fn mapping() -> Value {
    json!({ "recordsPath": "$.rows[*]", "externalIdPath": "$.year", "mappings": [
        { "externalField": "year", "internalField": "periodStart", "transform": "date",
          "transformParams": { "format": "%Y-%m-%d" }, "required": true },
        { "externalField": "source", "internalField": "kind", "transform": "lookup", "required": true,
          "transformParams": { "table": {
              "Fossil Fuels": "fossil", "Nuclear Energy": "nuclear", "Renewables": "renewable",
          } } },
        { "externalField": "net_generation", "internalField": "generationGwh", "transform": "direct", "required": true },
        { "externalField": "net_generation", "internalField": "generationMwh", "transform": "convert",
          "transformParams": { "from": "GWh", "to": "MWh" }, "required": true },
    ] })
}

/// Pulls rows under that correlation id, and answers the mapped ones.
async fn pull(service: &Service, connector: &str, correlation_id: &str, query: Value) -> Vec<Value> {
    let call = json!({
        "operationType": "pull", "endpoint": "/electricity/generation.json", "query": query, "applyMapping": true,
    });
    let request = service.request("POST", &format!("{connector}/execute")).header("X-Correlation-ID", correlation_id);
    let execution = request.json(&call).send().await.expect(200);
    assert_eq!(execution["log"]["status"], "Success", "{execution:#}");
    assert_eq!(execution["mapping"]["rejections"], json!([]));
    execution["mapping"]["records"].as_array().expect("records").clone()
}

fn sum(records: &[Value], field: &str) -> i64 {
    records.iter().map(|record| record["data"][field].as_i64().expect("a whole number")).sum()
}

#[rstest]
#[tokio::test]
async fn electricity_generation_is_pulled_mapped_and_found_by_its_correlation_id(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let datasette = Datasette::start();
    let service = Service::start(engine).await;
    let members = json!({
        "name": "Iowa electricity", "connectorType": "Utilities", "capabilities": ["pull"],
        "mappingConfiguration": mapping(),
    });
    let path = service.register_enabled(&connector(&datasette.base_url, &members)).await;

    let query = json!({ "_shape": "objects", "_size": 100 });
    let all = pull(&service, &path, "iowa-all", query).await;
    assert_eq!(all.len(), 51);
    assert_eq!(sum(&all, "generationGwh"), 864_452);
    assert_eq!(sum(&all, "generationMwh"), 864_452_000);
    let first = json!({ "externalId": "2001-01-01", "data": {
        "periodStart": "2001-01-01", "kind": "fossil", "generationGwh": 35_361, "generationMwh": 35_361_000,
    } });
    assert!(all.contains(&first), "{:#?}", all.first());

    let query = json!({ "_shape": "objects", "_size": 20, "source": "Renewables" });
    let renewable = pull(&service, &path, "iowa-renewables", query).await;
    assert_eq!(renewable.len(), 17);
    assert!(renewable.iter().all(|record| record["data"]["kind"] == "renewable"));
    let same: Vec<Value> = all.into_iter().filter(|record| record["data"]["kind"] == "renewable").collect();
    assert_eq!(sum(&renewable, "generationGwh"), sum(&same, "generationGwh"));

    let found = service.items("/api/v1/connectors/logs/by-correlation/iowa-renewables").await;
    assert_eq!(found.len(), 1);
    let log = &found[0];
    assert_eq!((&log["connectorName"], &log["status"]), (&json!("Iowa electricity"), &json!("Success")));
    assert_eq!((&log["httpStatusCode"], &log["attemptCount"]), (&json!(200), &json!(1)));
    let page = service.get(&format!("/api/v1/connectors/logs/{}", log["id"].as_str().expect("an id"))).await;
    let url = page.expect(200)["requestSummary"]["url"].as_str().expect("a URL").to_owned();
    assert!(url.contains("source=Renewables"), "{url}");
}
