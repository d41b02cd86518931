//! What holds for every answer, and what a case expects of its own.

use std::collections::BTreeSet;

use api::ProblemCode;
use domain::fault::FaultCode;
use serde_json::Value;

use super::connection::Sent;
use super::document::{Document, Route};
use super::line::Expectation;
use crate::support::exchange::Answer;

/// Faults that make the whole problem theirs when there are no others (`docs/errors.md`).
const TELLING: &[FaultCode] = &[
    FaultCode::UnknownMember,
    FaultCode::Immutable,
    FaultCode::CapabilityNotSupported,
    FaultCode::EndpointOutsideBaseUrl,
    FaultCode::ForbiddenHeader,
    FaultCode::SecretNotFound,
    FaultCode::SecretStoreUnknown,
    FaultCode::DestinationBlocked,
    FaultCode::RawSecretDetected,
];

/// The bytes of a path that an answer shows in any case; of a longer one it shows a beginning.
const SHOWN: usize = 300;

/// Everything that is wrong with one answer.
pub(super) struct Findings<'a> {
    document: &'a Document,
    sent: &'a Sent,
    answer: &'a Answer,
    body: Value,
    found: Vec<String>,
}

impl<'a> Findings<'a> {
    /// What is wrong with `answer` to `sent`, whatever the case is about.
    pub(super) fn of(document: &'a Document, sent: &'a Sent, answer: &'a Answer) -> Self {
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut findings = Self { document, sent, answer, body, found: Vec::new() };
        findings.check_frame();
        if answer.status >= 400 {
            findings.check_problem();
        }
        findings.check_declared();
        findings
    }

    /// All of it.
    pub(super) fn into_found(self) -> Vec<String> {
        self.found
    }

    pub(super) fn note(&mut self, fault: impl Into<String>) {
        self.found.push(fault.into());
    }

    fn check_frame(&mut self) {
        let ids: Vec<_> = self.answer.headers.iter().filter(|(name, _)| name == "x-correlation-id").collect();
        if ids.len() != 1 || ids[0].1.is_empty() {
            self.note(format!("not one correlation id: {ids:?}"));
        }
        let media_type = self.answer.header("content-type").unwrap_or_default();
        let json = media_type.contains("json");
        if json && !self.answer.body.is_empty() {
            if !self.answer.body.ends_with(b"\n") {
                self.note("no newline at the end");
            }
            if self.body.is_null() {
                self.note(format!("not JSON: {}", String::from_utf8_lossy(&self.answer.body)));
            }
        }
        let empty = self.sent.method == "HEAD" || matches!(self.answer.status, 204 | 304);
        if self.answer.body.is_empty() != empty {
            self.note(format!("{} has a body of {} bytes", self.answer.status, self.answer.body.len()));
        }
        if self.answer.status >= 500 {
            self.note(format!("a fault of the service: {}", String::from_utf8_lossy(&self.answer.body)));
        }
    }

    fn check_problem(&mut self) {
        if self.answer.header("content-type") != Some("application/problem+json") {
            self.note(format!("{} is no problem", self.answer.status));
            return;
        }
        if self.sent.method == "HEAD" {
            return;
        }
        let text = |name: &str| self.body[name].as_str().unwrap_or_default().to_owned();
        let (code, kind, correlation, instance) = (text("code"), text("type"), text("correlationId"), text("instance"));
        if kind != format!("/problems/{code}") {
            self.note(format!("type {kind:?} of code {code:?}"));
        }
        match ProblemCode::parse(&code) {
            Some(known) if known.status() == self.answer.status && self.body["status"] == self.answer.status => {}
            Some(known) => self.note(format!("{code} is {}, not {}", known.status(), self.answer.status)),
            None => self.note(format!("{code:?} is not in the list of problems")),
        }
        if Some(correlation.as_str()) != self.answer.header("x-correlation-id") {
            self.note(format!("correlationId {correlation:?} is not that of the header"));
        }
        let (shown, path) = (decoded(&instance), decoded(&self.sent.path()));
        let same = shown == path || (shown.len() > SHOWN && path.len() > SHOWN && shown[..SHOWN] == path[..SHOWN]);
        if !same {
            self.note(format!("instance {instance:?} is not {:?}", self.sent.path()));
        }
        if let (Route::Nowhere | Route::OtherMethods(_), Err(fault)) =
            (self.document.route(&self.sent.method, &self.sent.path()), self.document.check_problem(&self.body))
        {
            self.note(fault);
        }
        if code != code_of(&self.body["errors"]).unwrap_or_else(|| code.clone()) {
            self.note(format!("{code} of {}", self.body["errors"]));
        }
    }

    fn check_declared(&mut self) {
        let (status, path) = (self.answer.status, self.sent.path());
        match self.document.route(&self.sent.method, &path) {
            Route::Operation { id, operation } => {
                let media_type = self.answer.header("content-type").unwrap_or_default();
                if let Err(fault) = self.document.check(&id, operation, status, media_type, &self.answer.body) {
                    self.note(fault);
                }
            }
            Route::OtherMethods(methods) => {
                if status == 405 {
                    let allow = self.answer.header("allow").unwrap_or_default();
                    let allowed: BTreeSet<_> = allow.split(',').map(|method| method.trim().to_owned()).collect();
                    if allowed != methods {
                        self.note(format!("Allow is {allow:?}, not {methods:?}"));
                    }
                } else if !matches!(status, 401 | 403) {
                    self.note(format!("{status} to a method that the path does not have"));
                }
            }
            Route::Nowhere => {
                // The reference page and the document itself are no operations.
                let served = path == "/openapi.json" || path == "/docs" || path.starts_with("/docs/");
                if !served && !matches!(status, 401 | 403 | 404) {
                    self.note(format!("{status} to a path that the document does not have"));
                }
            }
        }
    }

    /// Notes what is not as the case says.
    pub(super) fn expect(&mut self, expected: &Expectation) {
        if self.answer.status != expected.status {
            let said = String::from_utf8_lossy(&self.answer.body).chars().take(400).collect::<String>();
            self.note(format!("{} instead of {}: {said}", self.answer.status, expected.status));
            return;
        }
        if let Some(errors) = &expected.errors {
            let given = self.errors();
            let named = |(pointer, codes): &(String, String)| {
                given.iter().any(|(at, code)| at == pointer && codes.split('|').any(|expected| expected == code))
            };
            if given.len() != errors.len() || !errors.iter().all(named) {
                self.note(format!("faults {given:?} instead of {errors:?}"));
            }
        }
        let code = expected.code.as_deref().unwrap_or_default();
        if !code.is_empty() && self.body["code"] != code && self.sent.method != "HEAD" {
            self.note(format!("code {} instead of {code}", self.body["code"]));
        }
        for (pointer, value) in &expected.answer {
            let given = self.body.pointer(pointer).cloned().unwrap_or_default();
            if given != *value {
                self.note(format!("{pointer} is {given}, not {value}"));
            }
        }
        for (pointer, value) in &expected.not {
            if self.body.pointer(pointer).is_none_or(|given| given == value) {
                self.note(format!("{pointer} is {value}, or absent"));
            }
        }
        for (name, value) in &expected.headers {
            let given = self.answer.header(&name.to_lowercase());
            let other = value.as_str().and_then(|value| value.strip_prefix('!'));
            if other.map_or(given != value.as_str(), |other| given.is_none_or(|given| given == other)) {
                self.note(format!("{name} is {given:?}, expected {value}"));
            }
        }
    }

    fn errors(&self) -> BTreeSet<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
    }

    /// Notes every one of `marks` that the answer repeats.
    pub(super) fn expect_nothing_of(&mut self, marks: &[String]) {
        let mut said = String::from_utf8_lossy(&self.answer.body).to_lowercase();
        for (name, value) in &self.answer.headers {
            said.extend([name, ": ", value.to_lowercase().as_str(), "\n"]);
        }
        for mark in marks.iter().filter(|mark| said.contains(*mark)) {
            self.note(format!("the refused value {mark} is in the answer: {said}"));
        }
    }
}

/// The bytes that a path spells: what cannot stand in a reference as it is stands there percent-encoded.
fn decoded(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.as_bytes().get(at) {
        let escape = path.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let escaped = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

/// The code that a problem with these faults has; `None` where there are none.
fn code_of(errors: &Value) -> Option<String> {
    let errors = errors.as_array()?;
    let codes: BTreeSet<_> = errors.iter().map(|error| error["code"].as_str().unwrap_or_default()).collect();
    let only = codes.first().filter(|_| codes.len() == 1)?;
    if *only == "duplicate" && errors.len() == 1 && errors[0]["pointer"] == "/name" {
        return Some(ProblemCode::ConnectorNameTaken.as_str().to_owned());
    }
    let telling = TELLING.iter().any(|code| code.as_str() == *only);
    Some(if telling { (*only).to_owned() } else { ProblemCode::ValidationFailed.as_str().to_owned() })
}
