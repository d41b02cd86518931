//! One attempt: one request, and its answer read to the end, within the attempt's time and the call's deadline.

use application::ports::{CallPlan, UpstreamResponse};
use chrono::{DateTime, Utc};
use domain::failure::{ErrorCode, Failure};
use domain::retry::Delivery;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, RETRY_AFTER};
use tokio::time::{Instant, sleep_until};

use super::body::{BodyFault, BodyReader};
use super::classify::{self, Classified};
use super::executor::ReqwestExecutor;
use super::handover::Handover;
use super::request::OutgoingRequest;
use super::retry_after;

/// How an attempt ended.
pub(super) struct Outcome {
    /// The status, as soon as a head came.
    pub(super) status: Option<u16>,
    /// The answer. That of a failed status is there even when its body broke off: what came of it explains.
    pub(super) response: Option<UpstreamResponse>,
    /// Why the attempt is no success.
    pub(super) failed: Option<Classified>,
}

/// When an attempt ends, whatever it is doing.
#[derive(Clone, Copy)]
struct Limit {
    at: Instant,
    is_deadline: bool,
}

impl ReqwestExecutor {
    pub(super) async fn attempt(&self, plan: &CallPlan, outgoing: &OutgoingRequest<'_>) -> Outcome {
        if self.guard().judge(outgoing.url()).is_err() {
            return Outcome::without_answer(classify::blocked());
        }
        let limit = Limit::of(plan);
        let handover = Handover::default();
        let request = outgoing.attempt(self.ids().parent_id(), &handover);
        let mut sending = Box::pin(self.client().execute(request));
        let answered = tokio::select! {
            biased;
            answered = &mut sending => Ok(answered),
            // `sending` still lives here, and with it the look-up that it may be waiting for.
            () = sleep_until(limit.at) => Err(self.guard().is_resolving(outgoing.url())),
        };
        // Before its fate is asked for: a request that waits for a connection is let go of here, and one that a
        // connection has in its queue is revoked. Of the latter it stays open for a moment whether it leaves.
        drop(sending);
        match answered {
            Ok(Ok(response)) => read(response, limit, self.clock().now()).await,
            Ok(Err(error)) => {
                let tls = outgoing.url().scheme() == "https";
                Outcome::without_answer(classify::request_error(error, handover.never_left(), tls))
            }
            Err(resolving) => Outcome::without_answer(limit.before_head(handover.never_left(), resolving)),
        }
    }
}

async fn read(mut response: reqwest::Response, limit: Limit, now: DateTime<Utc>) -> Outcome {
    let status = response.status().as_u16();
    if status < 200 {
        // `101` to a request that asked for no other protocol; the rest of 1xx never gets here.
        let fault = BodyFault::Malformed(format!("the status {status} was not asked for"));
        return Outcome::failed(status, None, classify::body_fault(fault));
    }
    let mut headers = std::mem::take(response.headers_mut());
    let refusal = refusal(status, &headers, now);
    let (content, fault) = match BodyReader::of(&headers) {
        Err(fault) => {
            let fault = classify::body_fault(fault);
            if fault.code == ErrorCode::ResponseTooLarge {
                // It is the head that is too large to be handed on.
                headers.clear();
            }
            (Vec::new(), Some(fault))
        }
        Ok(mut reader) => {
            let fault = tokio::select! {
                biased;
                end = reader.read(&mut response) => end.err().map(classify::body_fault),
                () = sleep_until(limit.at) => Some(limit.within_body()),
            };
            if reader.has_decoded() {
                // They describe what came over the wire, not what is handed on.
                headers.remove(CONTENT_ENCODING);
                headers.remove(CONTENT_LENGTH);
            }
            (reader.into_content(), fault)
        }
    };
    let response = UpstreamResponse { status, headers: texts(&headers), body: content };
    match (refusal, fault) {
        // A status that is no success is the upstream's verdict, whatever became of its explanation.
        (Some(refusal), _) => Outcome::failed(status, Some(response), refusal),
        (None, Some(fault)) => Outcome::failed(status, None, fault),
        (None, None) => Outcome { status: Some(status), response: Some(response), failed: None },
    }
}

/// The failure that a status of 300 or above is by itself.
fn refusal(status: u16, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Failure> {
    let asked = || headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    (status >= 300).then(|| Failure::status(status, asked().and_then(|value| retry_after::parse(value, now))))
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

impl Outcome {
    const fn without_answer(failed: Classified) -> Self {
        Self { status: None, response: None, failed: Some(failed) }
    }

    const fn failed(status: u16, response: Option<UpstreamResponse>, failure: Failure) -> Self {
        let failed = Classified { failure, delivery: Delivery::MaybeSent };
        Self { status: Some(status), response, failed: Some(failed) }
    }
}

impl Limit {
    /// The smaller of the two ends the attempt (RT-2).
    fn of(plan: &CallPlan) -> Self {
        let attempt_end = Instant::now() + plan.attempt_timeout;
        let is_deadline = plan.deadline <= attempt_end;
        Self { at: if is_deadline { plan.deadline } else { attempt_end }, is_deadline }
    }

    /// A request that may have left had a connection; one that never left waited for an address or a connection.
    fn before_head(self, never_left: bool, resolving: bool) -> Classified {
        let (code, delivery) = match (never_left, resolving) {
            (false, _) => (ErrorCode::AttemptTimeout, Delivery::MaybeSent),
            (true, true) => (ErrorCode::DnsFailure, Delivery::NeverSent),
            (true, false) => (ErrorCode::ConnectTimeout, Delivery::NeverSent),
        };
        Classified { failure: self.failure(code), delivery }
    }

    fn within_body(self) -> Failure {
        self.failure(ErrorCode::BodyTimeout)
    }

    /// The deadline is the end of the call, whatever the attempt was waiting for; the details say what that was.
    fn failure(self, code: ErrorCode) -> Failure {
        if self.is_deadline {
            let message = classify::sentence(ErrorCode::DeadlineExceeded);
            Failure::new(ErrorCode::DeadlineExceeded, message).with_details(classify::sentence(code))
        } else {
            Failure::new(code, classify::sentence(code))
        }
    }
}
