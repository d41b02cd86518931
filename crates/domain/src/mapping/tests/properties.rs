//! What holds for any configuration and any answer.

use proptest::prelude::*;

use super::*;

fn any_number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,25})?"
            .prop_map(|text| Value::Number(text.parse().expect("a JSON number"))),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number(),
        any_word().prop_map(Value::String),
        ".{0,8}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((any_word(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_word() -> impl Strategy<Value = String> {
    let words = vec![
        "mappings",
        "recordsPath",
        "externalIdPath",
        "externalField",
        "internalField",
        "transform",
        "transformParams",
        "required",
        "defaultValue",
        "table",
        "standardHours",
        "from",
        "to",
        "factor",
        "decimals",
        "format",
        "direct",
        "fte",
        "sum",
        "average",
        "lookup",
        "convert",
        "scale",
        "round",
        "date",
        "kWh",
        "kg",
        "a",
        "b",
        "id",
        "$",
        "$.a",
        "$.a[*]",
        "$..b",
        "$[?@.a > 1]",
        "%Y-%m-%d",
        "%+",
        "",
        "1.5",
    ];
    prop::sample::select(words).prop_map(str::to_owned)
}

fn any_entry() -> impl Strategy<Value = Value> {
    let transforms = vec![
        ("direct", json!(null)),
        ("fte", json!({"standardHours": 37.5})),
        ("sum", json!(null)),
        ("average", json!(null)),
        ("lookup", json!({"table": {"a": 1, "1.5": "x"}})),
        ("convert", json!({"from": "therm", "to": "kWh"})),
        ("scale", json!({"factor": -1e-20})),
        ("round", json!({"decimals": 3})),
        ("date", json!({"format": "%Y-%m-%d"})),
    ];
    let fields = vec!["a", "b", "id", "$.a", "$.a[*]", "$..b", "$[?@.a > 1]", "$.*"];
    (prop::sample::select(fields), prop::sample::select(transforms), any::<bool>()).prop_map(
        |(field, (name, params), required)| {
            json!({"externalField": field, "transform": name, "transformParams": params, "required": required})
        },
    )
}

proptest! {
    #[test]
    fn parsing_any_json_never_panics(configuration in any_json()) {
        let mut faults = Faults::new();
        let parsed = FieldMappings::parse(&configuration, AT, &mut faults);
        prop_assert_eq!(parsed.is_none(), !faults.is_empty());
        prop_assert!(faults.iter().all(|fault| fault.pointer.starts_with(AT)));
    }

    #[test]
    fn a_fault_points_into_the_configuration_or_at_what_is_missing_there(configuration in any_json()) {
        let mut faults = Faults::new();
        let _parsed = FieldMappings::parse(&configuration, AT, &mut faults);
        for fault in &faults {
            let pointer = fault.pointer.strip_prefix(AT).expect("a pointer below the configuration");
            let place = if fault.code == FaultCode::Required { pointer.rsplit_once('/').map_or("", |(at, _)| at) } else { pointer };
            // Parameters that are not there at all are missing in an object that is not there.
            let place = place.strip_suffix("/transformParams").filter(|_| fault.code == FaultCode::Required).unwrap_or(place);
            prop_assert!(configuration.pointer(place).is_some(), "{} in {}", fault.pointer, configuration);
        }
    }

    #[test]
    fn parsing_any_entry_never_panics(entry in any_json(), params in any_json(), transform in any_word()) {
        let mut faults = Faults::new();
        let named = json!({"externalField": entry, "internalField": "x", "transform": transform, "transformParams": params});
        let _parsed = FieldMappings::parse(&json!({ "mappings": [entry, named] }), AT, &mut faults);
    }

    #[test]
    fn every_record_is_either_mapped_or_rejected(
        entries in prop::collection::vec(any_entry(), 0..6),
        with_id in any::<bool>(),
        records in prop::collection::vec(any_json(), 0..8),
    ) {
        let mut entries = entries;
        for (index, entry) in entries.iter_mut().enumerate() {
            entry["internalField"] = json!(format!("f{index}"));
        }
        let id_path = with_id.then_some("$.id");
        let count = entries.len();
        let mapping = mappings(&json!({ "externalIdPath": id_path, "mappings": entries }));
        let outcome = mapping.apply(&Value::Array(records.clone()));
        prop_assert_eq!(outcome.records.len() + outcome.rejections.len(), records.len());
        prop_assert!(outcome.records.iter().all(|record| record.data.len() == count));
        prop_assert!(outcome.records.iter().all(|record| record.external_id.is_some() == with_id));
        prop_assert!(outcome.rejections.is_sorted_by(|a, b| a.index < b.index));
        prop_assert!(outcome.rejections.iter().all(|rejection| rejection.index < records.len()));
    }

    #[test]
    fn any_body_is_mapped_without_panic(body in any_json()) {
        for records_path in [json!(null), json!("$.a"), json!("$.a[*]"), json!("$..b"), json!("$[?@.a > 1]")] {
            let mapping = mappings(&json!({ "recordsPath": records_path, "mappings": [] }));
            let _outcome = mapping.apply(&body);
        }
    }

    #[test]
    fn direct_passes_every_number_through_digit_by_digit(number in any_number()) {
        let record = json!({ "a": number });
        prop_assert_eq!(map_one(json!({ "externalField": "a" }), &record), Ok(number.to_string()));
    }
}
