//! The schema of a mapping configuration, see `docs/mapping.md`.

use domain::mapping::FieldMappings;
use serde_json::{Value, json};

/// Adds it, and refers the request to it.
pub(super) fn add(schemas: &mut Value) {
    let path = |description: &str| {
        json!({
            "type": ["string", "null"], "minLength": 1, "maxLength": 1000, "pattern": r"^\$", "description": description
        })
    };
    schemas["MappingConfiguration"] = json!({
        "type": "object",
        "description": "From external to internal fields, at most 64 KiB; see `docs/mapping.md`.",
        "required": ["mappings"],
        "additionalProperties": false,
        "properties": {
            "recordsPath": path("JSONPath (RFC 9535) to the records; without it an array is its elements, an object one record."),
            "externalIdPath": path("JSONPath (RFC 9535) within a record to its id at the source."),
            "mappings": {
                "type": "array",
                "maxItems": FieldMappings::MAX_ENTRIES,
                "items": { "$ref": "#/components/schemas/FieldMapping" }
            }
        },
        "example": { "mappings": [] }
    });
    schemas["FieldMapping"] = json!({
        "type": "object",
        "description": "One entry of `mappings`.",
        "required": ["externalField", "internalField"],
        "additionalProperties": false,
        "properties": {
            "externalField": {
                "type": "string", "minLength": 1, "maxLength": 1000,
                "description": "A member's name of at most 200 characters, or a JSONPath (RFC 9535) that starts with `$`."
            },
            "internalField": {
                "type": "string", "minLength": 1, "maxLength": 200,
                "description": "The field that gets the value; no other entry has it."
            },
            "transform": {
                "type": ["string", "null"],
                "enum": ["direct", "fte", "sum", "average", "lookup", "convert", "scale", "round", "date", null],
                "description": "`direct` unless given."
            },
            "transformParams": {
                "type": ["object", "null"],
                "additionalProperties": true,
                "description": "Depends on `transform`, see `docs/mapping.md`."
            },
            "required": { "type": ["boolean", "null"], "description": "Whether a missing value rejects the record; false unless given." },
            "defaultValue": {
                "type": ["string", "number", "boolean", "null"],
                "description": "Stands for a missing value, and for a `lookup` without entry."
            }
        },
        "example": { "externalField": "employee_count", "internalField": "totalEmployees", "transform": "direct", "required": true }
    });
    schemas["ConnectorRequest"]["properties"]["mappingConfiguration"] =
        json!({ "$ref": "#/components/schemas/MappingConfiguration" });
}
