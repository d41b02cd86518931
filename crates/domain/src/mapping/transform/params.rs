//! `transformParams`, checked when the configuration is saved.

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use super::Transform;
use crate::fault::{FaultCode, Faults, Refusal, pointer_to};
use crate::mapping::members::Members;
use crate::mapping::number::Exact;
use crate::mapping::units::Unit;

/// `standardHours` when it is not given: the working week of one full-time employee.
const DEFAULT_STANDARD_HOURS: u64 = 40;
/// Characters in a date pattern.
const MAX_FORMAT_CHARACTERS: usize = 100;

/// The transform `name` with the parameters of `entry`; every parameter that it does not know is a fault.
pub(super) fn parse(name: &str, entry: &Members<'_>, faults: &mut Faults) -> Option<Transform> {
    let known: &[&str] = match name {
        "fte" => &["standardHours"],
        "lookup" => &["table"],
        "convert" => &["from", "to"],
        "scale" => &["factor"],
        "round" => &["decimals"],
        "date" => &["format"],
        _ => &[],
    };
    let none = Value::Object(serde_json::Map::new());
    let given = entry.value("transformParams").unwrap_or(&none);
    let params = Members::open(given, &entry.pointer("transformParams"), known, faults)?;
    match name {
        "direct" => Some(Transform::Direct),
        "sum" => Some(Transform::Sum),
        "average" => Some(Transform::Average),
        "fte" => fte(&params, faults),
        "lookup" => lookup(&params, faults),
        "convert" => convert(&params, faults),
        "scale" => scale(&params, faults),
        "round" => round(&params, faults),
        "date" => date(&params, faults),
        _ => None,
    }
}

fn fte(params: &Members<'_>, faults: &mut Faults) -> Option<Transform> {
    let standard_hours = match params.value("standardHours") {
        Some(_) => params.number("standardHours", faults)?,
        None => Exact::new(DEFAULT_STANDARD_HOURS, 0).ok()?,
    };
    if !standard_hours.is_positive() {
        faults.push(params.pointer("standardHours"), FaultCode::OutOfRange, "must be above 0");
        return None;
    }
    Some(Transform::Fte { standard_hours })
}

fn lookup(params: &Members<'_>, faults: &mut Faults) -> Option<Transform> {
    let at = params.pointer("table");
    let Value::Object(entries) = faults.require(&at, params.value("table"))? else {
        faults.push(at, FaultCode::Type, "must be an object from keys to values");
        return None;
    };
    if entries.is_empty() {
        faults.push(at, FaultCode::OutOfRange, "must have at least one entry");
        return None;
    }
    let mut table = HashMap::with_capacity(entries.len());
    for (key, value) in entries {
        if matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
            table.insert(key.clone(), value.clone());
        } else {
            faults.push(pointer_to(&at, key), FaultCode::Type, "must be text, a number, true or false");
        }
    }
    (table.len() == entries.len()).then_some(Transform::Lookup { table })
}

fn convert(params: &Members<'_>, faults: &mut Faults) -> Option<Transform> {
    let from = unit("from", params, faults);
    let to = unit("to", params, faults);
    let (from, to) = (from?, to?);
    if from.dimension != to.dimension {
        let detail = format!("must measure the same as {}", from.symbol);
        faults.push(params.pointer("to"), FaultCode::InvalidValue, detail);
        return None;
    }
    Some(Transform::Convert { from: from.factor(), to: to.factor() })
}

fn unit(name: &str, params: &Members<'_>, faults: &mut Faults) -> Option<&'static Unit> {
    let at = params.pointer(name);
    let symbol = params.text(name, faults);
    let symbol = faults.require(&at, symbol)?;
    let known = Unit::find(symbol).ok_or_else(|| {
        let detail = format!("must be one of these units (letter case counts): {}", Unit::symbols());
        Refusal::new(FaultCode::InvalidValue, detail)
    });
    faults.check(&at, known)
}

fn scale(params: &Members<'_>, faults: &mut Faults) -> Option<Transform> {
    let at = params.pointer("factor");
    let factor = params.number("factor", faults);
    let factor = faults.require(&at, factor)?;
    if factor.is_zero() {
        faults.push(at, FaultCode::OutOfRange, "must not be 0");
        return None;
    }
    Some(Transform::Scale { factor })
}

fn round(params: &Members<'_>, faults: &mut Faults) -> Option<Transform> {
    let at = params.pointer("decimals");
    let given = params.number("decimals", faults);
    let given = faults.require(&at, given)?;
    let decimals = (0_u32..=28).find(|&decimals| Exact::new(u64::from(decimals), 0) == Ok(given));
    if decimals.is_none() {
        faults.push(at, FaultCode::OutOfRange, "must be a whole number from 0 to 28");
    }
    decimals.map(|decimals| Transform::Round { decimals })
}

fn date(params: &Members<'_>, faults: &mut Faults) -> Option<Transform> {
    let at = params.pointer("format");
    let format = params.text("format", faults);
    let format = faults.require(&at, format)?;
    if !(1..=MAX_FORMAT_CHARACTERS).contains(&format.chars().count()) {
        let detail = format!("must have 1 to {MAX_FORMAT_CHARACTERS} characters");
        faults.push(at, FaultCode::OutOfRange, detail);
        return None;
    }
    if !names_a_day(format) {
        let detail = "must be a strftime pattern that names day, month and year, such as %d.%m.%Y";
        faults.push(at, FaultCode::InvalidValue, detail);
        return None;
    }
    Some(Transform::Date { format: String::from(format) })
}

/// Whether a date that is written in this pattern can be read back from it.
fn names_a_day(format: &str) -> bool {
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    if items.contains(&Item::Error) {
        return false;
    }
    let Some(sample) = DateTime::from_timestamp(1_638_230_400, 0) else {
        return false;
    };
    let mut written = String::new();
    write!(written, "{}", sample.format_with_items(items.iter())).is_ok()
        && NaiveDate::parse_from_str(&written, format) == Ok(sample.date_naive())
}
