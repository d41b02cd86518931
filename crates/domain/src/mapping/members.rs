//! The members of one object of the configuration, read one by one; what is wrong goes to the faults.

use serde_json::{Map, Value};

use super::number::{Exact, NoNumber};
use crate::fault::{FaultCode, Faults, pointer_to};

/// An object and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Members<'a> {
    object: &'a Map<String, Value>,
    at: String,
}

impl<'a> Members<'a> {
    /// Takes the object at `at`; notes every member that is not among `known`.
    pub(super) fn open(value: &'a Value, at: &str, known: &[&str], faults: &mut Faults) -> Option<Self> {
        let Value::Object(object) = value else {
            faults.push(at, FaultCode::Type, "must be an object");
            return None;
        };
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let detail = if known.is_empty() {
                String::from("no members are known here")
            } else {
                format!("unknown member; known are {}", known.join(", "))
            };
            faults.push(pointer_to(at, name), FaultCode::UnknownMember, detail);
        }
        Some(Self { object, at: String::from(at) })
    }

    /// Where the member stands, or would.
    pub(super) fn pointer(&self, name: &str) -> String {
        pointer_to(&self.at, name)
    }

    /// The member as it is, null included.
    pub(super) fn given(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name)
    }

    /// The member; null is as good as absent.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.given(name).filter(|value| !value.is_null())
    }

    /// The member when it is text; another type is a fault.
    pub(super) fn text(&self, name: &str, faults: &mut Faults) -> Option<&'a str> {
        let value = self.value(name)?;
        if value.as_str().is_none() {
            faults.push(self.pointer(name), FaultCode::Type, "must be text");
        }
        value.as_str()
    }

    /// The member when it is true or false; another type is a fault.
    pub(super) fn flag(&self, name: &str, faults: &mut Faults) -> Option<bool> {
        let value = self.value(name)?;
        if value.as_bool().is_none() {
            faults.push(self.pointer(name), FaultCode::Type, "must be true or false");
        }
        value.as_bool()
    }

    /// The member when it is a JSON number that is exact within 28 digits; anything else is a fault.
    pub(super) fn number(&self, name: &str, faults: &mut Faults) -> Option<Exact> {
        let value = self.value(name)?;
        let read = if value.is_number() { Exact::read(value) } else { Err(NoNumber::NotANumber) };
        match read {
            Ok(number) => return Some(number),
            Err(NoNumber::NotANumber) => faults.push(self.pointer(name), FaultCode::Type, "must be a number"),
            Err(NoNumber::OutOfRange) => {
                faults.push(self.pointer(name), FaultCode::OutOfRange, "must have at most 28 digits");
            }
        }
        None
    }
}
