//! The lines of the corpus: what may stand in them, and how a table becomes its cases.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::text;

/// The characters of a value that stand in the name of its case.
const LONGEST_LABEL: usize = 120;

/// The first line of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// What its cases are about, for whoever reads the file.
    pub(super) about: String,
    /// The deployment that they are sent to.
    #[serde(default)]
    pub(super) deployment: Deployment,
}

/// How the service is configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Deployment {
    /// Without authentication, with one address of this machine open.
    #[default]
    Open,
    /// The same with API keys.
    Keys,
    /// The same as the first, and `If-Match` is required.
    Strict,
}

/// One case, as the file and the tables in it give it. Placeholders for what only a run knows are still in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Unlike every other of its file.
    pub(super) name: String,
    /// The request of `requests.json` that it alters.
    pub(super) on: String,
    /// Another method.
    pub(super) method: Option<String>,
    /// Another target.
    pub(super) target: Option<String>,
    /// Appended to the target.
    #[serde(default)]
    pub(super) query: String,
    /// Header fields over those of the request; null takes one away, a list gives it several times.
    #[serde(default)]
    pub(super) headers: Map<String, Value>,
    /// Members of the body by their pointers.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// Members that the body lacks.
    #[serde(default)]
    pub(super) without: Vec<String>,
    /// The whole body, as text.
    pub(super) text: Option<String>,
    /// What the upstream answers; the call then goes out.
    pub(super) upstream: Option<Script>,
    /// What has to follow.
    pub(super) expect: Expectation,
}

/// An answer of an upstream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// The whole head but for its length and its end, a line each.
    pub(super) head: Vec<String>,
    /// The body.
    #[serde(default)]
    pub(super) body: String,
    /// Whether the head says how long the body is.
    #[serde(default = "yes")]
    pub(super) length: bool,
}

const fn yes() -> bool {
    true
}

/// What has to follow from a case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    /// The status.
    pub(super) status: u16,
    /// The code of the problem. Where it is absent and `errors` are not, the code that follows from these.
    pub(super) code: Option<String>,
    /// Pointer and code of every fault, in any order; `a|b` is for either code.
    pub(super) errors: Option<Vec<(String, String)>>,
    /// Members of the answer's body by their pointers.
    #[serde(default)]
    pub(super) answer: Map<String, Value>,
    /// Values that members of the answer must not have.
    #[serde(default)]
    pub(super) not: Map<String, Value>,
    /// Header fields of the answer; null is for one that must not be there, `!` before a value for another than it.
    #[serde(default)]
    pub(super) headers: Map<String, Value>,
}

impl Expectation {
    /// Whether the request is to be refused, so that nothing may change.
    pub(super) const fn refuses(&self) -> bool {
        self.status >= 400
    }
}

/// The cases of one line. `for` gives the values of its placeholders, each with each; a key `a,b` gives several at once,
/// from lists of as many values. The cases are named by the line and their values.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn cases(line: &str) -> Result<Vec<Case>, String> {
    let mut table: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let columns = match table.shift_remove("for") {
        None => Map::new(),
        Some(Value::Object(columns)) => columns,
        Some(_) => return Err("`for` is no object".to_owned()),
    };
    let mut rows = vec![Value::Object(table)];
    if rows[0]["on"].is_array() {
        let requests = rows[0]["on"].take();
        rows[0]["on"] = json!("{{on}}");
        rows = expanded(&rows, "on", &requests)?;
    }
    for (names, values) in &columns {
        rows = expanded(&rows, names, &text::composed(values.clone())?)?;
    }
    rows.into_iter()
        .map(|row| serde_json::from_value(text::composed(row)?).map_err(|error| error.to_string()))
        .collect()
}

/// Every row with every value; a list names its values itself, an object has names for them.
fn expanded(rows: &[Value], names: &str, values: &Value) -> Result<Vec<Value>, String> {
    let names: Vec<&str> = names.split(',').collect();
    let values: Vec<(String, &Value)> = match values {
        Value::Array(values) => values.iter().map(|value| (labels(value, names.len()), value)).collect(),
        Value::Object(values) => values.iter().map(|(label, value)| (label.clone(), value)).collect(),
        _ => return Err(format!("{names:?}: neither a list nor an object")),
    };
    if values.is_empty() {
        return Err(format!("{names:?}: no values"));
    }
    let mut expanded = Vec::with_capacity(rows.len() * values.len());
    for row in rows {
        for (label, value) in &values {
            let parts = match value {
                Value::Array(parts) if names.len() > 1 && parts.len() == names.len() => parts.clone(),
                _ if names.len() > 1 => return Err(format!("{names:?}: {value} has another number of values")),
                value => vec![(*value).clone()],
            };
            let mut row = row.clone();
            for (name, part) in names.iter().zip(&parts) {
                row = text::filled(row, &format!("{{{{{name}}}}}"), part)?;
            }
            row["name"] = json!(format!("{} · {label}", row["name"].as_str().unwrap_or_default()));
            expanded.push(row);
        }
    }
    Ok(expanded)
}

fn labels(value: &Value, names: usize) -> String {
    match value {
        Value::Array(parts) if names > 1 => parts.iter().map(label).collect::<Vec<_>>().join(" "),
        value => label(value),
    }
}

/// What a value is called in the name of its case: itself, or its beginning and its length.
fn label(value: &Value) -> String {
    let whole = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if whole.chars().count() <= LONGEST_LABEL {
        return whole;
    }
    format!("{}… of {} bytes", whole.chars().take(LONGEST_LABEL).collect::<String>(), whole.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_every_combination_of_its_values() {
        let line = r#"{"name":"types","on":["create","draft"],"for":{"member,code":[["/a","x"],["/b","y"]],
            "value":{"a number":7,"text":"7"}},"with":{"{{member}}":"{{value}}"},
            "expect":{"status":422,"errors":[["{{member}}","{{code}}"]]}}"#;
        let cases = cases(&line.replace('\n', "")).expect("cases");
        assert_eq!(cases.len(), 8);
        let last = &cases[7];
        assert_eq!((last.name.as_str(), last.on.as_str()), ("types · draft · /b y · text", "draft"));
        assert_eq!(last.with["/b"], json!("7"));
        assert_eq!(cases[0].with["/a"], json!(7));
        assert_eq!(last.expect.errors, Some(vec![("/b".to_owned(), "y".to_owned())]));
    }

    #[test]
    fn a_line_says_nothing_that_nobody_reads() {
        let sound = r#"{"name":"a","on":"create","expect":{"status":422}}"#;
        assert_eq!(cases(sound).map(|cases| cases.len()), Ok(1));
        for unsound in [
            r#"{"name":"a","on":"create","expect":{"status":422},"wiht":{}}"#,
            r#"{"name":"a","on":"create","expect":{"status":422,"eror":[]}}"#,
            r#"{"name":"a","on":"create"}"#,
            r#"{"name":"a","on":"create","for":{"x":[]},"expect":{"status":422}}"#,
            r#"{"name":"a","on":"create","for":{"x,y":[[1]]},"expect":{"status":422}}"#,
            r#"{"name":"a","on":"create","for":{"x":[1]},"expect":{"status":422}}"#,
        ] {
            assert!(cases(unsound).is_err(), "{unsound}");
        }
    }
}
