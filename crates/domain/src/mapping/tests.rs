//! The mapping as a whole: vectors of the contract, faults by pointer, and what holds for any input.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

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

#[rstest]
#[case(json!(null), &[("", "type")])]
#[case(json!([]), &[("", "type")])]
#[case(json!({}), &[("/mappings", "required")])]
#[case(json!({"mappings": null}), &[("/mappings", "required")])]
#[case(json!({"mappings": {}}), &[("/mappings", "type")])]
#[case(json!({"mappings": [], "recordPath": "$"}), &[("/recordPath", "unknown-member")])]
#[case(json!({"mappings": [], "a/b~c": 1}), &[("/a~1b~0c", "unknown-member")])]
#[case(json!({"mappings": [], "recordsPath": 1, "externalIdPath": "id"}), &[("/recordsPath", "type"), ("/externalIdPath", "invalid-value")])]
#[case(json!({"mappings": [], "recordsPath": "$.data["}), &[("/recordsPath", "invalid-value")])]
#[case(json!({"mappings": [1, {}]}), &[("/mappings/0", "type"), ("/mappings/1/externalField", "required"), ("/mappings/1/internalField", "required")])]
#[case(
    json!({"mappings": [{"externalField": "a", "internalField": "x"}, {"externalField": "b", "internalField": "x"}]}),
    &[("/mappings/1/internalField", "duplicate")]
)]
fn every_fault_of_a_configuration_has_its_pointer(#[case] configuration: Value, #[case] expected: &[(&str, &str)]) {
    let found = faults_of(&configuration);
    let found: Vec<_> = found.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
    assert_eq!(found, expected);
}

#[rstest]
#[case(json!({"externalField": 1, "internalField": ""}), &[("/externalField", "type"), ("/internalField", "out-of-range")])]
#[case(json!({"externalField": "a".repeat(201), "internalField": "é".repeat(200)}), &[("/externalField", "out-of-range")])]
#[case(json!({"externalField": "$.a[", "internalField": "x"}), &[("/externalField", "invalid-value")])]
#[case(json!({"externalField": "$..a..b", "internalField": "x"}), &[("/externalField", "out-of-range")])]
#[case(json!({"externalField": "a", "internalField": "x", "Transform": "sum"}), &[("/Transform", "unknown-member")])]
#[case(json!({"externalField": "a", "internalField": "x", "transform": "Sum"}), &[("/transform", "invalid-value")])]
#[case(json!({"externalField": "a", "internalField": "x", "transform": 5}), &[("/transform", "type")])]
#[case(json!({"externalField": "a", "internalField": "x", "required": "yes"}), &[("/required", "type")])]
#[case(json!({"externalField": "a", "internalField": "x", "defaultValue": [1]}), &[("/defaultValue", "type")])]
#[case(json!({"externalField": "a", "internalField": "x", "transformParams": []}), &[("/transformParams", "type")])]
fn every_fault_of_an_entry_has_its_pointer(#[case] entry: Value, #[case] expected: &[(&str, &str)]) {
    let found = entry_faults(&entry);
    let found: Vec<_> = found.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
    assert_eq!(found, expected);
}

#[rstest]
#[case("direct", json!({"standardHours": 40}), &[("/standardHours", "unknown-member")])]
#[case("fte", json!({"standardHours": 0}), &[("/standardHours", "out-of-range")])]
#[case("fte", json!({"standardHours": -40}), &[("/standardHours", "out-of-range")])]
#[case("fte", json!({"standardHours": "40"}), &[("/standardHours", "type")])]
#[case("fte", json!({"hours": 40}), &[("/hours", "unknown-member")])]
#[case("lookup", json!(null), &[("/table", "required")])]
#[case("lookup", json!({"table": []}), &[("/table", "type")])]
#[case("lookup", json!({"table": {}}), &[("/table", "out-of-range")])]
#[case("lookup", json!({"table": {"a": [], "b/c": null, "d": 1}}), &[("/table/a", "type"), ("/table/b~1c", "type")])]
#[case("convert", json!({}), &[("/from", "required"), ("/to", "required")])]
#[case("convert", json!({"from": "kwh", "to": 5}), &[("/from", "invalid-value"), ("/to", "type")])]
#[case("convert", json!({"from": "kWh", "to": "kg"}), &[("/to", "invalid-value")])]
#[case("scale", json!({"factor": 0}), &[("/factor", "out-of-range")])]
#[case("scale", json!({"factor": 0.5, "offset": 1}), &[("/offset", "unknown-member")])]
#[case("scale", json!(null), &[("/factor", "required")])]
#[case("round", json!({"decimals": 1.5}), &[("/decimals", "out-of-range")])]
#[case("round", json!({"decimals": -1}), &[("/decimals", "out-of-range")])]
#[case("round", json!({"decimals": 29}), &[("/decimals", "out-of-range")])]
#[case("date", json!({"format": "%d.%m"}), &[("/format", "invalid-value")])]
#[case("date", json!({"format": "%d.%m.%Y %"}), &[("/format", "invalid-value")])]
#[case("date", json!({"format": "DD.MM.YYYY"}), &[("/format", "invalid-value")])]
#[case("date", json!({"format": ""}), &[("/format", "out-of-range")])]
fn every_fault_of_the_parameters_has_its_pointer(
    #[case] name: &str,
    #[case] params: Value,
    #[case] expected: &[(&str, &str)],
) {
    let found = entry_faults(
        &json!({"externalField": "a", "internalField": "x", "transform": name, "transformParams": params}),
    );
    let found: Vec<_> =
        found.iter().map(|(pointer, code)| (pointer.replacen("/transformParams", "", 1), *code)).collect();
    let expected: Vec<_> = expected.iter().map(|&(pointer, code)| (pointer.to_owned(), code)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_default_has_the_type_that_its_transform_gives() {
    let faults = |name: &str, default: Value| {
        let params = if name == "date" { json!({"format": "%Y%m%d"}) } else { json!(null) };
        entry_faults(
            &json!({"externalField": "a", "internalField": "x", "transform": name, "transformParams": params, "defaultValue": default}),
        )
    };
    assert_eq!(faults("sum", json!(0)), []);
    assert_eq!(faults("fte", json!(null)), []);
    assert_eq!(faults("direct", json!("none")), []);
    assert_eq!(faults("date", json!("2025-01-01")), []);
    assert_eq!(faults("sum", json!("none")), [("/defaultValue".to_owned(), "type")]);
    assert_eq!(faults("date", json!(20_250_101)), [("/defaultValue".to_owned(), "type")]);
}

#[test]
fn all_faults_come_at_once_and_never_repeat_what_was_refused() {
    let configuration = json!({ "recordsPath": "secret", "extra": 1, "mappings": [
        {"externalField": "$.secret[", "internalField": "x", "transform": "secret", "defaultValue": {"secret": 1}},
        {"externalField": "b", "internalField": "x", "transform": "convert", "transformParams": {"from": "secret"}},
    ] });
    let mut faults = Faults::new();
    assert_eq!(FieldMappings::parse(&configuration, AT, &mut faults), None);
    assert_eq!(faults.iter().count(), 7, "{faults}");
    assert!(faults.iter().all(|fault| !fault.detail.contains("secret")), "{faults}");
}

#[test]
fn bounds_of_size_are_enforced() {
    let entries = |count: usize| -> Vec<Value> {
        (0..count).map(|index| json!({"externalField": "a", "internalField": format!("f{index}")})).collect()
    };
    assert_eq!(faults_of(&json!({ "mappings": entries(500) })), []);
    assert_eq!(faults_of(&json!({ "mappings": entries(501) })), [("/mappings".to_owned(), "out-of-range")]);

    let of_size = |size: usize| {
        let mut configuration =
            json!({ "mappings": [{"externalField": "a", "internalField": "b", "defaultValue": ""}] });
        let rest = size - configuration.to_string().len();
        configuration["mappings"][0]["defaultValue"] = json!("x".repeat(rest));
        configuration
    };
    assert_eq!(faults_of(&of_size(FieldMappings::MAX_BYTES)), []);
    assert_eq!(faults_of(&of_size(FieldMappings::MAX_BYTES + 1)), [(String::new(), "out-of-range")]);
}

#[test]
fn the_configuration_is_answered_as_given() {
    let text = r#"{"mappings":[{"internalField":"x","externalField":"a","transform":null,"defaultValue":1.50}],"recordsPath":null}"#;
    assert_eq!(mappings(&parsed(text)).as_json().to_string(), text);
    assert_eq!(FieldMappings::none(), mappings(&json!({ "mappings": [] })));
    assert_eq!(FieldMappings::default(), FieldMappings::none());
    assert!(FieldMappings::none().is_empty());
    assert!(!mappings(&contract_example()).is_empty());
}

#[test]
fn a_large_array_and_a_deep_document_are_mapped() {
    // 10 MiB in one array, as one record and as many.
    let readings = parsed(&format!("[{}0.5]", "12345678.125,".repeat(806_597)));
    let sum = json!({ "externalField": "$", "internalField": "x", "transform": "sum" });
    let one_record = json!({ "recordsPath": "$[0:1]", "mappings": [sum] });
    let outcome = mappings(&one_record).apply(&json!([readings]));
    assert_eq!(outcome.records[0].data["x"].to_string(), "9957986938591.125");

    let each = json!({ "mappings": [{"externalField": "$", "internalField": "x", "transform": "fte"}] });
    assert_eq!(mappings(&each).apply(&readings).records.len(), 806_598);

    let deep = parsed(&format!(r#"{{"a":{}7{}}}"#, "[".repeat(120), "]".repeat(120)));
    let direct = map_one(json!({ "externalField": "$.a" }), &deep);
    assert_eq!(direct, Ok(deep["a"].to_string()));
    let flat = map_one(json!({ "externalField": "$..[?@ == 7]", "transform": "sum" }), &deep);
    assert_eq!(flat.as_deref(), Ok("7"));
}

#[test]
fn an_answer_that_would_become_far_too_much_is_rejected_whole() {
    let body = Value::Array(vec![json!({}); FieldMappings::MAX_VALUES / 500 + 1]);
    let entries = |count: usize| -> Vec<Value> {
        (0..count).map(|index| json!({"externalField": "a", "internalField": format!("f{index}")})).collect()
    };
    let reason = "Response body has 4001 records, too many to map at once: ask for smaller pages";
    let rejected = (Vec::new(), vec![(0, reason.to_owned())]);
    assert_eq!(ids_and_reasons(&json!({ "mappings": entries(500) }), &body), rejected);
    assert_eq!(mappings(&json!({ "mappings": entries(2) })).apply(&body).records.len(), 4001);
}

fn any_number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,25})?"
            .prop_map(|text| Value::Number(text.parse().expect("a JSON number"))),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number(),
        any_word().prop_map(Value::String),
        ".{0,8}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((any_word(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_word() -> impl Strategy<Value = String> {
    let words = vec![
        "mappings",
        "recordsPath",
        "externalIdPath",
        "externalField",
        "internalField",
        "transform",
        "transformParams",
        "required",
        "defaultValue",
        "table",
        "standardHours",
        "from",
        "to",
        "factor",
        "decimals",
        "format",
        "direct",
        "fte",
        "sum",
        "average",
        "lookup",
        "convert",
        "scale",
        "round",
        "date",
        "kWh",
        "kg",
        "a",
        "b",
        "id",
        "$",
        "$.a",
        "$.a[*]",
        "$..b",
        "$[?@.a > 1]",
        "%Y-%m-%d",
        "%+",
        "",
        "1.5",
    ];
    prop::sample::select(words).prop_map(str::to_owned)
}

fn any_entry() -> impl Strategy<Value = Value> {
    let transforms = vec![
        ("direct", json!(null)),
        ("fte", json!({"standardHours": 37.5})),
        ("sum", json!(null)),
        ("average", json!(null)),
        ("lookup", json!({"table": {"a": 1, "1.5": "x"}})),
        ("convert", json!({"from": "therm", "to": "kWh"})),
        ("scale", json!({"factor": -1e-20})),
        ("round", json!({"decimals": 3})),
        ("date", json!({"format": "%Y-%m-%d"})),
    ];
    let fields = vec!["a", "b", "id", "$.a", "$.a[*]", "$..b", "$[?@.a > 1]", "$.*"];
    (prop::sample::select(fields), prop::sample::select(transforms), any::<bool>()).prop_map(
        |(field, (name, params), required)| {
            json!({"externalField": field, "transform": name, "transformParams": params, "required": required})
        },
    )
}

proptest! {
    #[test]
    fn parsing_any_json_never_panics(configuration in any_json()) {
        let mut faults = Faults::new();
        let parsed = FieldMappings::parse(&configuration, AT, &mut faults);
        prop_assert_eq!(parsed.is_none(), !faults.is_empty());
        prop_assert!(faults.iter().all(|fault| fault.pointer.starts_with(AT)));
    }

    #[test]
    fn parsing_any_entry_never_panics(entry in any_json(), params in any_json(), transform in any_word()) {
        let mut faults = Faults::new();
        let named = json!({"externalField": entry, "internalField": "x", "transform": transform, "transformParams": params});
        let _parsed = FieldMappings::parse(&json!({ "mappings": [entry, named] }), AT, &mut faults);
    }

    #[test]
    fn every_record_is_either_mapped_or_rejected(
        entries in prop::collection::vec(any_entry(), 0..6),
        with_id in any::<bool>(),
        records in prop::collection::vec(any_json(), 0..8),
    ) {
        let mut entries = entries;
        for (index, entry) in entries.iter_mut().enumerate() {
            entry["internalField"] = json!(format!("f{index}"));
        }
        let id_path = with_id.then_some("$.id");
        let count = entries.len();
        let mapping = mappings(&json!({ "externalIdPath": id_path, "mappings": entries }));
        let outcome = mapping.apply(&Value::Array(records.clone()));
        prop_assert_eq!(outcome.records.len() + outcome.rejections.len(), records.len());
        prop_assert!(outcome.records.iter().all(|record| record.data.len() == count));
        prop_assert!(outcome.records.iter().all(|record| record.external_id.is_some() == with_id));
        prop_assert!(outcome.rejections.is_sorted_by(|a, b| a.index < b.index));
        prop_assert!(outcome.rejections.iter().all(|rejection| rejection.index < records.len()));
    }

    #[test]
    fn any_body_is_mapped_without_panic(body in any_json()) {
        for records_path in [json!(null), json!("$.a"), json!("$.a[*]"), json!("$..b"), json!("$[?@.a > 1]")] {
            let mapping = mappings(&json!({ "recordsPath": records_path, "mappings": [] }));
            let _outcome = mapping.apply(&body);
        }
    }

    #[test]
    fn direct_passes_every_number_through_digit_by_digit(number in any_number()) {
        let record = json!({ "a": number });
        prop_assert_eq!(map_one(json!({ "externalField": "a" }), &record), Ok(number.to_string()));
    }
}
