//! The demo's smaller sources: a travel agency whose connector is disabled in the end, a water supplier in maintenance,
//! and a waste contractor whose host is off.

use serde_json::{Value, json};

use super::noise::Noise;

pub(super) const TRAVEL: &str = "Demo Travel";
pub(super) const WATER: &str = "Demo Water";
pub(super) const WASTE: &str = "Demo Waste";

const TRIPS: u32 = 120;
const MODES: [&str; 4] = ["AIR", "RAIL", "RAIL", "CAR"];

/// A quarter of business trips, in miles.
pub(super) fn trips() -> Value {
    let mut noise = Noise::seeded(7);
    (1..=TRIPS)
        .map(|number| {
            let mode = *noise.pick(&MODES);
            let miles = if mode == "AIR" { noise.between(200, 4_100) } else { noise.between(12, 480) };
            json!({ "trip": format!("T-{number:04}"), "mode": mode, "distance_mi": miles })
        })
        .collect()
}

pub(super) fn travel(base_url: &str) -> Value {
    json!({
        "name": TRAVEL,
        "connectorType": "Travel",
        "description": "Business trips by mode and distance",
        "endpointBaseUrl": format!("{base_url}/travel"),
        "authenticationType": "None",
        "capabilities": ["pull"],
        "mappingConfiguration": {
            "externalIdPath": "$.trip",
            "mappings": [
                { "externalField": "mode", "internalField": "travelMode", "transform": "lookup",
                  "transformParams": { "table": { "AIR": "Air", "RAIL": "Rail", "CAR": "Road" } } },
                { "externalField": "distance_mi", "internalField": "distanceKm", "transform": "convert",
                  "required": true, "transformParams": { "from": "mi", "to": "km" } },
            ]
        },
    })
}

pub(super) fn water(base_url: &str) -> Value {
    json!({
        "name": WATER,
        "connectorType": "Utilities",
        "description": "Water use; the supplier answers 503 all day",
        "endpointBaseUrl": format!("{base_url}/water"),
        "authenticationType": "None",
        "capabilities": ["pull"],
        "maxRetryAttempts": 2, "retryDelaySeconds": 0.2, "retryJitter": "None",
    })
}

pub(super) fn waste(base_url: &str) -> Value {
    json!({
        "name": WASTE,
        "connectorType": "Waste",
        "description": "Waste pick-ups; nobody listens at the contractor's address",
        "endpointBaseUrl": base_url,
        "authenticationType": "None",
        "capabilities": ["pull"],
        "maxRetryAttempts": 2, "retryDelaySeconds": 0.2, "retryJitter": "None",
    })
}
