//! What is known of a test while it runs: kept outside of what may panic.

use std::sync::Arc;
use std::time::Duration;

use domain::failure::{ErrorCode, Failure};
use domain::integration_log::{Attempt, Payloads};

use super::{StepName, StepStatus, TestStep, detail};
use crate::redaction::Redactor;

/// The steps so far, and what is recorded at the end.
pub(super) struct Course {
    steps: Vec<TestStep>,
    pub(super) failure: Option<Failure>,
    pub(super) redactor: Arc<Redactor>,
    /// The one attempt, if it was made.
    pub(super) attempt: Option<Attempt>,
    pub(super) payloads: Payloads,
}

impl Course {
    pub(super) fn new() -> Self {
        Self {
            steps: Vec::new(),
            failure: None,
            redactor: Arc::new(Redactor::of_names()),
            attempt: None,
            payloads: Payloads::default(),
        }
    }

    pub(super) fn pass(&mut self, name: StepName, duration: Duration, detail: impl Into<String>) {
        self.steps.push(TestStep { name, status: StepStatus::Passed, duration, detail: detail.into() });
    }

    /// There is nothing to try.
    pub(super) fn leave_out(&mut self, name: StepName, detail: &str) {
        let (status, duration) = (StepStatus::NotRun, Duration::ZERO);
        self.steps.push(TestStep { name, status, duration, detail: detail.to_owned() });
    }

    /// The test ends here.
    pub(super) fn fail(&mut self, name: StepName, duration: Duration, failure: Failure) {
        let http_status = self.attempt.as_ref().and_then(|attempt| attempt.http_status_code);
        let detail = detail::of(&failure, http_status);
        self.steps.push(TestStep { name, status: StepStatus::Failed, duration, detail });
        self.failure = Some(failure);
    }

    /// DU-7: the process lives, and the row says what happened.
    pub(super) fn panicked(&mut self) {
        let message = "this service failed during the test; its log has the details under the correlation id";
        let next = StepName::ALL.into_iter().find(|name| self.steps.iter().all(|step| step.name != *name));
        if self.failure.is_none() {
            self.fail(next.unwrap_or(StepName::Http), Duration::ZERO, Failure::new(ErrorCode::InternalError, message));
        }
    }

    /// Every step, in order.
    pub(super) fn into_steps(self) -> Vec<TestStep> {
        let Self { mut steps, .. } = self;
        let mut all = Vec::new();
        for name in StepName::ALL {
            let known = steps.iter().position(|step| step.name == name);
            all.push(known.map_or_else(|| not_tried(name), |index| steps.swap_remove(index)));
        }
        all
    }
}

fn not_tried(name: StepName) -> TestStep {
    let detail = "not tried, since the test ended before".to_owned();
    TestStep { name, status: StepStatus::NotRun, duration: Duration::ZERO, detail }
}
