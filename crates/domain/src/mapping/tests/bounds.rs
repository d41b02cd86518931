//! What one answer may cost, whatever the configuration asks of it.

use rstest::rstest;

use super::*;

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

const TOO_MUCH: &str = "Response body is too much to map at once: ask for smaller pages";

fn entries(count: usize, entry: &Value) -> Vec<Value> {
    let numbered = |index| {
        let mut entry = entry.clone();
        let name = entry["internalField"].as_str().unwrap_or_default();
        entry["internalField"] = json!(format!("{name}{index}"));
        entry
    };
    (0..count).map(numbered).collect()
}

/// One record with about ten megabytes of numbers in its member `a`.
fn large_record() -> Value {
    json!([{ "a": vec![json!(1); 1_000_000] }])
}

#[rstest]
#[case::many_values(1, json!({"externalField": "a"}), Value::Array(vec![json!({}); 1_000_001]))]
#[case::many_entries(500, json!({"externalField": "a"}), Value::Array(vec![json!({}); 4_000]))]
#[case::copies_of_a_large_member(4, json!({"externalField": "a"}), large_record())]
#[case::copies_of_a_long_text(9, json!({"externalField": "a"}), json!([{"a": "x".repeat(5_000_000)}]))]
#[case::copies_of_a_long_name(9, json!({"externalField": "a"}), json!([{"a": {"x".repeat(5_000_000): 1}}]))]
#[case::copies_of_a_long_default(
    1, json!({"externalField": "a", "defaultValue": "x".repeat(60_000)}), Value::Array(vec![json!({}); 1_000])
)]
#[case::copies_of_a_long_entry_of_a_table(
    1, json!({"externalField": "a", "transform": "lookup", "transformParams": {"table": {"1": "x".repeat(60_000)}}}),
    Value::Array(vec![json!({"a": 1}); 1_000])
)]
#[case::copies_of_a_long_internal_name(
    10, json!({"externalField": "a", "internalField": "x".repeat(190)}), Value::Array(vec![json!({}); 25_000])
)]
#[case::copies_of_a_long_reason(
    1, json!({"externalField": format!("$.{}", "x".repeat(900)), "required": true}), Value::Array(vec![json!({}); 50_000])
)]
#[case::walks_through_a_large_member(500, json!({"externalField": "a", "transform": "sum"}), large_record())]
#[case::walks_of_paths(500, json!({"externalField": "$..x", "transform": "sum"}), large_record())]
#[case::walks_from_every_node(
    1, json!({"externalField": format!("$..[?{}]", ["@==@"; 40].join("&&")), "transform": "sum"}),
    parsed(&format!("[{}{}{}]", "[".repeat(100), "1,".repeat(100_000) + "1", "]".repeat(100)))
)]
#[case::a_node_selected_many_times(
    1, json!({"externalField": "$.a[*,*,*,*,*,*,*,*,*,*,*,*,*,*,*,*,*]", "transform": "sum"}), large_record()
)]
fn an_answer_that_would_take_too_much_is_rejected_whole(
    #[case] count: usize,
    #[case] entry: Value,
    #[case] body: Value,
) {
    let configuration = json!({ "mappings": entries(count, &entry) });
    assert_eq!(ids_and_reasons(&configuration, &body), (Vec::new(), vec![(0, TOO_MUCH.to_owned())]));
}

#[test]
fn records_themselves_are_within_the_budget() {
    let configuration = |path: &str| json!({ "recordsPath": path, "externalIdPath": "$", "mappings": [] });
    let large = json!({ "a": vec![json!("x".repeat(1_000)); 50_000] });
    let rejected = (Vec::new(), vec![(0, TOO_MUCH.to_owned())]);
    assert_eq!(ids_and_reasons(&configuration("$.a"), &large), rejected, "ids");
    let deep = parsed(&format!("{}{}{}", "[".repeat(100), "1,".repeat(300_000) + "1", "]".repeat(100)));
    assert_eq!(ids_and_reasons(&configuration("$..[?@==@ && @==@ && @==@ && @==@]"), &deep), rejected, "the path");
}

#[test]
fn what_a_rejected_record_would_have_held_is_given_back() {
    let configuration = json!({ "mappings": [
        {"externalField": "a", "internalField": "a"}, {"externalField": "b", "internalField": "b", "required": true}] });
    let body = Value::Array(vec![json!({"a": "x".repeat(1_000)}); 50_000]);
    let (_, reasons) = ids_and_reasons(&configuration, &body);
    assert_eq!(reasons.len(), 50_000);
}

#[test]
fn an_ordinary_answer_of_the_largest_size_is_within_the_budget() {
    let record = json!({ "id": 123_456, "site": "Wrocław plant 4", "employee_count": 250, "day": "31.01.2026",
        "readings": [{"kwh": 10.1}, {"kwh": 20.2}, {"kwh": 0.03}], "weekly_hours": 35.5 });
    let count = 10 * 1024 * 1024 / (record.to_string().len() + 1);
    let mut configured = vec![
        json!({"externalField": "$.readings[*].kwh", "internalField": "energy", "transform": "sum"}),
        json!({"externalField": "$.readings[?@.kwh > 1].kwh", "internalField": "averageEnergy", "transform": "average"}),
        json!({"externalField": "day", "internalField": "day", "transform": "date", "transformParams": {"format": "%d.%m.%Y"}}),
        json!({"externalField": "weekly_hours", "internalField": "fullTimeEquivalent", "transform": "fte"}),
    ];
    configured.extend(entries(10, &json!({"externalField": "site", "internalField": "nameOfTheSite"})));
    let mapping = mappings(
        &json!({ "recordsPath": "$.data[?@.employee_count > 0]", "externalIdPath": "$.id", "mappings": configured }),
    );
    let outcome = mapping.apply(&json!({ "data": vec![record; count] }));
    assert_eq!((outcome.records.len(), outcome.rejections), (count, Vec::new()));
}
