//! The demo's ERP: 400 purchase lines a year with supplier, category, spend and currency, an account to post to, and
//! the connector to it.

use serde_json::{Value, json};

use super::noise::Noise;
use super::secrets::Secret;

pub(super) const ERP: &str = "Demo ERP";

pub(super) const USER: Secret = Secret { name: "demo-erp", value: "demo-erp-user:demo-erp-password" };

const LINES: usize = 400;
const SUPPLIERS: [&str; 12] = [
    "Nordwind Steel",
    "Baltic Packaging",
    "Carpathia Freight",
    "Odra Chemicals",
    "Vistula Energy",
    "Tatra Logistics",
    "Amber Office Supplies",
    "Silesia Components",
    "Warta Timber",
    "Mazovia Catering",
    "Pomerania Cloud",
    "Sudety Glass",
];
const CATEGORIES: [&str; 6] = ["STEEL", "PACK", "FREIGHT", "IT", "ENERGY", "SERVICE"];
const CURRENCIES: [&str; 5] = ["PLN", "PLN", "PLN", "EUR", "USD"];

/// The purchase lines of a year. Some amounts are quoted, and four lines cannot be mapped.
pub(super) fn purchases(year: u16) -> Value {
    let mut noise = Noise::seeded(u64::from(year));
    let mut lines: Vec<Value> = (0..LINES).map(|index| line(year, index, &mut noise)).collect();
    lines[58]["category"] = json!("MISC");
    lines[173]["spend"] = Value::Null;
    lines[259]["currency"] = json!("");
    lines[311]["booked_on"] = json!(format!("31.02.{year}"));
    json!({ "lines": lines, "total": LINES })
}

fn line(year: u16, index: usize, noise: &mut Noise) -> Value {
    let supplier = noise.pick(&SUPPLIERS);
    let (units, cents) = (noise.between(40, 48_000), noise.below(100));
    let spend = if index.is_multiple_of(5) {
        json!(format!("{units}.{cents:02}"))
    } else {
        json!(f64::from(units * 100 + cents) / 100.0)
    };
    json!({
        "line_id": format!("PO-{year}-{:04}/{}", 1 + index / 4, 10 * (1 + index % 4)),
        "supplier": { "name": supplier, "country": "PL" },
        "category": noise.pick(&CATEGORIES),
        "spend": spend,
        "currency": noise.pick(&CURRENCIES),
        "booked_on": format!("{:02}.{:02}.{year}", noise.between(1, 28), noise.between(1, 12)),
    })
}

/// What the ERP answers to a posting.
pub(super) fn receipt() -> Value {
    json!({ "document": "AC-2026-01-0017", "status": "Posted" })
}

/// The posting that the demo pushes: the month's electricity, for the accrual.
pub(super) fn accrual() -> Value {
    json!({ "period": "2026-01", "account": "ESG-ELECTRICITY", "quantity": 218_450.5, "unit": "kWh" })
}

/// The connector that pulls purchases and pushes postings. The ERP takes an idempotency key, so that a push may be
/// retried.
pub(super) fn connector(base_url: &str) -> Value {
    json!({
        "name": ERP,
        "connectorType": "ERP",
        "description": "Spend per supplier and category; accruals back",
        "endpointBaseUrl": format!("{base_url}/erp"),
        "authenticationType": "Basic",
        "authenticationSecretRef": USER.reference(),
        "capabilities": ["pull", "push"],
        "maxRetryAttempts": 2, "retryDelaySeconds": 0.2, "retryJitter": "None",
        "idempotencyKeyHeader": "Idempotency-Key",
        "mappingConfiguration": {
            "recordsPath": "$.lines[*]", "externalIdPath": "$.line_id",
            "mappings": [
                { "externalField": "$.supplier.name", "internalField": "supplierName", "transform": "direct",
                  "required": true },
                { "externalField": "category", "internalField": "spendCategory", "transform": "lookup",
                  "required": true, "transformParams": { "table": {
                      "STEEL": "Raw materials", "PACK": "Packaging", "FREIGHT": "Transport and distribution",
                      "IT": "IT equipment", "ENERGY": "Purchased energy", "SERVICE": "Services" } } },
                { "externalField": "spend", "internalField": "spendAmount", "transform": "round", "required": true,
                  "transformParams": { "decimals": 2 } },
                { "externalField": "currency", "internalField": "spendCurrency", "transform": "direct",
                  "required": true },
                { "externalField": "booked_on", "internalField": "bookedOn", "transform": "date",
                  "transformParams": { "format": "%d.%m.%Y" } },
            ]
        },
    })
}
