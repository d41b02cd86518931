//! Answers as snapshots show them: what differs from run to run is replaced by its kind.

use serde_json::Value;

/// Pretty-printed, with ids, times, durations, hashes and ports replaced.
pub(crate) fn shape(value: &Value) -> String {
    format!("{:#}", replaced("", value))
}

fn replaced(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), replaced(name, member))).collect(),
        Value::Array(elements) => elements.iter().map(|element| replaced(name, element)).collect(),
        Value::Number(_) if matches!(name, "durationMs" | "waitedMs") => "[ms]".into(),
        Value::String(text) => text_replaced(text).into(),
        other => other.clone(),
    }
}

fn text_replaced(text: &str) -> String {
    let all_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_id(text) {
        "[id]".to_owned()
    } else if is_time(text) {
        "[time]".to_owned()
    } else if all_hex && text.len() == 64 {
        "[hash]".to_owned()
    } else if all_hex && text.len() == 32 {
        "[trace]".to_owned()
    } else if let Some((before, _)) = text.rsplit_once('/').filter(|(_, id)| is_id(id)) {
        format!("{before}/[id]")
    } else if let Some(rest) = text.strip_prefix("http://127.0.0.1:") {
        format!("http://127.0.0.1:[port]{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit()))
    } else {
        text.to_owned()
    }
}

/// A `UUIDv7`, lower-case and hyphenated.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, character)| match index {
            8 | 13 | 18 | 23 => character == '-',
            14 => character == '7',
            19 => matches!(character, '8' | '9' | 'a' | 'b'),
            _ => matches!(character, '0'..='9' | 'a'..='f'),
        })
}

/// RFC 3339 in UTC with `Z`, microseconds at most.
pub(crate) fn is_time(text: &str) -> bool {
    let Some((seconds, fraction)) = text.strip_suffix('Z').map(|text| text.split_once('.').unwrap_or((text, "")))
    else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    seconds.len() == 19
        && fraction.len() <= 6
        && digits(fraction)
        && seconds.char_indices().all(|(index, character)| match index {
            4 | 7 => character == '-',
            10 => character == 'T',
            13 | 16 => character == ':',
            _ => character.is_ascii_digit(),
        })
}
