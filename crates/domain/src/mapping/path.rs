//! JSONPath (RFC 9535) with bounds on what one path may cost, since a path is configured once and then run over bodies
//! that somebody else sends.
//!
//! Filters compare numbers as doubles (`$[?@.kwh > 10.5]`): two numbers that differ only beyond the 15th digit count as
//! equal there. What a path selects keeps every digit.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::fault::{FaultCode, Refusal};

/// Characters in one path.
const MAX_CHARACTERS: usize = 1_000;
/// Brackets and parentheses inside each other: the parser is recursive.
const MAX_DEPTH: usize = 8;
/// Descendant segments (`..`): each further one multiplies the nodes by the depth of the document.
const MAX_DESCENTS: usize = 1;
/// How often one node may be selected through lists of selectors (`[0,1][0,1]` is 4).
const MAX_FAN_OUT: usize = 32;

/// A path whose syntax and cost were checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    query: JsonPath,
    /// For a path that can select several nodes, what comes before the first segment that does so.
    container: Option<JsonPath>,
}

/// What a path finds in a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selection<'a> {
    /// Of a path of names and indexes: the one node that it names, if it is there.
    One(Option<&'a Value>),
    /// Of a path with a wildcard, slice, list, filter or `..`: all nodes, in document order.
    Many(Vec<&'a Value>),
}

impl Path {
    /// Checks the syntax and the bounds above.
    ///
    /// # Errors
    /// `out-of-range` for a bound, `invalid-value` with the position for syntax.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if !(1..=MAX_CHARACTERS).contains(&text.chars().count()) {
            let detail = format!("a JSONPath must have 1 to {MAX_CHARACTERS} characters");
            return Err(Refusal::new(FaultCode::OutOfRange, detail));
        }
        if !text.starts_with('$') {
            return Err(syntax("must be a JSONPath that starts with $, such as $.data[*]"));
        }
        // The scan comes first: the parser panics on a string that ends within an escape, and recurses into brackets.
        let plural_from = Scan::of(text)?;
        let query = compile(text)?;
        let container = plural_from.map(|start| compile(text[..start].trim_end())).transpose()?;
        Ok(Self { query, container })
    }

    /// Runs the path over `value` as its root.
    pub(super) fn select<'a>(&self, value: &'a Value) -> Selection<'a> {
        let nodes = self.query.query(value);
        if self.container.is_some() { Selection::Many(nodes.all()) } else { Selection::One(nodes.first()) }
    }

    /// Whether the array or object that a path with several nodes looks into is there at all: `$.data[*]` finds
    /// nothing in `{"data": []}`, whose `data` is there, and in `{"error": 1}`, which has none.
    pub(super) fn has_container(&self, value: &Value) -> bool {
        self.container.as_ref().is_none_or(|container| {
            container.query(value).first().is_some_and(|node| node.is_array() || node.is_object())
        })
    }
}

fn compile(text: &str) -> Result<JsonPath, Refusal> {
    JsonPath::parse(text).map_err(|error| {
        let understood = text.get(..error.position()).unwrap_or(text);
        if understood == text {
            return syntax("is not a JSONPath (RFC 9535): it ends too early");
        }
        let character = understood.chars().count() + 1;
        syntax(format!("is not a JSONPath (RFC 9535): not understood from character {character} on"))
    })
}

fn syntax(detail: impl Into<String>) -> Refusal {
    Refusal::new(FaultCode::InvalidValue, detail)
}

fn bound(detail: impl Into<String>) -> Refusal {
    Refusal::new(FaultCode::OutOfRange, detail)
}

/// An open bracket or parenthesis.
#[derive(Debug)]
struct Opened {
    bracket: bool,
    filter: bool,
    selectors: usize,
}

/// A walk over the characters outside of string literals, which finds what a path may cost.
#[derive(Debug)]
struct Scan {
    open: Vec<Opened>,
    descents: usize,
    fan_out: usize,
    segment: usize,
    plural_from: Option<usize>,
    filter_sees_root: bool,
    filter_is_plural: bool,
}

impl Scan {
    /// Where the first segment starts that can select several nodes.
    fn of(text: &str) -> Result<Option<usize>, Refusal> {
        let mut scan = Self {
            open: Vec::new(),
            descents: 0,
            fan_out: 1,
            segment: 0,
            plural_from: None,
            filter_sees_root: false,
            filter_is_plural: false,
        };
        let mut characters = text.char_indices();
        let mut previous = '\0';
        while let Some((index, character)) = characters.next() {
            if matches!(character, '\'' | '"') {
                skip_literal(&mut characters, character)?;
            } else {
                scan.step(index, previous, character)?;
            }
            previous = character;
        }
        if !scan.open.is_empty() {
            return Err(syntax("is not a JSONPath (RFC 9535): a bracket is not closed"));
        }
        if scan.filter_sees_root && scan.filter_is_plural {
            // Such a filter walks the whole document again for every node.
            return Err(bound("a filter that refers to $ may only follow names and indexes"));
        }
        Ok(scan.plural_from)
    }

    fn step(&mut self, index: usize, previous: char, character: char) -> Result<(), Refusal> {
        match character {
            '[' | '(' => self.enter(index, character == '[')?,
            ']' | ')' => self.leave()?,
            '.' if previous == '.' => {
                self.descents += 1;
                self.plural();
            }
            '.' if self.open.is_empty() => self.segment = index,
            '*' | ':' => self.plural(),
            '?' => {
                self.plural();
                if let Some(opened) = self.open.last_mut() {
                    opened.filter = true;
                }
            }
            ',' => {
                if let Some(opened) = self.open.last_mut() {
                    opened.selectors += 1;
                }
                self.plural();
            }
            '$' if self.in_filter() => self.filter_sees_root = true,
            _ => {}
        }
        if self.descents > MAX_DESCENTS {
            return Err(bound("a JSONPath may have one descendant segment (..)"));
        }
        Ok(())
    }

    fn enter(&mut self, index: usize, bracket: bool) -> Result<(), Refusal> {
        if self.open.is_empty() {
            self.segment = index;
        }
        self.open.push(Opened { bracket, filter: false, selectors: 1 });
        if self.open.len() > MAX_DEPTH {
            return Err(bound(format!("a JSONPath may nest brackets {MAX_DEPTH} deep")));
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Refusal> {
        let Some(closed) = self.open.pop() else {
            return Err(syntax("is not a JSONPath (RFC 9535): a bracket is closed that was not opened"));
        };
        if closed.bracket {
            self.fan_out = self.fan_out.saturating_mul(closed.selectors);
        }
        if self.fan_out > MAX_FAN_OUT {
            return Err(bound(format!("a JSONPath may combine at most {MAX_FAN_OUT} listed selectors")));
        }
        Ok(())
    }

    fn plural(&mut self) {
        self.plural_from.get_or_insert(self.segment);
        self.filter_is_plural |= self.in_filter();
    }

    fn in_filter(&self) -> bool {
        self.open.iter().any(|opened| opened.filter)
    }
}

/// Moves behind the end of a string literal that began with `quote`.
fn skip_literal(characters: &mut std::str::CharIndices<'_>, quote: char) -> Result<(), Refusal> {
    while let Some((_, character)) = characters.next() {
        if character == quote {
            return Ok(());
        }
        if character == '\\' {
            characters.next();
        }
    }
    Err(syntax("is not a JSONPath (RFC 9535): a quoted name is not closed"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).expect("a JSONPath")
    }

    fn nodes(text: &str, value: &Value) -> Vec<Value> {
        match path(text).select(value) {
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
        let selection = path(text).select(&Value::Null);
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
    #[case("$[?match(@.id, '[ab]')].id", json!(["a", "b"]))]
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
    #[case("$[?$[*]]")]
    #[case("$[?@.a == 1 && $.data[?@.b == 2]]")]
    #[case("")]
    fn a_path_that_could_cost_too_much_is_refused(#[case] text: &str) {
        let refusal = Path::parse(text).expect_err("too much");
        assert_eq!(refusal.code, FaultCode::OutOfRange, "{}", refusal.detail);
        let long = format!("$.{}", "a".repeat(MAX_CHARACTERS));
        assert_eq!(Path::parse(&long).expect_err("too long").code, FaultCode::OutOfRange);
    }

    #[rstest]
    #[case("$[?@.year == $.year]")]
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
                let _nodes = path.select(&body);
                let _found = path.has_container(&body);
            }
        }

        #[test]
        fn parsing_never_panics_on_any_text(text in ".{0,40}") {
            let _parsed = Path::parse(&format!("${text}"));
        }
    }
}
