//! The demo's HR system: 250 teams with headcount, hours, training and satisfaction, and the two connectors to it, of
//! which one has an expired key.

use serde_json::{Value, json};

use super::noise::Noise;
use super::secrets::Secret;

pub(super) const HR: &str = "Demo HR";
pub(super) const OLD_HR: &str = "Demo Old HR";

pub(super) const KEY: Secret = Secret { name: "demo-hr", value: "demo-hr-key" };
pub(super) const EXPIRED_KEY: Secret = Secret { name: "demo-old-hr", value: "demo-expired-key" };

const SITES: [&str; 5] = ["KRK", "WAW", "GDN", "POZ", "WRO"];
const DEPARTMENTS: [&str; 10] = ["ENG", "OPS", "LOG", "FIN", "HR", "SAL", "RND", "QUA", "ITS", "LEG"];
const TEAMS_PER_DEPARTMENT: u32 = 5;
const WEEKLY_HOURS: [f64; 6] = [40.0, 40.0, 40.0, 38.0, 37.5, 35.0];

/// Every team as of today. Three of them are as incomplete as real systems are.
pub(super) fn headcount() -> Value {
    let mut teams = all_teams();
    teams[41]["department_code"] = json!("TMP");
    teams[137]["employee_count"] = Value::Null;
    teams[204]["training_sessions"] = json!([]);
    json!({ "data": teams, "asOf": "2026-01-31" })
}

/// The training report: the teams of the first site.
pub(super) fn training() -> Value {
    let teams: Vec<Value> = all_teams().into_iter().take(50).collect();
    json!({ "data": teams, "asOf": "2026-01-31" })
}

fn all_teams() -> Vec<Value> {
    let mut noise = Noise::seeded(2026);
    let mut teams = Vec::new();
    for site in SITES {
        for department in DEPARTMENTS {
            for number in 1..=TEAMS_PER_DEPARTMENT {
                teams.push(team(&format!("{site}-{department}-{number}"), department, &mut noise));
            }
        }
    }
    teams
}

fn team(id: &str, department: &str, noise: &mut Noise) -> Value {
    let sessions: Vec<u32> = (0..noise.between(2, 6)).map(|_| noise.between(1, 12)).collect();
    let scores: Vec<f64> = (0..4).map(|_| f64::from(noise.between(30, 50)) / 10.0).collect();
    json!({
        "external_id": id,
        "department_code": department,
        "employee_count": noise.between(4, 22),
        "weekly_hours": noise.pick(&WEEKLY_HOURS),
        "training_sessions": sessions,
        "satisfaction_scores": scores,
    })
}

/// The connector that pulls the teams.
pub(super) fn connector(base_url: &str) -> Value {
    json!({
        "name": HR,
        "connectorType": "HR",
        "description": "Headcount, working hours, training and satisfaction per team",
        "endpointBaseUrl": format!("{base_url}/hr"),
        "authenticationType": "ApiKey",
        "authenticationSecretRef": KEY.reference(),
        "authenticationSettings": { "headerName": "X-API-Key" },
        "capabilities": ["pull"],
        "maxRetryAttempts": 3, "retryDelaySeconds": 0.2, "retryJitter": "None",
        "mappingConfiguration": mapping(),
    })
}

/// The mapping of the contract's example.
pub(super) fn mapping() -> Value {
    json!({
        "recordsPath": "$.data[*]", "externalIdPath": "$.external_id",
        "mappings": [
            { "externalField": "employee_count", "internalField": "totalEmployees", "transform": "direct",
              "required": true },
            { "externalField": "weekly_hours", "internalField": "fullTimeEquivalent", "transform": "fte",
              "transformParams": { "standardHours": 40 } },
            { "externalField": "training_sessions", "internalField": "totalTrainingHours", "transform": "sum",
              "required": true },
            { "externalField": "satisfaction_scores", "internalField": "averageSatisfaction",
              "transform": "average" },
            { "externalField": "department_code", "internalField": "departmentName", "transform": "lookup",
              "required": true, "transformParams": { "table": {
                  "ENG": "Engineering", "OPS": "Operations", "LOG": "Logistics", "FIN": "Finance",
                  "HR": "Human Resources", "SAL": "Sales", "RND": "Research", "QUA": "Quality",
                  "ITS": "Information Technology", "LEG": "Legal" } } },
        ]
    })
}

/// The same system under a key that it no longer takes.
pub(super) fn connector_with_expired_key(base_url: &str) -> Value {
    json!({
        "name": OLD_HR,
        "connectorType": "HR",
        "description": "The HR system under last year's key, which it answers with 401",
        "endpointBaseUrl": format!("{base_url}/hr"),
        "authenticationType": "ApiKey",
        "authenticationSecretRef": EXPIRED_KEY.reference(),
        "authenticationSettings": { "headerName": "X-API-Key" },
        "capabilities": ["pull"],
        "maxRetryAttempts": 3, "retryDelaySeconds": 0.2, "retryJitter": "None",
    })
}
