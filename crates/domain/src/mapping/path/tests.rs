use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn path(text: &str) -> Path {
    Path::parse(text).expect("a JSONPath")
}

fn select<'a>(path: &Path, value: &'a Value) -> Selection<'a> {
    path.select(&Root::new(value), &mut Budget::default()).expect("within the budget")
}

fn nodes(text: &str, value: &Value) -> Vec<Value> {
    match select(&path(text), value) {
        Selection::One(node) => node.into_iter().cloned().collect(),
        Selection::Many(nodes) => nodes.into_iter().cloned().collect(),
    }
}

#[rstest]
#[case("$", true)]
#[case("$.data", true)]
#[case("$ .data", true)]
#[case("$['a*b'][0].c", true)]
#[case(r#"$["a\"?,:"]"#, true)]
#[case("$[-1]", true)]
#[case("$.data[*]", false)]
#[case("$.*", false)]
#[case("$..kwh", false)]
#[case("$['a','b']", false)]
#[case("$[1:]", false)]
#[case("$[?@.kwh]", false)]
fn a_path_of_names_and_indexes_names_one_node(#[case] text: &str, #[case] singular: bool) {
    let selection = select(&path(text), &Value::Null);
    assert_eq!(matches!(selection, Selection::One(_)), singular);
}

#[rstest]
#[case("$[?@.kwh > 10].id", json!(["b", "c"]))]
#[case("$[?@.kwh >= 10.50].id", json!(["b", "c"]))]
#[case("$[?@.kwh == 10.5].id", json!(["b"]))]
#[case("$[?@.kwh == 1.05e1].id", json!(["b"]))]
#[case("$[?@.kwh < 10].id", json!(["a"]))]
#[case("$[?@.kwh != 9].id", json!(["b", "c"]))]
#[case("$[?@.kwh < 10 || @.kwh > 1e30].id", json!(["a", "c"]))]
#[case("$[?length(@.id) == 1].id", json!(["a", "b", "c"]))]
#[case("$[?count(@.*) == 2].id", json!(["a", "b", "c"]))]
#[case("$[?@.id == 'a' || @.id == 'b'].id", json!(["a", "b"]))]
#[case("$[?@.id >= 'b' && @.id < 'd'].id", json!(["b", "c"]))]
#[case("$[?value(@..id) == 'a'].id", json!(["a"]))]
fn filters_compare_numbers_of_any_precision(#[case] text: &str, #[case] expected: Value) {
    let body: Value = serde_json::from_str(
        r#"[{"id":"a","kwh":9.00},{"id":"b","kwh":10.50},{"id":"c","kwh":1234567890123456789012345678901234567890}]"#,
    )
    .expect("JSON");
    assert_eq!(Value::Array(nodes(text, &body)), expected);
}

#[test]
fn filters_compare_as_doubles_but_select_every_digit() {
    let body: Value = serde_json::from_str("[9007199254740993, 9007199254740992]").expect("JSON");
    let selected = nodes("$[?@ == 9007199254740992]", &body);
    assert_eq!(Value::Array(selected).to_string(), "[9007199254740993,9007199254740992]");
}

#[rstest]
#[case(json!({"data": []}), true)]
#[case(json!({"data": {}}), true)]
#[case(json!({"data": null}), false)]
#[case(json!({"data": "none"}), false)]
#[case(json!({"error": "gone"}), false)]
#[case(json!([]), false)]
fn a_missing_container_is_told_from_an_empty_one(#[case] body: Value, #[case] expected: bool) {
    assert_eq!(path("$.data[*]").has_container(&body), expected);
    assert_eq!(path("$['data'][?@.id == 'a'].x").has_container(&body), expected);
}

#[rstest]
#[case("data[*]", "starts with $")]
#[case("$.data[", "not closed")]
#[case("$.data]", "not opened")]
#[case("$.data[?@.a == ]", "character")]
#[case("$.", "ends too early")]
#[case("$.é.!", "character 5 ")]
#[case("$.a b", "character 4 ")]
#[case("$['a", "quoted")]
#[case(r"$['\u", "quoted")]
#[case(r"$['\uD800\uD", "quoted")]
#[case(r"$['\u']", "character")]
#[case(r"$['\uD800\uD']", "character")]
#[case("$[?unknown(@.a)]", "character")]
#[case("$[9007199254740993]", "character")]
fn a_fault_in_the_syntax_is_located(#[case] text: &str, #[case] expected: &str) {
    let refusal = Path::parse(text).expect_err("not a JSONPath");
    assert_eq!(refusal.code, FaultCode::InvalidValue);
    assert!(refusal.detail.contains(expected), "{}", refusal.detail);
}

#[rstest]
#[case("$..a..b")]
#[case("$[*,*][*,*][*,*][*,*][*,*][*,*]")]
#[case("$[?((((((((@.a))))))))]")]
#[case("")]
fn a_path_that_could_cost_too_much_is_refused(#[case] text: &str) {
    let refusal = Path::parse(text).expect_err("too much");
    assert_eq!(refusal.code, FaultCode::OutOfRange, "{}", refusal.detail);
    let long = format!("$.{}", "a".repeat(MAX_CHARACTERS));
    assert_eq!(Path::parse(&long).expect_err("too long").code, FaultCode::OutOfRange);
}

#[rstest]
#[case("$[?match(@, '\\\\w{60}')]", "match()")]
#[case("$.data[?search(@.id, 'a')].id", "search()")]
#[case("$[?!match (@.id, @.expression)]", "match()")]
#[case("$[?@.a == 1 && count(@[?search(@, 'a')]) > 1]", "search()")]
#[case("$[?@.year == $.year]", "may not refer to $")]
#[case("$[?count($[*]) > 1]", "may not refer to $")]
#[case("$[?@ < $[0]]", "may not refer to $")]
fn what_costs_more_than_a_look_at_each_node_is_refused(#[case] text: &str, #[case] expected: &str) {
    let refusal = Path::parse(text).expect_err("too dear");
    assert_eq!(refusal.code, FaultCode::InvalidValue);
    assert!(refusal.detail.contains(expected), "{}", refusal.detail);
}

#[rstest]
#[case("$[?@.from == @.until]")]
#[case("$[?@.match == 'match(' && @['search('] == \"search(\"].search")]
#[case("$.sites[?@.meters[?@.unit == 'kWh']].name")]
#[case("$['jan','feb','mar','apr','may','jun','jul','aug','sep','oct','nov','dec']")]
#[case("$..readings[*].kwh")]
#[case("$[?(@.a == 1 || @.b == 2) && !(@.c)]")]
fn the_bounds_leave_room_for_real_paths(#[case] text: &str) {
    path(text);
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "$",
        "@",
        ".",
        "..",
        "[",
        "]",
        "(",
        ")",
        "?",
        "*",
        ",",
        ":",
        "'",
        "\"",
        "\\",
        "\\u",
        "\\uD8",
        "00",
        "a",
        "é",
        "-",
        "0",
        "1",
        "9007199254740991",
        "1e9",
        "==",
        "<",
        "&&",
        "||",
        "!",
        " ",
        "length(",
        "count(",
        "match(",
        "value(",
        "true",
        "null",
        "'a'",
        "[*]",
        "[?@.a",
        "[0]",
        "[-1]",
        "[::-1]",
        ".a",
    ])
}

proptest! {
    #[test]
    fn parsing_never_panics(tokens in prop::collection::vec(token(), 0..24)) {
        let body = json!({"a": [1, {"a": [1, 2.5, "a", null]}, [[]]], "é": true});
        if let Ok(path) = Path::parse(&format!("${}", tokens.concat())) {
            let _nodes = select(&path, &body);
            let _found = path.has_container(&body);
        }
    }

    #[test]
    fn parsing_never_panics_on_any_text(text in ".{0,40}") {
        let _parsed = Path::parse(&format!("${text}"));
    }
}
