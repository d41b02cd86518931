//! What the report of an executor comes to: the answer read and redacted, the failure explained, the records mapped.

use std::panic::resume_unwind;
use std::sync::Arc;

use domain::failure::Failure;
use domain::mapping::{FieldMappings, MappingOutcome};

use super::answer::Answer;
use super::payload;
use super::response::AnsweredResponse;
use crate::ports::CallReport;
use crate::redaction::Redactor;

/// A larger body is worked on aside, so that it does not hold up other requests; its size in bytes.
const ASIDE: usize = 64 * 1024;

/// The outcome of a call, free of secrets.
pub(super) struct Judgement {
    pub(super) failure: Option<Failure>,
    pub(super) answer: Option<AnsweredResponse>,
    pub(super) mapping: Option<MappingOutcome>,
}

impl Judgement {
    /// Reads and redacts the answer; a success is mapped where `mapping` is given.
    pub(super) async fn reach(report: CallReport, redactor: Arc<Redactor>, mapping: Option<FieldMappings>) -> Self {
        let size = report.response.as_ref().map_or(0, |response| response.body.len());
        if size <= ASIDE {
            return Self::of(report, &redactor, mapping.as_ref());
        }
        let aside = tokio::task::spawn_blocking(move || Self::of(report, &redactor, mapping.as_ref()));
        aside.await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }

    fn of(report: CallReport, redactor: &Redactor, mapping: Option<&FieldMappings>) -> Self {
        let mut failure = report.failure.map(|failure| redacted(failure, redactor));
        let Some(response) = report.response else {
            return Self { failure, answer: None, mapping: None };
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
        Self { failure, answer: Some(answer.into_response()), mapping: outcome }
    }
}

fn redacted(failure: Failure, redactor: &Redactor) -> Failure {
    Failure {
        message: payload::storable(&redactor.text(&failure.message)),
        details: failure.details.map(|details| payload::storable(&redactor.text(&details))),
        ..failure
    }
}
