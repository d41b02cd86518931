//! Everything about a connector that its configuration decides, parsed as a whole.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Number, Value, json};

use super::authentication::{ApiKeyPlacement, Authentication, AuthenticationDraft};
use super::capability::Capabilities;
use super::endpoint::BaseUrl;
use super::name::ConnectorName;
use super::{Connector, header, text};
use crate::fault::{FaultCode, Faults, Refusal};
use crate::mapping::FieldMappings;
use crate::retry::{RetryJitter, RetryPolicy};

/// The longest connector type, in characters.
const MAX_TYPE: usize = 100;

/// The configuration of a connector; every value is within the bounds of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorSettings {
    /// Unique without regard to case.
    pub name: ConnectorName,
    /// Free text such as `HR`, fixed after creation.
    pub connector_type: String,
    /// For people.
    pub description: Option<String>,
    /// Where the upstream is.
    pub endpoint_base_url: BaseUrl,
    /// How the connector proves itself.
    pub authentication: Authentication,
    /// What it can be used for.
    pub capabilities: Capabilities,
    /// Attempts per 60 s; 0 is no limit.
    pub rate_limit_per_minute: u32,
    /// When to try again.
    pub retry: RetryPolicy,
    /// The longest time for one attempt.
    pub attempt_timeout: Duration,
    /// The longest time for a call with all that belongs to it.
    pub deadline: Duration,
    /// The header under which the upstream takes an idempotency key.
    pub idempotency_key_header: Option<String>,
    /// From external to internal fields.
    pub mapping_configuration: FieldMappings,
}

/// A configuration as it was read, with what was already found wrong with it. A member that is absent takes its
/// default.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the members of the contract's connector, unparsed")]
pub struct ConnectorDraft {
    pub name: Option<String>,
    pub connector_type: Option<String>,
    pub description: Option<String>,
    pub endpoint_base_url: Option<String>,
    pub authentication_type: Option<String>,
    pub authentication_secret_ref: Option<String>,
    pub authentication_settings: Option<Value>,
    pub capabilities: Option<Vec<String>>,
    pub rate_limit_per_minute: Option<Number>,
    pub max_retry_attempts: Option<Number>,
    pub retry_delay_seconds: Option<Number>,
    pub use_exponential_backoff: Option<bool>,
    pub retry_jitter: Option<String>,
    pub max_retry_delay_seconds: Option<Number>,
    pub attempt_timeout_seconds: Option<Number>,
    pub deadline_seconds: Option<Number>,
    pub idempotency_key_header: Option<String>,
    pub mapping_configuration: Option<Value>,
    /// What the reader of the draft found, for instance members of the wrong JSON type.
    pub faults: Faults,
}

impl ConnectorDraft {
    /// Where tokens are to be had, as it was read; only `OAuth2` has such a place.
    #[must_use]
    pub fn token_url(&self) -> Option<&str> {
        let settings = self.authentication_settings.as_ref()?;
        let url = settings.get("tokenUrl")?.as_str()?;
        (self.authentication_type.as_deref() == Some("OAuth2")).then_some(url)
    }

    /// Notes the fault of a replacement that would change the type of `connector`.
    pub fn keep_type_of(&mut self, connector: &Connector) {
        let given = self.connector_type.as_deref().and_then(|given| text::line(given, MAX_TYPE).ok());
        if given.is_some_and(|given| given != connector.settings.connector_type) {
            self.faults.push("/connectorType", FaultCode::Immutable, "is fixed after creation");
        }
    }

    /// Parses the whole configuration.
    ///
    /// # Errors
    /// Every fault of every member, those found while reading included.
    pub fn parse(self) -> Result<ConnectorSettings, Faults> {
        let mut faults = self.faults;
        let faults_of = &mut faults;
        let name = required(faults_of, "/name", self.name.as_deref(), ConnectorName::parse);
        let connector_type =
            required(faults_of, "/connectorType", self.connector_type.as_deref(), |given| text::line(given, MAX_TYPE));
        let description = self.description.as_deref().map(|given| text::lines(given, 1_000)).transpose();
        let description = faults_of.check("/description", description);
        let endpoint = required(faults_of, "/endpointBaseUrl", self.endpoint_base_url.as_deref(), BaseUrl::parse);
        let idempotency = self.idempotency_key_header.as_deref().map(header::parse_idempotency_name).transpose();
        let idempotency = faults_of.check("/idempotencyKeyHeader", idempotency);
        let kind = faults_of.require("/authenticationType", self.authentication_type);
        let authentication = kind.and_then(|kind| {
            let draft = AuthenticationDraft {
                kind: &kind,
                secret_ref: self.authentication_secret_ref.as_deref(),
                settings: self.authentication_settings.as_ref(),
                idempotency_key_header: idempotency.as_ref().and_then(Option::as_deref),
            };
            Authentication::parse(&draft, faults_of)
        });
        let capabilities = faults_of
            .require("/capabilities", self.capabilities)
            .and_then(|names| Capabilities::parse(&names, "/capabilities", faults_of));
        let retry = RetryDraft {
            attempts: self.max_retry_attempts,
            delay: self.retry_delay_seconds,
            exponential: self.use_exponential_backoff,
            jitter: self.retry_jitter,
            max_delay: self.max_retry_delay_seconds,
        }
        .parse(faults_of);
        let rate_limit =
            faults_of.check("/rateLimitPerMinute", integer(self.rate_limit_per_minute.as_ref(), 60, 0, 100_000));
        let attempt_timeout =
            faults_of.check("/attemptTimeoutSeconds", integer(self.attempt_timeout_seconds.as_ref(), 15, 1, 60));
        let deadline = faults_of.check("/deadlineSeconds", integer(self.deadline_seconds.as_ref(), 60, 1, 300));
        let mapping = match &self.mapping_configuration {
            None => Some(FieldMappings::none()),
            Some(configuration) => FieldMappings::parse(configuration, "/mappingConfiguration", faults_of),
        };
        let settings = (|| {
            Some(ConnectorSettings {
                name: name?,
                connector_type: connector_type?,
                description: description?,
                endpoint_base_url: endpoint?,
                authentication: authentication?,
                capabilities: capabilities?,
                rate_limit_per_minute: rate_limit?,
                retry: retry?,
                attempt_timeout: Duration::from_secs(attempt_timeout?.into()),
                deadline: Duration::from_secs(deadline?.into()),
                idempotency_key_header: idempotency?,
                mapping_configuration: mapping?,
            })
        })();
        faults.into_result(settings)
    }
}

struct RetryDraft {
    attempts: Option<Number>,
    delay: Option<Number>,
    exponential: Option<bool>,
    jitter: Option<String>,
    max_delay: Option<Number>,
}

impl RetryDraft {
    fn parse(self, faults: &mut Faults) -> Option<RetryPolicy> {
        let attempts = faults.check("/maxRetryAttempts", integer(self.attempts.as_ref(), 3, 0, 10));
        let delay = faults.check("/retryDelaySeconds", seconds(self.delay.as_ref()));
        let max_delay = faults.check("/maxRetryDelaySeconds", integer(self.max_delay.as_ref(), 60, 1, 300));
        let max_delay = max_delay.map(|seconds| Duration::from_secs(seconds.into()));
        let jitter = faults.check("/retryJitter", jitter(self.jitter.as_deref()));
        if let (Some(delay), Some(max_delay)) = (delay, max_delay)
            && delay > max_delay
        {
            faults.push(
                "/retryDelaySeconds",
                FaultCode::OutOfRange,
                format!("must not be above `maxRetryDelaySeconds`, which is {}", max_delay.as_secs()),
            );
        }
        Some(RetryPolicy {
            max_retry_attempts: attempts?,
            delay: delay?,
            exponential: self.exponential.unwrap_or(true),
            jitter: jitter?,
            max_delay: max_delay?,
        })
    }
}

fn required<T>(
    faults: &mut Faults,
    pointer: &str,
    given: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Option<T> {
    let given = faults.require(pointer, given)?;
    faults.check(pointer, parse(given))
}

fn jitter(given: Option<&str>) -> Result<RetryJitter, Refusal> {
    given
        .map_or(Some(RetryJitter::Full), RetryJitter::parse)
        .ok_or_else(|| Refusal::new(FaultCode::InvalidValue, "must be `Full` or `None`"))
}

fn integer(given: Option<&Number>, default: u32, least: u32, most: u32) -> Result<u32, Refusal> {
    let Some(given) = given else { return Ok(default) };
    decimal(given)
        .filter(Decimal::is_integer)
        .and_then(|value| value.to_u32())
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| Refusal::new(FaultCode::OutOfRange, format!("must be a whole number from {least} to {most}")))
}

/// Seconds as the retry delay gives them: 0 to 300, decimals allowed down to the millisecond.
fn seconds(given: Option<&Number>) -> Result<Duration, Refusal> {
    let Some(given) = given else { return Ok(Duration::from_secs(5)) };
    decimal(given)
        .and_then(|value| value.checked_mul(Decimal::ONE_THOUSAND))
        .filter(Decimal::is_integer)
        .and_then(|milliseconds| milliseconds.to_u64())
        .filter(|milliseconds| *milliseconds <= 300_000)
        .map(Duration::from_millis)
        .ok_or_else(|| Refusal::new(FaultCode::OutOfRange, "must be from 0 to 300, in steps of 0.001"))
}

/// The value of a number. Zeros at the end of its fraction add nothing to it, however many there are.
fn decimal(number: &Number) -> Option<Decimal> {
    let given = number.to_string();
    let (digits, exponent) = given.split_at(given.find(['e', 'E']).unwrap_or(given.len()));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let text = format!("{digits}{exponent}");
    Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// A duration in seconds as JSON: whole where it is whole, else with its milliseconds.
#[must_use]
pub fn seconds_as_json(duration: Duration) -> Value {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if milliseconds % 1_000 == 0 {
        return json!(milliseconds / 1_000);
    }
    let seconds = Decimal::new(i64::try_from(milliseconds).unwrap_or(i64::MAX), 3).normalize();
    serde_json::from_str(&seconds.to_string()).unwrap_or(Value::Null)
}

impl ConnectorSettings {
    /// Whether the connector itself sets this request header, so that a call must not.
    #[must_use]
    pub fn sets_header(&self, name: &str) -> bool {
        let key_header = match &self.authentication {
            Authentication::ApiKey { placement: ApiKeyPlacement::Header(header), .. } => Some(header.as_str()),
            _ => None,
        };
        let own = key_header.into_iter().chain(self.idempotency_key_header.as_deref());
        header::carries_credentials(name) || own.into_iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether this query parameter carries the connector's API key, so that a call must not bring it. Some upstreams
    /// do not know letter case in the names of parameters, so none counts here.
    #[must_use]
    pub fn sets_query_parameter(&self, name: &str) -> bool {
        match &self.authentication {
            Authentication::ApiKey { placement: ApiKeyPlacement::Query(own), .. } => own.eq_ignore_ascii_case(name),
            _ => false,
        }
    }

    /// The configuration under the names of the contract, as the audit compares it.
    #[must_use]
    pub fn as_json(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("name", json!(self.name.as_str()));
        put("connectorType", json!(self.connector_type));
        put("description", json!(self.description));
        put("endpointBaseUrl", json!(self.endpoint_base_url.as_str()));
        put("authenticationType", json!(self.authentication.kind()));
        put("authenticationSecretRef", json!(self.authentication.secret().map(ToString::to_string)));
        put("authenticationSettings", self.authentication.settings());
        put("capabilities", self.capabilities.iter().map(|capability| json!(capability.as_str())).collect());
        put("rateLimitPerMinute", json!(self.rate_limit_per_minute));
        put("maxRetryAttempts", json!(self.retry.max_retry_attempts));
        put("retryDelaySeconds", seconds_as_json(self.retry.delay));
        put("useExponentialBackoff", json!(self.retry.exponential));
        put("retryJitter", json!(self.retry.jitter.as_str()));
        put("maxRetryDelaySeconds", seconds_as_json(self.retry.max_delay));
        put("attemptTimeoutSeconds", seconds_as_json(self.attempt_timeout));
        put("deadlineSeconds", seconds_as_json(self.deadline));
        put("idempotencyKeyHeader", json!(self.idempotency_key_header));
        put("mappingConfiguration", self.mapping_configuration.as_json().clone());
        members
    }
}

#[cfg(test)]
mod tests;
