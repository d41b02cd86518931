//! The grammars of texts, as regular expressions of JSON Schema. What one member or parameter may be is said here;
//! what only holds between members, or depends on what is configured or stored, is said in words. Lengths are
//! those after trimming where a text is trimmed, so that its pattern bounds it.

use domain::connector::{Connector, ConnectorName, MAX_SCOPES};
use serde_json::{Value, json};

use super::text::Class::{Control, ControlInLine, Space};

/// Characters that rules speak of, as the inside of a class of a regular expression.
#[derive(Clone, Copy)]
enum Class {
    /// White space as Unicode has it, line breaks among it.
    Space,
    /// Control characters.
    Control,
    /// Control characters but for tab and line breaks.
    ControlInLine,
}

impl Class {
    const fn inside(self) -> &'static str {
        match self {
            Space => r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
            Control => r"\u0000-\u001f\u007f-\u009f",
            ControlInLine => r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f",
        }
    }
}

/// RFC 9110 §5.6.2, bounded.
const HEADER_NAME: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$";

/// Printable ASCII and tabs, without space around it.
const HEADER_VALUE: &str = r"^([!-~]([\t -~]*[!-~])?)?$";

const SECRET_REF: &str = "^[A-Za-z][A-Za-z0-9_-]{0,31}:[A-Za-z0-9][A-Za-z0-9/_.-]{0,126}\
    (#[A-Za-z0-9_.-]{1,64})?(@[A-Za-z0-9-]{1,64})?$";

/// `1m` to `31d` in any of the units.
const WINDOW: &str = "^0*(([1-9][0-9]{0,3}|[1-3][0-9]{4}|4[0-3][0-9]{3}|44[0-5][0-9]{2}|446[0-3][0-9]|44640)m\
    |([1-9]|[1-9][0-9]|[1-6][0-9]{2}|7[0-3][0-9]|74[0-4])h\
    |([1-9]|[12][0-9]|3[01])d)$";

/// One line that has 1 to `longest` characters after trimming.
fn line(longest: usize) -> String {
    line_of(&format!("{{0,{}}}", longest.saturating_sub(2)))
}

/// One line that is not empty after trimming, with so many characters between its first and its last.
fn line_of(between: &str) -> String {
    let (space, control) = (Space.inside(), Control.inside());
    let edge = format!("[^{space}{control}]");
    format!("^[{space}]*{edge}([^{control}]{between}{edge})?[{space}]*$")
}

/// Several lines.
fn lines() -> String {
    format!("^[^{}]*$", ControlInLine.inside())
}

/// Several lines that have at most `longest` characters after trimming.
fn trimmed_lines(longest: usize) -> String {
    let (space, control) = (Space.inside(), ControlInLine.inside());
    format!("^[{space}]*[^{control}]{{0,{longest}}}[{space}]*$")
}

/// What narrows a list.
fn filter() -> String {
    format!("^[^{}]*$", Control.inside())
}

/// A path below a base URL, as far as one expression can say what that is.
fn endpoint() -> String {
    let not = format!(r"{}{}\\?#", Space.inside(), Control.inside());
    format!("^/([^/{not}][^{not}]*)?$")
}

/// Adds the patterns of the members of requests.
pub(super) fn constrain(schemas: &mut Value) {
    let patterns = [
        ("/ConnectorRequest/properties/name", line(ConnectorName::MAX_LENGTH)),
        ("/ConnectorRequest/properties/connectorType", line(100)),
        ("/ConnectorRequest/properties/description", lines()),
        ("/ConnectorRequest/properties/authenticationSecretRef", SECRET_REF.to_owned()),
        ("/ConnectorRequest/properties/idempotencyKeyHeader", HEADER_NAME.to_owned()),
        ("/SwitchRequest/properties/reason", trimmed_lines(Connector::MAX_REASON)),
        ("/CreateKeyRequest/properties/reason", trimmed_lines(Connector::MAX_REASON)),
        ("/RevokeKeyRequest/properties/reason", trimmed_lines(Connector::MAX_REASON)),
        ("/ExecuteRequest/properties/endpoint", endpoint()),
    ];
    for (pointer, pattern) in patterns {
        if let Some(schema) = schemas.pointer_mut(pointer) {
            schema["pattern"] = json!(pattern);
        }
    }
    if let Some(capabilities) = schemas.pointer_mut("/ConnectorRequest/properties/capabilities") {
        capabilities["uniqueItems"] = json!(true);
    }
    if let Some(connectors) = schemas.pointer_mut("/CreateKeyRequest/properties/connectors/items") {
        connectors["format"] = json!("uuid");
    }
    if let Some(query) = schemas.pointer_mut("/ExecuteRequest/properties/query") {
        query["maxProperties"] = json!(domain::call::MAX_PARAMETERS);
        query["additionalProperties"] = json!({ "type": ["string", "number", "boolean"] });
    }
    if let Some(headers) = schemas.pointer_mut("/ExecuteRequest/properties/headers") {
        headers["maxProperties"] = json!(domain::call::MAX_PARAMETERS);
        headers["propertyNames"] = json!({ "pattern": HEADER_NAME });
        headers["additionalProperties"] =
            json!({ "type": ["string", "number", "boolean"], "maxLength": 4096, "pattern": HEADER_VALUE });
    }
    if let Some(settings) = schemas.pointer_mut("/ConnectorRequest/properties/authenticationSettings") {
        settings["additionalProperties"] = json!(false);
        settings["properties"] = json!({
            "headerName": { "type": "string", "pattern": HEADER_NAME },
            "queryParameter": { "type": "string", "pattern": r"^[A-Za-z0-9_.\[\]-]{1,100}$" },
            "tokenUrl": { "type": "string", "format": "uri", "maxLength": 2048 },
            "clientId": { "type": "string", "pattern": "^[ -~]{1,256}$" },
            "scopes": {
                "type": "array",
                "maxItems": MAX_SCOPES,
                "uniqueItems": true,
                "items": { "type": "string", "pattern": r"^[!#-\[\]-~]{1,256}$" }
            },
            "audience": { "type": "string", "maxLength": 2048, "pattern": line_of("*") },
            "clientAuthentication": { "type": "string", "enum": ["Basic", "Post"] }
        });
    }
}

/// Adds the pattern of a query parameter.
pub(super) fn constrain_parameter(parameter: &mut Value) {
    let schema = &mut parameter["schema"];
    // Free text is bounded everywhere; what has a pattern, a format or a closed set of its own is not free.
    if schema["maxLength"] == json!(500) {
        schema["pattern"] = json!(filter());
    }
    match parameter["name"].as_str() {
        Some("window") => parameter["schema"]["pattern"] = json!(WINDOW),
        // A number of any size is read; a format would end it somewhere.
        Some("limit") => {
            if let Some(schema) = parameter["schema"].as_object_mut() {
                schema.remove("format");
            }
        }
        _ => {}
    }
}
