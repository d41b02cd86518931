//! What is wrong with a configuration is told at once, each fault at its pointer.

use rstest::rstest;

use super::*;

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
}
