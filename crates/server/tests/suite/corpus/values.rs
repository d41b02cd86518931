//! What the placeholders of a case stand for in one run.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::connection::Sent;
use super::line::{Case, Expectation};
use super::requests::{Request, Requests};
use super::text;

/// What a refused value has in it, so that it is found wherever it goes.
const CANARY: &str = "cnry";
/// The same of a number.
const DIGITS: &str = "7734577345";
/// What the name of a member, a parameter or a segment has in it, which an answer may point to.
const NAMED: &str = "named";

/// Values by their placeholders, without braces.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(BTreeMap<String, String>);

impl Values {
    pub(super) fn put(&mut self, placeholder: impl Into<String>, value: impl Into<String>) {
        self.0.insert(placeholder.into(), value.into());
    }

    /// Those of one request: `number` is of the case, `attempt` tells several of one case apart.
    pub(super) fn of_request(&self, number: usize, attempt: usize) -> Self {
        let mut values = self.clone();
        values.put("canary", canary(number));
        values.put("digits", digits(number));
        values.put("named", format!("{NAMED}{number:08x}"));
        values.put("name", format!("Corpus {number} {attempt}"));
        values.put("number", number.to_string());
        values
    }

    /// The text with everything filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            filled.push_str(before);
            let known = after.split_once("}}").and_then(|(name, left)| Some((self.0.get(name)?, left)));
            if let Some((value, left)) = known {
                filled.push_str(value);
                rest = left;
            } else {
                filled.push_str("{{");
                rest = after;
            }
        }
        filled.push_str(rest);
        filled
    }
}

impl Values {
    /// The same with every text within a value.
    fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(elements) => elements.iter().map(|element| self.fill_value(element)).collect(),
            Value::Object(members) => Value::Object(self.fill_members(members)),
            other => other.clone(),
        }
    }

    fn fill_members(&self, members: &Map<String, Value>) -> Map<String, Value> {
        members.iter().map(|(name, member)| (self.fill(name), self.fill_value(member))).collect()
    }

    /// What a case expects of this request.
    pub(super) fn expectation(&self, expected: &Expectation) -> Expectation {
        let filled = |(pointer, code): &(String, String)| (self.fill(pointer), code.clone());
        Expectation {
            status: expected.status,
            code: expected.code.clone(),
            errors: expected.errors.as_ref().map(|errors| errors.iter().map(filled).collect()),
            answer: self.fill_members(&expected.answer),
            not: self.fill_members(&expected.not),
            headers: self.fill_members(&expected.headers),
        }
    }
}

fn canary(number: usize) -> String {
    format!("{CANARY}{number:08x}")
}

fn digits(number: usize) -> String {
    format!("{DIGITS}{number:08}")
}

/// The marks of a case, as they would be found.
pub(super) fn marks(number: usize) -> [String; 2] {
    [canary(number), digits(number)]
}

/// The numbers of the cases whose marks are in `text`, with what stands around them.
pub(super) fn found(text: &str) -> BTreeMap<usize, String> {
    let text = text.to_lowercase();
    let mut found = BTreeMap::new();
    for (prefix, radix) in [(CANARY, 16), (DIGITS, 10)] {
        for (at, _) in text.match_indices(prefix) {
            let digits = at + prefix.len()..at + prefix.len() + 8;
            let number = text.get(digits).and_then(|digits| usize::from_str_radix(digits, radix).ok());
            let around: String = text[..at].chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
            let after: String = text[at..].chars().take(60).collect();
            found.entry(number.unwrap_or(usize::MAX)).or_insert_with(|| format!("…{around}{after}…"));
        }
    }
    found
}

/// The request of a case.
pub(super) fn request(case: &Case, requests: &Requests, values: &Values) -> Sent {
    let Request { method, target, headers, body } = requests.request(&case.on);
    let mut body = body.clone();
    for pointer in &case.without {
        remove(body.as_mut().expect("a body"), pointer);
    }
    for (pointer, value) in &case.with {
        set(body.as_mut().expect("a body"), pointer, value.clone());
    }
    let body = match &case.text {
        Some(text) => text.clone(),
        None => body.as_ref().map(|body| text::unquoted(&body.to_string())).unwrap_or_default(),
    };
    let mut fields = headers.clone();
    for (name, value) in &case.headers {
        fields.retain(|given, _| !given.eq_ignore_ascii_case(name));
        fields.insert(name.clone(), value.clone());
    }
    let written = |text: &str| text::bytes(&values.fill(text));
    let mut headers = Vec::new();
    for (name, value) in &fields {
        let name = values.fill(name);
        match value {
            Value::Null => {}
            Value::Array(given) => {
                let written = |value: &Value| (name.clone(), written(value.as_str().expect("a text")));
                headers.extend(given.iter().map(written));
            }
            value => headers.push((name, written(value.as_str().expect("a text")))),
        }
    }
    Sent {
        method: values.fill(case.method.as_ref().unwrap_or(method)),
        target: written(&format!("{}{}", case.target.as_ref().unwrap_or(target), case.query)),
        headers,
        body: written(&body),
    }
}

fn set(body: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer to a member");
    let name = name.replace("~1", "/").replace("~0", "~");
    match body.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent:?}")) {
        Value::Array(elements) if name == "-" => elements.push(value),
        Value::Array(elements) => elements[name.parse::<usize>().expect("an index")] = value,
        object => object[name] = value,
    }
}

fn remove(body: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer to a member");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    parent.shift_remove(name).unwrap_or_else(|| panic!("nothing at {pointer:?}"));
}
