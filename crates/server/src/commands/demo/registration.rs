//! Registering the demo's connectors. The store may know them from an earlier run, in whatever state that left them.

use serde_json::{Value, json};

use super::client::Client;
use super::outcome::read;
use crate::failure::Failure;

/// Where connectors are.
pub(super) const CONNECTORS: &str = "/api/v1/connectors";

/// A connector of the service.
pub(super) struct Registered {
    pub(super) id: String,
    /// Whether an earlier run had made it.
    pub(super) known: bool,
}

/// Registers `wanted`, or brings the connector of that name to it, and enables it.
pub(super) async fn register(client: &Client, wanted: &Value, correlation_id: &str) -> Result<Registered, Failure> {
    let found = find(&client.get(&search(wanted), correlation_id).await?, wanted);
    let id = match &found {
        None => read(client.post(CONNECTORS, correlation_id, wanted).await?["id"].take())?,
        Some(id) => {
            let target = format!("{CONNECTORS}/{id}");
            let mut connector = client.get(&target, correlation_id).await?;
            // The upstream has another port in every run.
            replace_members(&mut connector, wanted);
            client.put(&target, correlation_id, &connector).await?;
            id.clone()
        }
    };
    client.post(&format!("{CONNECTORS}/{id}/enable"), correlation_id, &json!({ "reason": "demo" })).await?;
    Ok(Registered { id, known: found.is_some() })
}

/// The list of connectors whose name contains the wanted one.
fn search(wanted: &Value) -> String {
    let name = wanted["name"].as_str().unwrap_or_default().replace(' ', "%20");
    format!("{CONNECTORS}?limit=200&q={name}")
}

fn find(page: &Value, wanted: &Value) -> Option<String> {
    let mut items = page["items"].as_array()?.iter();
    let found = items.find(|connector| connector["name"] == wanted["name"])?;
    Some(found["id"].as_str()?.to_owned())
}

fn replace_members(connector: &mut Value, wanted: &Value) {
    for (member, value) in wanted.as_object().into_iter().flatten() {
        connector[member] = value.clone();
    }
}
