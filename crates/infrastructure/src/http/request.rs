//! What goes over the wire: the call's own part, and what the service alone adds (CO-2).

use std::num::NonZeroU64;

use application::ports::{CallPlan, Credential};
use bytes::Bytes;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::HttpMethod;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::handover::{Handover, WatchedBody};

pub(super) const AGENT: &str = concat!("esg-connectors/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request that is sent once per attempt, equal but for its parent id.
pub(super) struct OutgoingRequest<'a> {
    plan: &'a CallPlan,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl<'a> OutgoingRequest<'a> {
    /// Puts the request of `plan` together, proven by `credential`; nothing is sent yet.
    ///
    /// # Errors
    /// `secret-not-found` for a secret that cannot be a header; `internal-error` for a header that the use case should
    /// have refused.
    pub(super) fn of(plan: &'a CallPlan, credential: &Credential) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in &plan.headers {
            let value = HeaderValue::from_str(value).map_err(|_| unsendable(name))?;
            headers.append(header_name(name)?, value);
        }
        let body = plan.body.clone().map(Bytes::from);
        if body.is_some() {
            headers.entry(CONTENT_TYPE).or_insert(JSON);
        } else if matches!(plan.method, HttpMethod::Post | HttpMethod::Put | HttpMethod::Patch) {
            // RFC 9110 §8.6; some servers answer 411 without it, and hyper leaves it out.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        headers.entry(ACCEPT).or_insert(JSON);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        // From here on the service's own headers replace the call's.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        set(&mut headers, "x-correlation-id", plan.correlation_id.as_str())?;
        // The vendors' part is passed on where it can be; a trace without it is still whole.
        if let Some(state) = plan.trace.state.as_deref().and_then(|state| HeaderValue::from_str(state).ok()) {
            headers.insert("tracestate", state);
        }
        if let Some((name, key)) = &plan.idempotency_key {
            set(&mut headers, name, key)?;
        }
        let mut url = plan.url.clone();
        match credential {
            Credential::None => {}
            Credential::Header(name, secret) => {
                headers.insert(header_name(name)?, secret_value(secret)?);
            }
            Credential::Query(name, secret) => {
                url.query_pairs_mut().append_pair(name, secret.expose_secret());
            }
        }
        Ok(Self { plan, method: method(plan.method), url, headers, body: body.unwrap_or_default() })
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// The request of one attempt, under a trace parent of its own.
    pub(super) fn attempt(&self, parent_id: NonZeroU64, handover: &Handover) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        if let Ok(traceparent) = HeaderValue::try_from(self.plan.trace.traceparent(parent_id)) {
            request.headers_mut().insert("traceparent", traceparent);
        }
        *request.body_mut() = Some(reqwest::Body::wrap(WatchedBody::new(self.body.clone(), handover.clone())));
        request
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Failure> {
    let value = HeaderValue::from_str(value).map_err(|_| unsendable(name))?;
    headers.insert(header_name(name)?, value);
    Ok(())
}

fn header_name(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::try_from(name).map_err(|_| unsendable(name))
}

fn unsendable(name: &str) -> Failure {
    Failure::new(ErrorCode::InternalError, format!("the header `{name}` cannot be sent; no request was made"))
}

fn secret_value(secret: &SecretString) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(secret.expose_secret()).map_err(|_| {
        let message = "the secret's value cannot be sent as a header; no request was made";
        Failure::new(ErrorCode::SecretNotFound, message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

const fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Head => Method::HEAD,
    }
}
