//! The mark of a redacted secret is no reading: it is never taken over, converted, looked up or replaced by a default.

use rstest::rstest;

use super::*;
use crate::redaction::REDACTED;

#[rstest]
#[case("token", "direct", json!(null))]
#[case("nested", "direct", json!(null))]
#[case("names", "direct", json!(null))]
#[case("text", "direct", json!(null))]
#[case("token", "fte", json!(null))]
#[case("token", "date", json!({"format": "%Y-%m-%d"}))]
#[case("token", "lookup", json!({"table": {"a": 1}}))]
#[case("token", "lookup", json!({"table": {REDACTED: 1}}))]
#[case("series", "sum", json!(null))]
#[case("$.series[*]", "average", json!(null))]
#[case("$.series[*]", "direct", json!(null))]
#[case("$..token", "direct", json!(null))]
#[case("$['id','token']", "direct", json!(null))]
fn a_record_with_a_redacted_input_is_rejected(#[case] field: &str, #[case] name: &str, #[case] params: Value) {
    let record = json!({ "id": "a", "token": REDACTED, "nested": {"a": [1, {"token": REDACTED}]}, "names": {REDACTED: 1},
        "text": format!("https://example.org/{REDACTED}/rows"), "series": [1, REDACTED] });
    let expected = Err(format!("Field '{field}' was redacted"));
    for (required, default) in [(true, json!({})), (false, json!({})), (false, json!({"defaultValue": null}))] {
        let mut entry =
            json!({ "externalField": field, "transform": name, "transformParams": params, "required": required });
        entry.as_object_mut().expect("an object").extend(default.as_object().expect("an object").clone());
        assert_eq!(map_one(entry, &record), expected);
    }
}

#[rstest]
#[case("$.id", json!({"id": REDACTED}))]
#[case("$.id", json!({"id": format!("urn:{REDACTED}")}))]
#[case("$.id", json!({"id": [REDACTED]}))]
#[case("$.ids[*]", json!({"ids": ["a", REDACTED]}))]
fn a_record_whose_id_was_redacted_is_rejected_without_one(#[case] path: &str, #[case] record: Value) {
    let configuration = json!({ "externalIdPath": path, "mappings": [] });
    let outcome = mappings(&configuration).apply(&json!([{"id": "a", "ids": ["b"]}, record]));
    let reason = "External id was redacted".to_owned();
    assert_eq!(outcome.records.len(), 1);
    assert_eq!(outcome.rejections, [Rejection { index: 1, external_id: None, reason }]);
}

#[test]
fn what_was_redacted_elsewhere_does_not_matter() {
    let record = json!({ "token": REDACTED, "kwh": 1, "readings": [{"token": REDACTED, "kwh": 2}] });
    assert_eq!(map_one(json!({ "externalField": "kwh" }), &record).as_deref(), Ok("1"));
    let sum = json!({ "externalField": "$.readings[*].kwh", "transform": "sum" });
    assert_eq!(map_one(sum, &record).as_deref(), Ok("2"));
}
