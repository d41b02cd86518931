//! The demo's electricity supplier: a month of hourly readings of three meters, and the connector to it.

use serde_json::{Value, json};

use super::noise::Noise;
use super::secrets::Secret;

pub(super) const POWER: &str = "Demo Power";

pub(super) const TOKEN: Secret = Secret { name: "demo-power", value: "demo-power-token" };

/// Meters with the average draw of their site in 0.1 kWh an hour.
const METERS: [(&str, u32); 3] = [("PL-KRK-01", 1_420), ("PL-WAW-01", 960), ("PL-GDN-02", 610)];
const DAYS: u32 = 31;

/// Per cent of the average draw, hour by hour, on a working day.
const DAY_CURVE: [u32; 24] =
    [52, 50, 49, 49, 51, 58, 78, 104, 132, 146, 151, 153, 149, 151, 150, 144, 131, 116, 102, 90, 79, 68, 60, 55];

/// The month, hour by hour: imports in `MWh`, what the roof fed back in `kWh`. Some numbers are quoted, and where the
/// meter did not report there is none.
pub(super) fn readings() -> Value {
    let mut noise = Noise::seeded(31);
    let mut readings = Vec::new();
    for (meter, average) in METERS {
        for day in 1..=DAYS {
            for hour in 0..24 {
                readings.push(reading(meter, average, day, hour, &mut noise));
            }
        }
    }
    for silent in [77, 78, 79, 803, 1_460, 2_001] {
        readings[silent]["imported_mwh"] = Value::Null;
    }
    json!({ "readings": readings, "unit": "MWh" })
}

/// The last day of the month.
pub(super) fn today() -> Value {
    let mut noise = Noise::seeded(32);
    let readings: Vec<Value> = METERS
        .iter()
        .flat_map(|&(meter, average)| (0..24).map(move |hour| (meter, average, hour)))
        .map(|(meter, average, hour)| reading(meter, average, DAYS, hour, &mut noise))
        .collect();
    json!({ "readings": readings, "unit": "MWh" })
}

fn reading(meter: &str, average: u32, day: u32, hour: u32, noise: &mut Noise) -> Value {
    // 3 January 2026 was a Saturday.
    let share = if matches!(day % 7, 3 | 4) { 55 } else { DAY_CURVE.get(hour as usize).copied().unwrap_or(100) };
    let tenths_of_kwh = average * share / 100 * noise.between(94, 106) / 100;
    let sunny = if (9..=15).contains(&hour) { noise.below(180) } else { 0 };
    let imported = if noise.below(7) == 0 {
        json!(format!("{}.{:04}", tenths_of_kwh / 10_000, tenths_of_kwh % 10_000))
    } else {
        json!(f64::from(tenths_of_kwh) / 10_000.0)
    };
    json!({
        "id": format!("{meter}/2026-01-{day:02}T{hour:02}"),
        "from": format!("2026-01-{day:02}T{hour:02}:00:00+01:00"),
        "imported_mwh": imported,
        "exported_kwh": f64::from(sunny) / 10.0,
    })
}

/// The connector that pulls the readings.
pub(super) fn connector(base_url: &str) -> Value {
    json!({
        "name": POWER,
        "connectorType": "Utilities",
        "description": "Hourly meter readings, in MWh at the source and kWh here",
        "endpointBaseUrl": format!("{base_url}/power"),
        "authenticationType": "Bearer",
        "authenticationSecretRef": TOKEN.reference(),
        "capabilities": ["pull"],
        "maxRetryAttempts": 3, "retryDelaySeconds": 0.2, "retryJitter": "None",
        "mappingConfiguration": {
            "recordsPath": "$.readings[*]", "externalIdPath": "$.id",
            "mappings": [
                { "externalField": "imported_mwh", "internalField": "electricityKwh", "transform": "convert",
                  "required": true, "transformParams": { "from": "MWh", "to": "kWh" } },
                { "externalField": "exported_kwh", "internalField": "solarExportKwh", "transform": "direct" },
                { "externalField": "from", "internalField": "hourStartingAt", "transform": "direct",
                  "required": true },
            ]
        },
    })
}
