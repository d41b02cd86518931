//! What is read, what is refused, and what is taken where nothing is given.

use super::*;

fn draft() -> ConnectorDraft {
    ConnectorDraft {
        name: Some("Company HR System".to_owned()),
        connector_type: Some("HR".to_owned()),
        endpoint_base_url: Some("https://api.hr-system.example.com/v1".to_owned()),
        authentication_type: Some("None".to_owned()),
        capabilities: Some(vec!["push".to_owned(), "pull".to_owned()]),
        ..ConnectorDraft::default()
    }
}

fn number(text: &str) -> Option<Number> {
    serde_json::from_str(text).ok()
}

#[test]
fn absent_members_take_the_defaults_of_the_contract() {
    let settings = draft().parse().expect("valid");
    let json = Value::Object(settings.as_json());
    assert_eq!(
        json,
        json!({
            "name": "Company HR System", "connectorType": "HR", "description": null,
            "endpointBaseUrl": "https://api.hr-system.example.com/v1",
            "authenticationType": "None", "authenticationSecretRef": null, "authenticationSettings": {},
            "capabilities": ["pull", "push"], "rateLimitPerMinute": 60,
            "maxRetryAttempts": 3, "retryDelaySeconds": 5, "useExponentialBackoff": true, "retryJitter": "Full",
            "maxRetryDelaySeconds": 60, "attemptTimeoutSeconds": 15, "deadlineSeconds": 60,
            "idempotencyKeyHeader": null, "mappingConfiguration": { "mappings": [] }
        })
    );
}

#[test]
fn all_faults_are_found_at_once() {
    let draft = ConnectorDraft {
        name: Some(String::new()),
        connector_type: None,
        endpoint_base_url: Some("not a url".to_owned()),
        authentication_type: Some("ApiKey".to_owned()),
        capabilities: Some(vec!["pull".to_owned(), "fly".to_owned()]),
        max_retry_attempts: number("-1"),
        retry_delay_seconds: number("90"),
        deadline_seconds: number("1e400"),
        ..draft()
    };
    let faults = draft.parse().expect_err("faults");
    let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/authenticationSecretRef",
            "/capabilities/1",
            "/connectorType",
            "/deadlineSeconds",
            "/endpointBaseUrl",
            "/maxRetryAttempts",
            "/name",
            "/retryDelaySeconds"
        ]
    );
}

fn found(draft: ConnectorDraft) -> Vec<(String, FaultCode)> {
    let faults = draft.parse().err().unwrap_or_default();
    faults.iter().map(|fault| (fault.pointer.clone(), fault.code)).collect()
}

fn with_key(settings: Value, idempotency_key_header: &str) -> ConnectorDraft {
    ConnectorDraft {
        authentication_type: Some("ApiKey".to_owned()),
        authentication_secret_ref: Some("SecretStore:HR".to_owned()),
        authentication_settings: Some(settings),
        idempotency_key_header: Some(idempotency_key_header.to_owned()),
        ..draft()
    }
}

#[test]
fn the_api_key_and_the_idempotency_key_do_not_share_a_header() {
    let refused = [("/idempotencyKeyHeader".to_owned(), FaultCode::NotAllowed)];
    assert_eq!(found(with_key(json!({ "headerName": "Idempotency-Key" }), "idempotency-key")), refused);
    assert_eq!(found(with_key(json!({}), "x-api-key")), refused, "the default header, too");
    let without_secret = ConnectorDraft { authentication_secret_ref: None, ..with_key(json!({}), "X-API-KEY") };
    assert!(found(without_secret).contains(&refused[0]), "beside the other faults");
    assert_eq!(found(with_key(json!({ "headerName": "X-Key" }), "Idempotency-Key")), []);
    assert_eq!(found(with_key(json!({ "queryParameter": "X-Key" }), "X-Key")), []);
}

#[test]
fn no_key_goes_where_the_message_is_described() {
    for name in [
        "Accept",
        "accept-encoding",
        "Content-Encoding",
        "Content-Length",
        "CONTENT-TYPE",
        "Date",
        "User-Agent",
        "traceparent",
        "X-Correlation-ID",
    ] {
        let idempotency = ConnectorDraft { idempotency_key_header: Some(name.to_owned()), ..draft() };
        assert_eq!(found(idempotency), [("/idempotencyKeyHeader".to_owned(), FaultCode::ForbiddenHeader)], "{name}");
        assert_eq!(
            found(with_key(json!({ "headerName": name }), "Idempotency-Key")),
            [("/authenticationSettings/headerName".to_owned(), FaultCode::ForbiddenHeader)],
            "{name}"
        );
    }
}

#[test]
fn only_an_api_key_goes_where_credentials_go() {
    for name in ["Authorization", "Cookie"] {
        let idempotency = ConnectorDraft { idempotency_key_header: Some(name.to_owned()), ..draft() };
        assert_eq!(found(idempotency), [("/idempotencyKeyHeader".to_owned(), FaultCode::ForbiddenHeader)], "{name}");
        assert_eq!(found(with_key(json!({ "headerName": name }), "Idempotency-Key")), [], "{name}");
    }
}

#[test]
fn more_capabilities_than_there_are_is_one_fault() {
    let many = ConnectorDraft { capabilities: Some(vec!["fly".to_owned(); 500_000]), ..draft() };
    assert_eq!(found(many), [("/capabilities".to_owned(), FaultCode::OutOfRange)]);
}

#[test]
fn unknown_settings_are_counted_and_not_all_named() {
    let settings: Map<String, Value> = (0..50_000).map(|index| (index.to_string(), json!(1))).collect();
    for kind in ["None", "ApiKey"] {
        let draft = ConnectorDraft {
            authentication_type: Some(kind.to_owned()),
            authentication_secret_ref: (kind != "None").then(|| "SecretStore:HR".to_owned()),
            authentication_settings: Some(Value::Object(settings.clone())),
            ..draft()
        };
        let faults = draft.parse().expect_err("refused");
        assert_eq!((faults.iter().len(), faults.total()), (100, 50_000), "{kind}");
    }
}

#[test]
fn numbers_are_whole_where_the_contract_says_so() {
    for (given, sound) in [("10", true), ("10.0", true), ("1e1", true), ("2.5", false), ("11", false), ("-0", true)] {
        let parsed = ConnectorDraft { max_retry_attempts: number(given), ..draft() }.parse();
        assert_eq!(parsed.is_ok(), sound, "{given}");
    }
    for (given, answer) in [("0", "0"), ("0.25", "0.25"), ("60", "60"), ("1.50", "1.5"), ("0.001", "0.001")] {
        let parsed = ConnectorDraft { retry_delay_seconds: number(given), ..draft() }.parse().expect("valid");
        assert_eq!(seconds_as_json(parsed.retry.delay).to_string(), answer);
    }
    assert!(ConnectorDraft { retry_delay_seconds: number("0.0001"), ..draft() }.parse().is_err());
}

#[test]
fn a_number_is_judged_by_its_value_however_it_is_written() {
    for text in ["60", "60.0", "6e1", "6.0e1", "0.6e2", "60.000000000000000000000000000000000000", "600e-1"] {
        let draft = ConnectorDraft { deadline_seconds: number(text), ..draft() };
        assert_eq!(draft.parse().expect("valid").deadline, Duration::from_mins(1), "{text}");
    }
}
