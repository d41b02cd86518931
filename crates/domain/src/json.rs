//! Reading JSON that others wrote: as it stands there, and no deeper than the reader said.
//!
//! `serde_json` keeps the digits of a number, and text that is not to be parsed yet, in objects with a private member.
//! Read into a [`Value`] the usual way, an object from outside with such a member is taken for one of these: it becomes
//! a number, or is parsed once more with no regard to how deep it already stands. Here it stays an object.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// The deepest nesting of arrays and objects that can be read at all. Reading, redacting, mapping, writing, cloning
/// and dropping go as deep as their value does, and all of them find room on the stack for this depth. `serde_json`
/// itself stops one level further down, without a word that tells this from other errors.
pub const MAX_DEPTH: usize = 126;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The deepest nesting of arrays and objects, at most [`MAX_DEPTH`].
    pub depth: usize,
    /// Whether an object may have two members of the same name; the last one wins.
    pub repeated_members: bool,
}

impl Rules {
    /// For JSON that is taken as it comes.
    pub const LENIENT: Self = Self { depth: MAX_DEPTH, repeated_members: true };
}

/// Why text was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not JSON. The message tells the place, and nothing of the text.
    #[error("{message}")]
    Syntax {
        /// What is wrong, and where.
        message: String,
        /// The line, from 1.
        line: usize,
        /// The byte of the line, from 1.
        column: usize,
    },
    /// It escapes one half of a character.
    #[error("a string is not Unicode")]
    NotUnicode,
    /// It is nested deeper than the rules say.
    #[error("it is nested deeper than {0} levels")]
    TooDeep(usize),
    /// It repeats a member, which the rules forbid.
    #[error("an object has two members of the same name")]
    RepeatedMember,
}

/// Reads one JSON value. Numbers keep every digit, and members their order.
///
/// # Errors
/// What is wrong with the text: that it is not JSON before anything else.
pub fn parse(text: &str, rules: Rules) -> Result<Value, Malformed> {
    let broken = Cell::new(None);
    let depth = rules.depth.min(MAX_DEPTH);
    let reader = Reader { left: depth, rules: Rules { depth, ..rules }, broken: &broken };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    reader
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|_| syntax(text).unwrap_or_else(|| broken.take().unwrap_or(Malformed::NotUnicode)))
}

/// The first error of syntax. This skips over the text without a look into its strings, and without a stack.
fn syntax(text: &str) -> Option<Malformed> {
    let error = serde_json::from_str::<&RawValue>(text).err()?;
    Some(Malformed::Syntax { message: error.to_string(), line: error.line(), column: error.column() })
}

/// Reads one value, wherever it stands.
#[derive(Clone, Copy)]
struct Reader<'a> {
    /// How many levels may still be opened.
    left: usize,
    rules: Rules,
    /// The rule that was broken: an error of `serde` is but a text.
    broken: &'a Cell<Option<Malformed>>,
}

impl Reader<'_> {
    fn refuse<E: Error>(self, reason: Malformed) -> E {
        let error = E::custom(&reason);
        self.broken.set(Some(reason));
        error
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(self.refuse(Malformed::TooDeep(self.rules.depth))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(value) = access.next_element_seed(element)? {
            elements.push(value);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut next = access.next_key_seed(KeyReader)?;
        if let Some(Key::OfNumber) = next {
            let number: Number = access.next_value::<String>()?.parse().map_err(A::Error::custom)?;
            return Ok(Value::Number(number));
        }
        let member = self.deeper()?;
        let mut members = Map::new();
        while let Some(Key::Member(name)) = next {
            let value = access.next_value_seed(member)?;
            if members.insert(name, value).is_some() && !self.rules.repeated_members {
                return Err(self.refuse(Malformed::RepeatedMember));
            }
            next = access.next_key_seed(KeyReader)?;
        }
        Ok(Value::Object(members))
    }
}

/// What stands before a value in what `serde` calls a map.
enum Key {
    /// The name of a member, of whatever spelling.
    Member(String),
    /// The sign that this is no object but a number, with its digits to follow.
    OfNumber,
}

/// Tells the two apart. They differ in how they answer the question for an optional value: the parser hands out the
/// name that it is about to read, and the sign of a number hands out itself.
struct KeyReader;

impl<'de> DeserializeSeed<'de> for KeyReader {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for KeyReader {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        String::deserialize(deserializer).map(Key::Member)
    }

    fn visit_str<E: Error>(self, _sign: &str) -> Result<Key, E> {
        Ok(Key::OfNumber)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::fault::Faults;
    use crate::mapping::FieldMappings;

    const NUMBER: &str = "$serde_json::private::Number";
    const RAW: &str = "$serde_json::private::RawValue";
    const REQUEST: Rules = Rules { depth: 32, repeated_members: false };

    fn object(name: &str, value: Value) -> Value {
        Value::Object(Map::from_iter([(name.to_owned(), value)]))
    }

    fn nested(open: &str, close: &str, depth: usize) -> String {
        format!("{}1{}", open.repeat(depth), close.repeat(depth))
    }

    #[rstest]
    fn text_is_read_as_it_stands(
        #[values(
            r#"{"b":1.10,"a":[123456789012345678901234567890,-0.0,-0,1e+400,0e-7],"c":{"d":null,"b":true}}"#,
            "[0,-1,18446744073709551615,18446744073709551616,-9223372036854775809,1.0]",
            r#""Ökostrom 🔌 \" \\ \n""#,
            r#"{"":{"":[]},"é":{}}"#,
            "null",
            "-12.50"
        )]
        text: &str,
    ) {
        for rules in [REQUEST, Rules::LENIENT] {
            assert_eq!(parse(text, rules).expect("JSON").to_string(), text);
        }
    }

    #[rstest]
    fn private_names_are_names(
        #[values(NUMBER, RAW)] name: &str,
        #[values(r#""12""#, "12", r#""abc""#, r#""{\"a\":1}""#, r#""[""#, "null", "{}", r#"["1"]"#, "1.5")]
        member: &str,
    ) {
        let member_read: Value = serde_json::from_str(member).expect("JSON");
        for name_written in [name.to_owned(), name.replacen('$', "\\u0024", 1), name.replacen('s', "\\u0073", 1)] {
            let text = format!(r#"{{"{name_written}":{member}}}"#);
            let expected = object(name, member_read.clone());
            assert_eq!(parse(&text, REQUEST), Ok(expected.clone()));
            assert_eq!(parse(&format!("[{text}]"), REQUEST), Ok(json!([expected])));
            let more = parse(&format!(r#"{{"{name_written}":{member},"a":{text}}}"#), REQUEST).expect("JSON");
            assert_eq!((&more["a"], &more[name]), (&expected, &member_read));
        }
    }

    #[rstest]
    #[case("", 1, 0)]
    #[case("{", 1, 1)]
    #[case("nul", 1, 3)]
    #[case("1 2", 1, 3)]
    #[case("[1,\n2,]", 2, 3)]
    #[case("{\"a\tb\":1}", 1, 3)]
    #[case("{\"\\n\t\":1}", 1, 4)]
    #[case("{1:2}", 1, 2)]
    #[case("{null:2}", 1, 2)]
    #[case("[01]", 1, 3)]
    #[case("[1.]", 1, 4)]
    #[case("\u{feff}1", 1, 1)]
    #[case(r#"{"a":1,"a":2"#, 1, 12)]
    fn what_is_not_json_is_told_with_its_place(#[case] text: &str, #[case] line: usize, #[case] column: usize) {
        match parse(text, REQUEST) {
            Err(Malformed::Syntax { line: at_line, column: at_column, .. }) => {
                assert_eq!((at_line, at_column), (line, column));
            }
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    fn half_a_character_is_no_text(#[values(r#""\ud800""#, r#"{"\udc00":1}"#, r#"["\ud800\u0041"]"#)] text: &str) {
        assert_eq!(parse(text, Rules::LENIENT), Err(Malformed::NotUnicode));
    }

    #[rstest]
    fn repeated_members_are_refused_or_the_last_one_wins(
        #[values(r#"{"x":{"a":1,"b":3,"a":2}}"#, r#"{"x":{"a":1,"b":3,"\u0061":2}}"#)] text: &str,
    ) {
        assert_eq!(parse(text, REQUEST), Err(Malformed::RepeatedMember));
        assert_eq!(parse(text, Rules::LENIENT), serde_json::from_str(text).map_err(|_| Malformed::NotUnicode));
    }

    #[rstest]
    fn the_depth_is_bounded(#[values(("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]"))] brackets: (&str, &str)) {
        let (open, close) = brackets;
        let levels = open.matches(['[', '{']).count();
        for (rules, depth) in [(REQUEST, 32), (Rules { depth: 64, ..REQUEST }, 64), (Rules::LENIENT, MAX_DEPTH)] {
            assert!(parse(&nested(open, close, depth / levels), rules).is_ok());
            let deeper = Err(Malformed::TooDeep(depth));
            assert_eq!(parse(&nested(open, close, depth / levels + 1), rules), deeper);
            assert_eq!(parse(&nested(open, close, depth / levels + 2), rules), deeper);
            assert_eq!(parse(&nested(open, close, 100_000), rules), deeper);
        }
        let boundless = Rules { depth: usize::MAX, ..REQUEST };
        assert_eq!(parse(&nested(open, close, 100_000), boundless), Err(Malformed::TooDeep(MAX_DEPTH)));
        assert!(parse(&"[".repeat(100_000), boundless).is_err());
    }

    #[test]
    fn empty_arrays_and_objects_are_levels_too() {
        let rules = Rules { depth: 1, ..REQUEST };
        assert_eq!(parse("[]", rules), Ok(json!([])));
        assert_eq!(parse("{}", rules), Ok(json!({})));
        assert_eq!(parse("[1.5]", rules).map(|value| value.to_string()), Ok("[1.5]".to_owned()));
        assert_eq!(parse("[[]]", rules), Err(Malformed::TooDeep(1)));
        assert_eq!(parse("[{}]", rules), Err(Malformed::TooDeep(1)));
    }

    /// A quarter of what a worker of the service has: there are frames below, too.
    #[rstest]
    fn the_deepest_value_leaves_room_on_the_stack(#[values(("[", "]"), (r#"{"a":"#, "}"))] brackets: (&str, &str)) {
        let (open, close) = brackets;
        let text = nested(open, close, MAX_DEPTH);
        let work = move || {
            let value = parse(&text, Rules::LENIENT).expect("JSON");
            assert_eq!(value.to_string(), text);
            assert_eq!(value.clone(), value);
            assert_eq!(serde_json::to_vec(&json!({ "body": value })).expect("JSON").len(), text.len() + 9);
            let mappings = json!({
                "recordsPath": "$..*",
                "mappings": [{ "externalField": "$", "internalField": "b", "transform": "direct" }],
            });
            let mut faults = Faults::default();
            if let Some(mappings) = FieldMappings::parse(&mappings, "/mappingConfiguration", &mut faults) {
                let outcome = mappings.apply(&value);
                assert!(!outcome.records.is_empty() || !outcome.rejections.is_empty());
            } else {
                panic!("{faults:?}");
            }
        };
        let worker = std::thread::Builder::new().stack_size(512 * 1024).spawn(work).expect("a thread");
        worker.join().expect("room on the stack");
    }

    #[test]
    fn text_within_text_within_text_is_not_parsed() {
        let mut text = "1".to_owned();
        for _ in 0..4 {
            let (open, close) = ("[".repeat(120), "]".repeat(120));
            text = format!("{open}{{\"{RAW}\":{}}}{close}", Value::String(text));
        }
        let mut value = &parse(&text, Rules::LENIENT).expect("JSON");
        while let Value::Array(elements) = value {
            value = &elements[0];
        }
        assert!(value[RAW].is_string());
        assert_eq!(parse(&text, REQUEST), Err(Malformed::TooDeep(32)));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?"
            .prop_map(|number| Value::Number(number.parse().expect("a number")));
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number,
            any::<String>().prop_map(Value::String),
            Just(json!("{\"a\":[1]}")),
            Just(json!("12")),
        ];
        let name = prop_oneof![Just(NUMBER.to_owned()), Just(RAW.to_owned()), any::<String>()];
        leaf.prop_recursive(8, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((name.clone(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in any_value()) {
            let text = value.to_string();
            let read = parse(&text, REQUEST).expect("JSON");
            prop_assert_eq!(read.to_string(), text);
            prop_assert_eq!(read, value);
        }

        #[test]
        fn other_text_is_read_as_serde_json_reads_it(text in "[\\[\\]{}:,\"a\\\\ u0-9.eE+-]{0,24}") {
            let theirs = serde_json::from_str::<Value>(&text);
            let ours = parse(&text, Rules::LENIENT);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                prop_assert_eq!(ours.to_string(), theirs.to_string());
            }
        }
    }
}
