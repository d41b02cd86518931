//! What the report of an executor comes to: the answer read and redacted, the failure explained, the records mapped.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Arc;

use domain::failure::Failure;
use domain::mapping::{FieldMappings, MappingOutcome, Rejection};
use serde_json::Value;

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
        let span = tracing::Span::current();
        let judging = move || span.in_scope(|| Self::of(report, &redactor, mapping.as_ref()));
        tokio::task::spawn_blocking(judging).await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
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
                Ok(Some(body)) => outcome = Some(without_redacted(mapping.apply(body))),
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

/// A value that was redacted is no reading: its record is rejected, never taken over.
fn without_redacted(outcome: MappingOutcome) -> MappingOutcome {
    let MappingOutcome { records, mut rejections } = outcome;
    let rejected: HashSet<usize> = rejections.iter().map(|rejection| rejection.index).collect();
    // The records are those of the source, in its order, less the rejected ones.
    let indexes = (0..).filter(|index| !rejected.contains(index));
    let mut kept = Vec::with_capacity(records.len());
    for (index, record) in indexes.zip(records) {
        let external_id = record.external_id.clone().filter(|id| !id.contains(REDACTED));
        let reason = if external_id == record.external_id {
            let found = record.data.iter().find(|(_, value)| is_redacted(value));
            found.map(|(field, _)| format!("Field '{field}' would hold a redacted secret"))
        } else {
            Some(String::from("External id would hold a redacted secret"))
        };
        match reason {
            None => kept.push(record),
            Some(reason) => rejections.push(Rejection { index, external_id, reason }),
        }
    }
    rejections.sort_by_key(|rejection| rejection.index);
    MappingOutcome { records: kept, rejections }
}

/// Whether something was redacted in a value, however deep.
fn is_redacted(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REDACTED),
        Value::Array(elements) => elements.iter().any(is_redacted),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains(REDACTED) || is_redacted(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
