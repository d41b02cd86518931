//! What the report of an executor comes to: the answer read and redacted, the failure explained, the records mapped.

use std::panic::resume_unwind;
use std::sync::Arc;

use domain::failure::Failure;
use domain::mapping::{FieldMappings, MappingOutcome};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::payload;
use super::response::AnsweredResponse;
use crate::ports::CallReport;
use crate::redaction::Redactor;

/// A body of more bytes is worked on aside, so that it does not hold up other requests; and whatever is to be mapped.
const ASIDE: usize = 64 * 1024;

/// The outcome of a call, free of secrets.
pub(super) struct Judgement {
    pub(super) failure: Option<Failure>,
    pub(super) answer: Option<AnsweredResponse>,
    /// What is kept of the answer.
    pub(super) summary: Option<Value>,
    pub(super) mapping: Option<MappingOutcome>,
}

impl Judgement {
    /// Reads and redacts the answer; a success is mapped where `mapping` is given. What may take long is done aside, by
    /// as many at once as `permits` allows.
    pub(super) async fn reach(
        report: CallReport,
        redactor: Arc<Redactor>,
        mapping: Option<FieldMappings>,
        permits: &Semaphore,
    ) -> Self {
        let size = report.response.as_ref().map_or(0, |response| response.body.len());
        if size <= ASIDE && mapping.is_none() {
            return Self::of(report, &redactor, mapping.as_ref());
        }
        // A small answer takes little memory and does not wait for the large ones. The semaphore is never closed.
        let _permit = if size > ASIDE { permits.acquire().await.ok() } else { None };
        let span = tracing::Span::current();
        let judging = move || span.in_scope(|| Self::of(report, &redactor, mapping.as_ref()));
        match tokio::task::spawn_blocking(judging).await {
            Ok(judgement) => judgement,
            // What is judged is never cancelled but by the end of the runtime, and this task with it.
            Err(error) => resume_unwind(error.try_into_panic().unwrap_or_else(|_| Box::new("the runtime has ended"))),
        }
    }

    fn of(report: CallReport, redactor: &Redactor, mapping: Option<&FieldMappings>) -> Self {
        let mut failure = report.failure.map(|failure| redacted(failure, redactor));
        let Some(response) = report.response else {
            return Self { failure, answer: None, summary: None, mapping: None };
        };
        let answer = Answer::read(&response, redactor);
        failure = failure.map(|failure| answer.explain(failure)).or_else(|| answer.fault());
        let mut outcome = None;
        if let (None, Some(mapping)) = (&failure, mapping) {
            match answer.records() {
                Ok(Some(body)) => outcome = Some(mapping.apply(body)),
                Ok(None) => outcome = Some(MappingOutcome { records: Vec::new(), rejections: Vec::new() }),
                Err(fault) => failure = Some(fault),
            }
        }
        let answer = answer.into_response();
        let summary = Some(payload::response(&answer));
        Self { failure, answer: Some(answer), summary, mapping: outcome }
    }
}

fn redacted(failure: Failure, redactor: &Redactor) -> Failure {
    Failure {
        message: payload::storable(&redactor.text(&failure.message)),
        details: failure.details.map(|details| payload::storable(&redactor.text(&details))),
        ..failure
    }
}
