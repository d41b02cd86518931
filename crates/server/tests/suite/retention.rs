//! What is old goes by itself (DU-8).

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::Upstream;

/// It begins a few seconds after the start.
#[rstest]
#[tokio::test]
async fn du_8_the_service_removes_what_is_older_than_it_is_configured_to_keep(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::empty().await;
    let mut service = Service::configured(engine, &[("CONNECTORS_RETENTION_LOGS_DAYS", "1")]).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    service.execute(&path, &call).await;
    let two_days_ago = match engine {
        Sqlite => "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-2 days')",
        Postgres => "now() - interval '2 days'",
    };
    service.behind_its_back(&format!("UPDATE integration_logs SET started_at = {two_days_ago}")).await;
    let young = service.execute(&path, &call).await["log"].take();
    service.kill_and_start_again();

    let purged = "/api/v1/audit?action=retention.purged";
    let mut entries = service.items(purged).await;
    while entries.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        entries = service.items(purged).await;
    }
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!((&entry["actorType"], &entry["actor"]), (&json!("System"), &json!("retention")), "{entry:#}");
    assert_eq!((&entry["reason"], &entry["connectorId"]), (&json!("`retention.logs_days` is 1"), &json!(null)));
    assert_eq!((&entry["subject"], &entry["changes"][0]["pointer"]), (&json!("integration-logs"), &json!("/logs")));
    assert_eq!(entry["changes"][0]["before"]["count"], 1, "{entry:#}");
    assert_eq!(service.items(&format!("{path}/logs")).await, [young]);
}
