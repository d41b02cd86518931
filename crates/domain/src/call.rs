//! One call as its caller asks for it, parsed against the connector that it goes through.

use std::collections::HashSet;
use std::sync::Arc;

use url::Url;

use crate::connector::{Connector, header};
use crate::fault::{FaultCode, Faults, Refusal, pointer_to};
use crate::integration_log::{HttpMethod, OperationType};

/// The most query parameters, and the most headers, that one call brings.
pub const MAX_PARAMETERS: usize = 100;

/// A call as it was read, with what was already found wrong with it.
#[derive(Debug, Clone, Default)]
pub struct CallDraft {
    /// `pull` or `push`; required.
    pub operation_type: Option<String>,
    /// GET for a pull and POST for a push unless it is named.
    pub method: Option<String>,
    /// A path below the connector's base URL; required.
    pub endpoint: Option<String>,
    /// Query parameters, unencoded.
    pub query: Vec<(String, String)>,
    /// Request headers.
    pub headers: Vec<(String, String)>,
    /// Any JSON but `null`, written out: a tree would take many times as much memory for as long as the call waits.
    pub body: Option<Arc<str>>,
    /// Whether the connector's mapping is applied to the answer.
    pub apply_mapping: bool,
    /// What the reader of the draft found.
    pub faults: Faults,
}

/// A call that may go out.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What for.
    pub operation_type: OperationType,
    /// With which method.
    pub method: HttpMethod,
    /// To which path below the base URL, as it was asked for.
    pub endpoint: String,
    /// To which URL, query included, credentials never.
    pub url: Url,
    /// With which headers of its own.
    pub headers: Vec<(String, String)>,
    /// With which body, JSON as text.
    pub body: Option<Arc<str>>,
    /// Whether the connector's mapping is applied to the answer.
    pub apply_mapping: bool,
}

impl CallDraft {
    /// Parses the whole call.
    ///
    /// # Errors
    /// Every fault of every member, those found while reading included.
    pub fn parse(self, connector: &Connector) -> Result<Call, Faults> {
        let mut faults = self.faults;
        let operation_type = faults
            .require("/operationType", self.operation_type)
            .and_then(|given| faults.check("/operationType", operation(&given, connector)));
        let method = match self.method {
            None => operation_type.map(OperationType::default_method),
            Some(given) => faults.check("/method", method(&given)),
        };
        let url = faults
            .require("/endpoint", self.endpoint.as_deref())
            .and_then(|endpoint| faults.check("/endpoint", connector.settings.endpoint_base_url.join(endpoint)))
            .map(|url| with_query(url, &self.query));
        check_headers(&self.headers, connector, &mut faults);
        check_query(&self.query, connector, &mut faults);
        if self.body.is_some() && matches!(method, Some(HttpMethod::Get | HttpMethod::Head)) {
            faults.push("/body", FaultCode::NotAllowed, "GET and HEAD have no body");
        }
        let call = (|| {
            Some(Call {
                operation_type: operation_type?,
                method: method?,
                endpoint: self.endpoint?,
                url: url?,
                headers: self.headers,
                body: self.body,
                apply_mapping: self.apply_mapping,
            })
        })();
        faults.into_result(call)
    }
}

fn operation(given: &str, connector: &Connector) -> Result<OperationType, Refusal> {
    let operation = OperationType::parse(given).and_then(|operation| Some((operation, operation.capability()?)));
    let (operation, capability) =
        operation.ok_or_else(|| Refusal::new(FaultCode::InvalidValue, "must be `pull` or `push`"))?;
    if connector.settings.capabilities.contains(capability) {
        Ok(operation)
    } else {
        let detail = "is not among the connector's `capabilities`";
        Err(Refusal::new(FaultCode::CapabilityNotSupported, detail))
    }
}

fn method(given: &str) -> Result<HttpMethod, Refusal> {
    HttpMethod::parse(given).ok_or_else(|| {
        Refusal::new(FaultCode::InvalidValue, "must be `GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `HEAD`")
    })
}

fn with_query(mut url: Url, query: &[(String, String)]) -> Url {
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// Whether there are few enough of them to look at each.
fn few(parameters: &[(String, String)], pointer: &str, faults: &mut Faults) -> bool {
    let few = parameters.len() <= MAX_PARAMETERS;
    if !few {
        faults.push(pointer, FaultCode::OutOfRange, format!("must have at most {MAX_PARAMETERS} members"));
    }
    few
}

fn check_query(query: &[(String, String)], connector: &Connector, faults: &mut Faults) {
    if !few(query, "/query", faults) {
        return;
    }
    for (name, _) in query.iter().filter(|(name, _)| connector.settings.sets_query_parameter(name)) {
        let detail = "this query parameter carries the connector's API key; a call cannot bring its own";
        faults.push(pointer_to("/query", name), FaultCode::NotAllowed, detail);
    }
}

fn check_headers(headers: &[(String, String)], connector: &Connector, faults: &mut Faults) {
    if !few(headers, "/headers", faults) {
        return;
    }
    let mut seen = HashSet::new();
    for (name, value) in headers {
        let pointer = pointer_to("/headers", name);
        faults.check(&pointer, header::parse_name(name));
        faults.check(&pointer, header::parse_value(value));
        if connector.settings.sets_header(name) {
            faults.push(&pointer, FaultCode::ForbiddenHeader, "this header is set by the connector's configuration");
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            faults.push(&pointer, FaultCode::Duplicate, "is given twice; header names do not know case");
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::access::Actor;
    use crate::audit::Act;
    use crate::connector::ConnectorDraft;
    use crate::correlation::CorrelationId;
    use crate::id::ConnectorId;

    fn connector() -> Connector {
        connector_with(json!({}))
    }

    fn connector_with(authentication_settings: Value) -> Connector {
        let draft = ConnectorDraft {
            authentication_settings: Some(authentication_settings),
            name: Some("HR".to_owned()),
            connector_type: Some("HR".to_owned()),
            endpoint_base_url: Some("https://h.example/v1".to_owned()),
            authentication_type: Some("ApiKey".to_owned()),
            authentication_secret_ref: Some("SecretStore:HR".to_owned()),
            capabilities: Some(vec!["pull".to_owned()]),
            idempotency_key_header: Some("Idempotency-Key".to_owned()),
            ..ConnectorDraft::default()
        };
        let act = Act {
            actor: Actor::local(),
            at: chrono::DateTime::UNIX_EPOCH,
            correlation_id: CorrelationId::parse("c").expect("valid"),
            source_address: None,
        };
        let id = ConnectorId::new(uuid::Uuid::nil());
        Connector::register(id, draft.parse().expect("valid"), &act).into_connector()
    }

    fn draft() -> CallDraft {
        CallDraft {
            operation_type: Some("pull".to_owned()),
            endpoint: Some("/employees".to_owned()),
            ..CallDraft::default()
        }
    }

    #[test]
    fn a_pull_is_a_get_with_its_query_encoded() {
        let query = vec![("page".to_owned(), "1".to_owned()), ("q".to_owned(), "a&b=ä #".to_owned())];
        let call = CallDraft { query, ..draft() }.parse(&connector()).expect("valid");
        assert_eq!(call.method, HttpMethod::Get);
        assert_eq!(call.url.as_str(), "https://h.example/v1/employees?page=1&q=a%26b%3D%C3%A4+%23");
    }

    #[rstest]
    #[case("Host")]
    #[case("x-correlation-id")]
    #[case("traceparent")]
    #[case("Content-Length")]
    #[case("Transfer-Encoding")]
    #[case("Connection")]
    #[case("Authorization")]
    #[case("x-api-key")]
    #[case("idempotency-key")]
    fn headers_of_the_service_and_of_the_connector_are_forbidden(#[case] name: &str) {
        let headers = vec![(name.to_owned(), "x".to_owned())];
        let faults = CallDraft { headers, ..draft() }.parse(&connector()).expect_err("refused");
        let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
        assert_eq!(codes, [FaultCode::ForbiddenHeader]);
    }

    #[rstest]
    #[case("Accept")]
    #[case("Accept-Language")]
    #[case("Content-Type")]
    #[case("User-Agent")]
    fn a_call_brings_the_headers_that_describe_it(#[case] name: &str) {
        let headers = vec![(name.to_owned(), "x".to_owned())];
        assert!(CallDraft { headers, ..draft() }.parse(&connector()).is_ok());
    }

    #[test]
    fn too_many_parameters_are_one_fault_and_none_of_them_is_looked_at() {
        let many = || (0..93_000).map(|index| (format!("H{index} "), "\n".to_owned())).collect::<Vec<_>>();
        let faults = CallDraft { headers: many(), query: many(), ..draft() }.parse(&connector()).expect_err("refused");
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
        assert_eq!(found, [("/headers", FaultCode::OutOfRange), ("/query", FaultCode::OutOfRange)]);
        assert_eq!(faults.total(), 2);
    }

    #[test]
    fn a_header_given_twice_is_a_fault_of_the_second() {
        let headers = ["X-A", "X-B", "x-a"].map(|name| (name.to_owned(), "x".to_owned())).to_vec();
        let faults = CallDraft { headers, ..draft() }.parse(&connector()).expect_err("refused");
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
        assert_eq!(found, [("/headers/x-a", FaultCode::Duplicate)]);
    }

    #[rstest]
    #[case("key", false)]
    #[case("KEY", false)]
    #[case("keys", true)]
    #[case("x-api-key", true)]
    fn the_query_parameter_of_the_api_key_is_the_connectors_own(#[case] name: &str, #[case] allowed: bool) {
        let connector = connector_with(json!({ "queryParameter": "key" }));
        let query = vec![(name.to_owned(), "mine".to_owned())];
        match (CallDraft { query, ..draft() }.parse(&connector), allowed) {
            (Ok(_), true) => {}
            (Err(faults), false) => {
                let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.clone(), fault.code)).collect();
                assert_eq!(found, [(format!("/query/{name}"), FaultCode::NotAllowed)]);
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }

    #[test]
    fn an_operation_outside_the_capabilities_is_refused() {
        let push = CallDraft { operation_type: Some("push".to_owned()), ..draft() };
        let faults = push.parse(&connector()).expect_err("refused");
        assert_eq!(faults.iter().next().map(|fault| fault.code), Some(FaultCode::CapabilityNotSupported));
    }

    #[test]
    fn all_faults_of_a_call_are_found_at_once() {
        let draft = CallDraft {
            operation_type: None,
            method: Some("TRACE".to_owned()),
            endpoint: Some("/../x".to_owned()),
            headers: vec![("a b".to_owned(), "x\n".to_owned())],
            body: Some("1".into()),
            ..CallDraft::default()
        };
        let faults = draft.parse(&connector()).expect_err("refused");
        let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        pointers.dedup();
        assert_eq!(pointers, ["/operationType", "/method", "/endpoint", "/headers/a b"]);
    }
}
