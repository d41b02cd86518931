//! The operations that test connections.

use application::context::RequestContext;
use application::execution::ConnectionTest;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{ConnectorRequest, draft};
use crate::answer::{self, milliseconds};
use crate::body::{JsonBody, OptionalJsonBody};
use crate::context::Caller;
use crate::members::Members;
use crate::problem::Problem;
use crate::query::Query;
use crate::segment::{Segment, connector_id};
use crate::state::ApiState;

/// What a test of a connection came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionTest)]
pub(crate) struct ConnectionTestDto {
    /// Whether no step failed.
    success: bool,
    /// Always these five, in this order: `configuration`, `secret`, `dns`, `tls`, `http`.
    steps: Vec<TestStepDto>,
    /// The id under which the test is in the integration logs.
    #[schema(example = "corr-12345")]
    correlation_id: String,
    /// How long the test took.
    #[schema(example = 184)]
    duration_ms: u64,
}

/// A step of a test.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionTestStep)]
pub(crate) struct TestStepDto {
    /// `configuration`, `secret`, `dns`, `tls` or `http`.
    #[schema(example = "http")]
    name: &'static str,
    /// `Passed`, `Failed` or `NotRun`.
    #[schema(example = "Failed")]
    status: &'static str,
    /// How long the step took.
    #[schema(example = 17)]
    duration_ms: u64,
    /// What happened, and after a failure what to look at; redacted.
    #[schema(
        example = "the upstream answered with status 401: {\"error\":\"unknown key\"}. Look at the value of the secret, \
        `authenticationType` and `authenticationSettings`"
    )]
    detail: String,
}

fn answered(test: ConnectionTest, context: &RequestContext) -> Response {
    let success = test.success();
    let steps = test.steps.into_iter().map(|step| TestStepDto {
        name: step.name.as_str(),
        status: step.status.as_str(),
        duration_ms: milliseconds(step.duration),
        detail: step.detail,
    });
    answer::ok(&ConnectionTestDto {
        success,
        steps: steps.collect(),
        correlation_id: context.correlation_id.to_string(),
        duration_ms: milliseconds(test.duration),
    })
}

/// Test a connector
///
/// One GET of its base URL, also while it is `Disabled`; 10 s at most. 200 whatever the test found: `success` and the
/// steps say how it ended. It counts against the connector's rate limit, and has an integration log of the operation
/// type `test`.
#[utoipa::path(
    post,
    path = "/api/v1/connectors/{id}/test",
    operation_id = "testConnector",
    tag = "Connectors",
    params(("id" = String, Path, description = "The connector's id")),
    responses((status = 200, description = "How the test ended", body = ConnectionTestDto))
)]
pub(crate) async fn test(
    State(state): State<ApiState>,
    Caller(context): Caller,
    Segment(id): Segment,
    query: Query,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<Response, Problem> {
    let id = connector_id(&id)?;
    query.finish()?;
    if let Some(body) = body {
        // There is nothing to say, and what is said all the same is not passed over.
        let faults = Members::of(body).finish();
        if !faults.is_empty() {
            return Err(Problem::invalid(&faults));
        }
    }
    let test = state.services.connection_tests.test(&context, id).await?;
    Ok(answered(test, &context))
}

/// Test a connector before it is registered
///
/// As the test of a registered one. A configuration that could not be registered as it is gives 422 with all its faults;
/// what only a test finds, the secret and the destination included, is in the steps. Nothing is registered. A draft
/// with `authenticationSecretRef` needs the right to register connectors.
#[utoipa::path(
    post,
    path = "/api/v1/connectors/test",
    operation_id = "testConnectorDraft",
    tag = "Connectors",
    request_body = ConnectorRequest,
    responses((status = 200, description = "How the test ended", body = ConnectionTestDto))
)]
pub(crate) async fn test_draft(
    State(state): State<ApiState>,
    Caller(context): Caller,
    query: Query,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query.finish()?;
    let draft = draft(Members::of(body));
    let test = state.services.connection_tests.test_draft(&context, draft).await?;
    Ok(answered(test, &context))
}
