//! Values as the corpus writes them: placeholders, and long texts that are told by how they are made.

use serde_json::{Map, Value};

/// The row with `value` for every `placeholder`. A text that is the placeholder and nothing else becomes the value as it
/// is; within other text, and in the names of members, only text can stand.
///
/// # Errors
/// A placeholder that is nowhere, since its values would make the same case again and again.
pub(super) fn filled(row: Value, placeholder: &str, value: &Value) -> Result<Value, String> {
    let mut filling = Filling { placeholder, value, found: false };
    let row = filling.fill(row)?;
    if filling.found { Ok(row) } else { Err(format!("{placeholder} is nowhere in {row}")) }
}

struct Filling<'a> {
    placeholder: &'a str,
    value: &'a Value,
    found: bool,
}

impl Filling<'_> {
    fn fill(&mut self, row: Value) -> Result<Value, String> {
        Ok(match row {
            Value::String(text) if text == self.placeholder => {
                self.found = true;
                self.value.clone()
            }
            Value::String(text) => Value::String(self.fill_text(text)?),
            Value::Array(elements) => {
                Value::Array(elements.into_iter().map(|element| self.fill(element)).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let mut filled = Map::new();
                for (name, member) in members {
                    filled.insert(self.fill_text(name)?, self.fill(member)?);
                }
                Value::Object(filled)
            }
            other => other,
        })
    }

    fn fill_text(&mut self, text: String) -> Result<String, String> {
        if !text.contains(self.placeholder) {
            return Ok(text);
        }
        self.found = true;
        match self.value {
            Value::String(value) => Ok(text.replace(self.placeholder, value)),
            Value::Number(value) => Ok(text.replace(self.placeholder, &value.to_string())),
            other => Err(format!("{other} cannot stand within {text:?}")),
        }
    }
}

/// The value with everything that is told by how it is made:
/// `{"$text":["a",["b",3]]}` is `abbb`, `{"$list":[1,3]}` is `[1,1,1]`, `{"$members":["m",2,null]}` is
/// `{"m0":null,"m1":null}`.
///
/// # Errors
/// One of these that is not of its form.
pub(super) fn composed(value: Value) -> Result<Value, String> {
    match value {
        Value::Array(elements) => Ok(Value::Array(elements.into_iter().map(composed).collect::<Result<_, _>>()?)),
        Value::Object(members) => {
            let parts = members.iter().next().filter(|_| members.len() == 1);
            match parts {
                Some((name, Value::Array(parts))) if name.starts_with('$') => {
                    made(name, parts).ok_or_else(|| format!("{name} of {parts:?}"))
                }
                _ => {
                    let members = members.into_iter().map(|(name, member)| Ok((name, composed(member)?)));
                    Ok(Value::Object(members.collect::<Result<_, String>>()?))
                }
            }
        }
        other => Ok(other),
    }
}

fn made(name: &str, parts: &[Value]) -> Option<Value> {
    match (name, parts) {
        ("$text", parts) => parts.iter().map(part).collect::<Option<String>>().map(Value::String),
        ("$list", [element, times]) => Some(Value::Array(vec![composed(element.clone()).ok()?; count(times)?])),
        ("$members", [prefix, times, member]) => {
            let prefix = prefix.as_str()?;
            Some(Value::Object(
                (0..count(times)?).map(|number| (format!("{prefix}{number}"), member.clone())).collect(),
            ))
        }
        _ => None,
    }
}

fn part(part: &Value) -> Option<String> {
    match part {
        Value::String(text) => Some(text.clone()),
        Value::Array(repeated) => match repeated.as_slice() {
            [text, times] => Some(text.as_str()?.repeat(count(times)?)),
            _ => None,
        },
        _ => None,
    }
}

fn count(times: &Value) -> Option<usize> {
    times.as_u64().and_then(|times| usize::try_from(times).ok())
}

/// The bytes of a text: `{{hex:fffe}}` is what it spells in hexadecimal, for what JSON cannot hold.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    const OPEN: &str = "{{hex:";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (digits, after) = after.split_once("}}").expect("the end of the digits");
        bytes.extend_from_slice(before.as_bytes());
        bytes.extend((0..digits.len()).step_by(2).map(|at| {
            u8::from_str_radix(digits.get(at..at + 2).expect("two digits"), 16).expect("hexadecimal digits")
        }));
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// A body with what is no JSON in it: a member `"{{raw:NaN}}"` is written as `NaN`.
pub(super) fn unquoted(body: &str) -> String {
    const OPEN: &str = "\"{{raw:";
    let mut written = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (raw, after) = after.split_once("}}\"").expect("the end of what is raw");
        written.push_str(before);
        written.push_str(&raw.replace("\\\"", "\"").replace("\\\\", "\\"));
        rest = after;
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_values_are_told_by_how_they_are_made() {
        let value = json!({ "a": { "$text": ["a", ["b", 3]] }, "b": [{ "$list": [{ "$text": ["x"] }, 2] }] });
        assert_eq!(composed(value), Ok(json!({ "a": "abbb", "b": [["x", "x"]] })));
        assert_eq!(composed(json!({ "$members": ["m", 2, null] })), Ok(json!({ "m0": null, "m1": null })));
        assert!(composed(json!({ "$txt": ["a"] })).is_err());
        assert_eq!(composed(json!({ "$ref": "a" })), Ok(json!({ "$ref": "a" })));
    }

    #[test]
    fn a_placeholder_that_is_nowhere_is_a_mistake() {
        let row = json!({ "a": "{{x}}", "{{x}}": ["-{{x}}-"] });
        assert_eq!(filled(row.clone(), "{{x}}", &json!("y")), Ok(json!({ "a": "y", "y": ["-y-"] })));
        assert!(filled(row.clone(), "{{x}}", &json!([])).is_err());
        assert!(filled(row, "{{y}}", &json!(1)).is_err());
    }

    #[test]
    fn bytes_and_what_is_no_json_are_written_as_they_are() {
        assert_eq!(bytes("a{{hex:ff00}}b{{hex:}}"), b"a\xff\x00b");
        assert_eq!(unquoted(r#"{"a":"{{raw:\"\\ud800\"}}","b":"{{raw:01}}"}"#), r#"{"a":"\ud800","b":01}"#);
    }
}
