//! The mapping as a whole: the vectors of the contract, and what the other tests share.

use rstest::rstest;

use super::*;

mod bounds;
mod configuration;
mod properties;
mod redaction;

const AT: &str = "/mappingConfiguration";

fn mappings(configuration: &Value) -> FieldMappings {
    let mut faults = Faults::new();
    let parsed = FieldMappings::parse(configuration, AT, &mut faults);
    assert!(faults.is_empty(), "{faults}");
    parsed.expect("no faults")
}

fn faults_of(configuration: &Value) -> Vec<(String, &'static str)> {
    let mut faults = Faults::new();
    let parsed = FieldMappings::parse(configuration, AT, &mut faults);
    assert_eq!(parsed.is_none(), !faults.is_empty());
    faults
        .iter()
        .map(|fault| (fault.pointer.strip_prefix(AT).expect("below").to_owned(), fault.code.as_str()))
        .collect()
}

fn entry_faults(entry: &Value) -> Vec<(String, &'static str)> {
    faults_of(&json!({ "mappings": [entry] }))
        .into_iter()
        .map(|(pointer, code)| (pointer.replacen("/mappings/0", "", 1), code))
        .collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The internal value that `entry` gives for `record`, or the reason to reject it.
fn map_one(mut entry: Value, record: &Value) -> Result<String, String> {
    entry["internalField"] = json!("value");
    let outcome = mappings(&json!({ "mappings": [entry] })).apply(&json!([record]));
    assert_eq!(outcome.records.len() + outcome.rejections.len(), 1);
    match outcome.rejections.first() {
        Some(rejection) => Err(rejection.reason.clone()),
        None => Ok(outcome.records[0].data["value"].to_string()),
    }
}

/// As [`map_one`] for the member `a`, whose value is JSON text.
fn transform(name: &str, params: &Value, value: &str) -> Result<String, String> {
    let entry = json!({ "externalField": "a", "transform": name, "transformParams": params });
    map_one(entry, &parsed(&format!(r#"{{"a":{value}}}"#)))
}

fn contract_example() -> Value {
    json!({ "recordsPath": "$.data[*]", "externalIdPath": "$.external_id",
      "mappings": [
        {"externalField": "employee_count", "internalField": "totalEmployees", "transform": "direct", "required": true},
        {"externalField": "weekly_hours", "internalField": "fullTimeEquivalent", "transform": "fte", "transformParams": {"standardHours": 40}},
        {"externalField": "training_sessions", "internalField": "totalTrainingHours", "transform": "sum"},
        {"externalField": "satisfaction_scores", "internalField": "averageSatisfaction", "transform": "average"},
        {"externalField": "department_code", "internalField": "departmentName", "transform": "lookup",
         "transformParams": {"table": {"ENG": "Engineering", "HR": "Human Resources"}}, "defaultValue": null}
      ] })
}

#[test]
fn the_example_of_the_contract_maps_as_it_says() {
    let body = json!({ "data": [
        { "external_id": "EMP001", "employee_count": 250, "weekly_hours": 35, "training_sessions": [8, 4, 6, 10],
          "satisfaction_scores": [4.5, 4.0, 4.8, 4.2], "department_code": "ENG" },
        { "external_id": "EMP002", "weekly_hours": 38 },
        { "external_id": 3, "employee_count": 0, "weekly_hours": 38, "department_code": "LAW" },
    ] });
    let outcome = mappings(&contract_example()).apply(&body);
    let mapped: Vec<_> = outcome
        .records
        .into_iter()
        .map(|record| (record.external_id, Value::Object(record.data).to_string()))
        .collect();
    let first = r#"{"totalEmployees":250,"fullTimeEquivalent":0.875,"totalTrainingHours":28,"averageSatisfaction":4.375,"departmentName":"Engineering"}"#;
    let third = r#"{"totalEmployees":0,"fullTimeEquivalent":0.95,"totalTrainingHours":null,"averageSatisfaction":null,"departmentName":null}"#;
    assert_eq!(mapped, [(Some("EMP001".into()), first.into()), (Some("3".into()), third.into())]);
    let missing = Rejection {
        index: 1,
        external_id: Some("EMP002".into()),
        reason: "Required field 'employee_count' is missing".into(),
    };
    assert_eq!(outcome.rejections, [missing]);
}

#[rstest]
#[case("direct", json!(null), "250", "250")]
#[case("direct", json!(null), "1.10", "1.10")]
#[case("direct", json!(null), "1234567890123456789012345678901234567890", "1234567890123456789012345678901234567890")]
#[case("direct", json!({}), r#"{"b":[1.0,"x"],"a":null}"#, r#"{"b":[1.0,"x"],"a":null}"#)]
#[case("direct", json!(null), "[]", "[]")]
#[case("direct", json!(null), "false", "false")]
#[case("fte", json!(null), "35", "0.875")]
#[case("fte", json!({"standardHours": 37.5}), "\"37.5\"", "1")]
#[case("fte", json!(null), "0", "0")]
#[case("fte", json!({"standardHours": 3}), "1", "0.3333333333333333333333333333")]
#[case("sum", json!(null), "[8,4,6,10]", "28")]
#[case("sum", json!(null), "[0.1,0.2]", "0.3")]
#[case("sum", json!(null), "[1.10,\"2.20\"]", "3.3")]
#[case("average", json!(null), "[4.5,4.0,4.8,4.2]", "4.375")]
#[case("average", json!(null), "[1,1,2]", "1.333333333333333333333333333")]
#[case("lookup", json!({"table": {"7": "seven", "true": 1.50}}), "7", "\"seven\"")]
#[case("lookup", json!({"table": {"7": "seven", "true": 1}}), "true", "1")]
#[case("convert", json!({"from": "MWh", "to": "kWh"}), "1.2345", "1234.5")]
#[case("convert", json!({"from": "lb", "to": "kg"}), "\"10\"", "4.5359237")]
#[case("convert", json!({"from": "kWh", "to": "kWh"}), "1e3", "1000")]
#[case("scale", json!({"factor": 0.001}), "1234.5", "1.2345")]
#[case("scale", json!({"factor": -1}), "0", "0")]
#[case("round", json!({"decimals": 2}), "2.345", "2.34")]
#[case("round", json!({"decimals": 0}), "\"1e1\"", "10")]
#[case("date", json!({"format": "%d.%m.%Y"}), "\"31.12.2025\"", "\"2025-12-31\"")]
#[case("date", json!({"format": "%Y-%m-%dT%H:%M:%S%:z"}), "\"2025-12-31T23:30:00+02:00\"", "\"2025-12-31\"")]
fn a_transform_gives_its_exact_value(
    #[case] name: &str,
    #[case] params: Value,
    #[case] value: &str,
    #[case] expected: &str,
) {
    assert_eq!(transform(name, &params, value).as_deref(), Ok(expected));
}

#[rstest]
#[case("fte", json!(null), "true", "must be a number")]
#[case("fte", json!(null), "\"forty\"", "must be a number")]
#[case("fte", json!(null), "\"1,5\"", "must be a number")]
#[case("fte", json!(null), "[]", "must be a number")]
#[case("fte", json!(null), "1e28", "is outside the range of exact decimals (28 digits)")]
#[case("scale", json!({"factor": 10}), "1e27", "gives a result outside the range of exact decimals (28 digits)")]
#[case("convert", json!({"from": "g", "to": "kg"}), "{}", "must be a number")]
#[case("round", json!({"decimals": 2}), "12345678901234567890123456789", "is outside the range of exact decimals (28 digits)")]
#[case("sum", json!(null), "8", "must be an array of numbers")]
#[case("sum", json!(null), "{}", "must be an array of numbers")]
#[case("sum", json!(null), "[8,\"four\",null]", "has an element at index 1 that is not a number")]
#[case("sum", json!(null), "[8,null]", "has an element at index 1 that is not a number")]
#[case("average", json!(null), "[\"\"]", "has an element at index 0 that is not a number")]
#[case("sum", json!(null), "[1,1e40]", "has an element at index 1 outside the range of exact decimals (28 digits)")]
#[case("sum", json!(null), "[9e27,9e27]", "gives a result outside the range of exact decimals (28 digits)")]
#[case("lookup", json!({"table": {"a": 1}}), "\"b\"", "has no entry in the lookup table")]
#[case("lookup", json!({"table": {"a": 1}}), "[\"a\"]", "must be text, a number, true or false")]
#[case("date", json!({"format": "%d.%m.%Y"}), "\"31.02.2025\"", "must be a date in the configured format")]
#[case("date", json!({"format": "%d.%m.%Y"}), "\"01.01.12025\"", "must be a date in the configured format")]
#[case("date", json!({"format": "%d.%m.%Y"}), "20250101", "must be a date in the configured format")]
fn a_value_that_cannot_be_read_rejects_the_record_though_not_required(
    #[case] name: &str,
    #[case] params: Value,
    #[case] value: &str,
    #[case] expected: &str,
) {
    let reason = transform(name, &params, value).expect_err("unreadable");
    assert_eq!(reason, format!("Field 'a' {expected}"));
}

#[rstest]
#[case("direct", json!({}))]
#[case("direct", json!({"a": null}))]
#[case("fte", json!({"a": ""}))]
#[case("sum", json!({"a": []}))]
#[case("average", json!({"a": []}))]
#[case("average", json!({"b": [1]}))]
fn a_missing_value_rejects_when_required_and_is_the_default_or_null_otherwise(
    #[case] name: &str,
    #[case] record: Value,
) {
    let entry = json!({ "externalField": "a", "transform": name });
    assert_eq!(map_one(entry.clone(), &record).as_deref(), Ok("null"));

    let mut with_default = entry.clone();
    with_default["defaultValue"] = parsed("1.50");
    assert_eq!(map_one(with_default.clone(), &record).as_deref(), Ok("1.50"));

    with_default["required"] = json!(true);
    let reason = map_one(with_default, &record).expect_err("required");
    assert_eq!(reason, "Required field 'a' is missing");
}

#[test]
fn a_lookup_miss_takes_a_chosen_default_and_is_otherwise_rejected() {
    let record = json!({ "a": "LAW" });
    let entry = |more: Value| {
        let mut entry = json!({ "externalField": "a", "transform": "lookup", "transformParams": {"table": {"HR": 1}} });
        let members = more.as_object().expect("an object").clone();
        entry.as_object_mut().expect("an object").extend(members);
        entry
    };
    assert_eq!(map_one(entry(json!({"defaultValue": null})), &record).as_deref(), Ok("null"));
    assert_eq!(map_one(entry(json!({"defaultValue": "Other"})), &record).as_deref(), Ok("\"Other\""));
    let no_entry = Err("Field 'a' has no entry in the lookup table".to_owned());
    assert_eq!(map_one(entry(json!({})), &record), no_entry);
    assert_eq!(map_one(entry(json!({"required": true, "defaultValue": "Other"})), &record), no_entry);
}

#[rstest]
#[case("sum", "$.sessions[*].hours", Ok("7.5"))]
#[case("sum", "$.sessions[0:1].hours", Ok("4"))]
#[case("sum", "$.readings", Ok("6"))]
#[case("sum", "$..readings", Ok("6"))]
#[case("average", "$.readings[?@ > 1]", Ok("2.5"))]
#[case("sum", "$.none[*].hours", Ok("null"))]
#[case("sum", "$.sessions[0].hours", Err("Field '$.sessions[0].hours' must be an array of numbers"))]
#[case("sum", "$.sessions[*].name", Err("Field '$.sessions[*].name' has an element at index 0 that is not a number"))]
#[case("direct", "$.sessions[1].hours", Ok("3.50"))]
#[case("direct", "$.sessions[?@.name == 'b'].hours", Ok("3.50"))]
#[case(
    "direct",
    "$.sessions[*].hours",
    Err("Field '$.sessions[*].hours' selects several values where one is expected")
)]
#[case("direct", "$.none", Ok("null"))]
fn a_path_selects_within_the_record(#[case] name: &str, #[case] path: &str, #[case] expected: Result<&str, &str>) {
    let record = parsed(r#"{"sessions":[{"name":"a","hours":4},{"name":"b","hours":3.50}],"readings":[1,2,3]}"#);
    let mapped = map_one(json!({ "externalField": path, "transform": name }), &record);
    assert_eq!(mapped.as_deref().map_err(String::as_str), expected);
}

#[test]
fn a_member_name_is_taken_as_it_is_even_when_it_looks_like_a_path() {
    let record = json!({ "data[*].x": 1, "data": [{"x": 2}] });
    assert_eq!(map_one(json!({ "externalField": "data[*].x" }), &record).as_deref(), Ok("1"));
}

fn ids_and_reasons(configuration: &Value, body: &Value) -> (Vec<Option<String>>, Vec<(usize, String)>) {
    let outcome = mappings(configuration).apply(body);
    let ids = outcome.records.into_iter().map(|record| record.external_id).collect();
    let reasons = outcome.rejections.into_iter().map(|rejection| (rejection.index, rejection.reason)).collect();
    (ids, reasons)
}

#[rstest]
#[case(json!({"mappings": []}), json!([{}, {}]), 2)]
#[case(json!({"mappings": []}), json!({}), 1)]
#[case(json!({"mappings": []}), json!([]), 0)]
#[case(json!({"mappings": [], "recordsPath": "$.data[*]"}), json!({"data": [{}, {}]}), 2)]
#[case(json!({"mappings": [], "recordsPath": "$.data"}), json!({"data": [{}, {}]}), 2)]
#[case(json!({"mappings": [], "recordsPath": "$.data"}), json!({"data": {}}), 1)]
#[case(json!({"mappings": [], "recordsPath": "$.data[*]"}), json!({"data": []}), 0)]
#[case(json!({"mappings": [], "recordsPath": "$.data[?@.id == 7]"}), json!({"data": [{"id": 8}]}), 0)]
fn records_are_found_where_the_configuration_says(
    #[case] configuration: Value,
    #[case] body: Value,
    #[case] expected: usize,
) {
    let (ids, reasons) = ids_and_reasons(&configuration, &body);
    assert_eq!((ids, reasons), (vec![None; expected], Vec::new()));
}

#[rstest]
#[case(json!({"mappings": []}), json!("<html>"), "Response body is not a JSON object or array")]
#[case(json!({"mappings": []}), json!(null), "Response body is not a JSON object or array")]
#[case(json!({"mappings": [], "recordsPath": "$.data[*]"}), json!({"error": "x"}), "Response body has no records at the configured recordsPath")]
#[case(json!({"mappings": [], "recordsPath": "$.data[*]"}), json!({"data": "x"}), "Response body has no records at the configured recordsPath")]
#[case(json!({"mappings": [], "recordsPath": "$.data"}), json!({"data": null}), "Response body has no records at the configured recordsPath")]
#[case(json!({"mappings": [], "recordsPath": "$.data"}), json!("x"), "Response body has no records at the configured recordsPath")]
fn a_body_without_its_records_is_a_rejection_and_not_an_empty_list(
    #[case] configuration: Value,
    #[case] body: Value,
    #[case] reason: &str,
) {
    assert_eq!(ids_and_reasons(&configuration, &body), (Vec::new(), vec![(0, reason.to_owned())]));
}

#[test]
fn ids_are_exact_text_and_records_without_one_are_rejected() {
    let configuration = json!({ "externalIdPath": "$.id", "mappings": [] });
    let body = parsed(
        r#"[{"id":"a"},{"id":12345678901234567890123},{"id":1.0},{"id":"a"},{},{"id":null},{"id":""},{"id":true},{"id":[1]},7]"#,
    );
    let (ids, reasons) = ids_and_reasons(&configuration, &body);
    assert_eq!(ids, ["a", "12345678901234567890123", "1.0", "a"].map(|id| Some(id.to_owned())));
    let missing = "External id is missing".to_owned();
    let wrong = "External id must be text or a number".to_owned();
    let expected = [(4, &missing), (5, &missing), (6, &missing), (7, &wrong), (8, &wrong), (9, &missing)];
    assert_eq!(reasons, expected.map(|(index, reason)| (index, reason.clone())));

    let several = json!({ "externalIdPath": "$.ids[*]", "mappings": [] });
    let (ids, reasons) = ids_and_reasons(&several, &json!([{"ids": ["x"]}, {"ids": ["x", "y"]}, {"ids": []}]));
    assert_eq!(ids, [Some("x".to_owned())]);
    assert_eq!(reasons, [(1, "External id path selects several values".to_owned()), (2, missing)]);
}

#[test]
fn a_record_that_is_no_object_has_no_members_to_read() {
    let configuration = json!({ "mappings": [{"externalField": "a", "internalField": "a"}] });
    let (_, reasons) = ids_and_reasons(&configuration, &json!([{}, 5, [], null]));
    assert_eq!(reasons, [1, 2, 3].map(|index| (index, "Record is not a JSON object".to_owned())));

    let by_path = json!({ "mappings": [{"externalField": "$[1]", "internalField": "kwh", "transform": "fte"}] });
    let outcome = mappings(&by_path).apply(&json!([["2025-01", 40]]));
    assert_eq!(Value::Object(outcome.records[0].data.clone()), json!({ "kwh": 1 }));
}
