//! Reading the members of a request object one by one, so that every fault is found and none hides another.

use domain::call::MAX_PARAMETERS;
use domain::fault::{FaultCode, Faults, pointer_to};
use serde_json::{Map, Number, Value};

/// The members of an object that have not been read yet, and the faults of those that have.
pub(crate) struct Members {
    object: Map<String, Value>,
    faults: Faults,
}

impl Members {
    /// The members of the body. A body that is no object has none, and is the one fault.
    pub(crate) fn of(body: Value) -> Self {
        if let Value::Object(object) = body {
            return Self { object, faults: Faults::new() };
        }
        let mut faults = Faults::new();
        faults.push("", FaultCode::Type, "the body must be an object");
        Self { object: Map::new(), faults }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name)? {
            Value::String(text) => Some(text),
            _ => self.mistyped(name, "must be a string"),
        }
    }

    /// Text, or null where the member has none.
    pub(crate) fn nullable_text(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            _ => self.mistyped(name, "must be a string or null"),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Option<Number> {
        match self.object.remove(name)? {
            Value::Number(number) => Some(number),
            _ => self.mistyped(name, "must be a number"),
        }
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.object.remove(name)? {
            Value::Bool(value) => Some(value),
            _ => self.mistyped(name, "must be true or false"),
        }
    }

    /// At most `most` texts; more are one fault, not one each.
    pub(crate) fn texts(&mut self, name: &str, most: usize) -> Option<Vec<String>> {
        let Value::Array(elements) = self.object.remove(name)? else {
            return self.mistyped(name, "must be an array of strings");
        };
        let count = elements.len();
        if count > most {
            let detail = format!("must have at most {most} elements");
            self.faults.push(pointer_to("", name), FaultCode::OutOfRange, detail);
            return None;
        }
        let mut texts = Vec::with_capacity(count);
        for (index, element) in elements.into_iter().enumerate() {
            if let Value::String(text) = element {
                texts.push(text);
            } else {
                let pointer = pointer_to(&pointer_to("", name), index);
                self.faults.push(pointer, FaultCode::Type, "must be a string");
            }
        }
        (texts.len() == count).then_some(texts)
    }

    /// The same, or null where the member has none.
    pub(crate) fn nullable_texts(&mut self, name: &str, most: usize) -> Option<Vec<String>> {
        if self.object.get(name).is_some_and(Value::is_null) {
            self.object.remove(name);
            return None;
        }
        self.texts(name, most)
    }

    /// Text that `parse` understands; `expected` says what would be right.
    pub(crate) fn parsed<T>(&mut self, name: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.faults.push(pointer_to("", name), FaultCode::InvalidValue, expected);
        }
        parsed
    }

    /// The same, or null where the member has none.
    pub(crate) fn nullable_parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if self.object.get(name).is_some_and(Value::is_null) {
            self.object.remove(name);
            return None;
        }
        self.parsed(name, expected, parse)
    }

    /// An object of at most [`MAX_PARAMETERS`] scalars, as text: `{"page": 1}` is `page=1`. More are one fault.
    pub(crate) fn scalars(&mut self, name: &str) -> Vec<(String, String)> {
        match self.object.remove(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(members)) if members.len() > MAX_PARAMETERS => {
                let detail = format!("must have at most {MAX_PARAMETERS} members");
                self.faults.push(pointer_to("", name), FaultCode::OutOfRange, detail);
                Vec::new()
            }
            Some(Value::Object(members)) => members
                .into_iter()
                .filter_map(|(member, value)| match value {
                    Value::String(text) => Some((member, text)),
                    Value::Number(number) => Some((member, number.to_string())),
                    Value::Bool(value) => Some((member, value.to_string())),
                    _ => {
                        let pointer = pointer_to(&pointer_to("", name), member);
                        self.faults.push(pointer, FaultCode::Type, "must be a string, a number or a boolean");
                        None
                    }
                })
                .collect(),
            Some(_) => self.mistyped::<Vec<_>>(name, "must be an object").unwrap_or_default(),
        }
    }

    /// Any JSON.
    pub(crate) fn any(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name)
    }

    /// Members that only answers carry: accepted, so that what was read can be sent back.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.object.remove(*name);
        }
    }

    /// All faults; what was not read is not known.
    pub(crate) fn finish(mut self) -> Faults {
        for name in self.object.keys() {
            self.faults.push(pointer_to("", name), FaultCode::UnknownMember, "the operation does not know this member");
        }
        self.faults
    }

    fn mistyped<T>(&mut self, name: &str, detail: &str) -> Option<T> {
        self.faults.push(pointer_to("", name), FaultCode::Type, detail);
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(faults: &Faults) -> Vec<(String, FaultCode)> {
        faults.iter().map(|fault| (fault.pointer.clone(), fault.code)).collect()
    }

    #[test]
    fn more_elements_than_can_be_right_are_one_fault() {
        let mut members = Members::of(json!({ "capabilities": vec![1; 500_000], "few": ["a", 1] }));
        assert_eq!((members.texts("capabilities", 3), members.texts("few", 3)), (None, None));
        let faults = members.finish();
        assert_eq!(
            found(&faults),
            [("/capabilities".to_owned(), FaultCode::OutOfRange), ("/few/1".to_owned(), FaultCode::Type)]
        );
    }

    #[test]
    fn more_parameters_than_can_be_right_are_one_fault() {
        let of = |count: usize| (0..count).map(|index| (index.to_string(), json!(null))).collect::<Map<_, _>>();
        let mut members = Members::of(json!({ "query": of(90_000), "headers": of(2) }));
        assert_eq!((members.scalars("query"), members.scalars("headers")), (Vec::new(), Vec::new()));
        let faults = members.finish();
        let expected = [
            ("/query".to_owned(), FaultCode::OutOfRange),
            ("/headers/0".to_owned(), FaultCode::Type),
            ("/headers/1".to_owned(), FaultCode::Type),
        ];
        assert_eq!(found(&faults), expected);
    }
}
