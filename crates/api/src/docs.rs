//! The reference page: Swagger UI from this binary, without anything from the network.

use axum::Router;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// `/docs`, which reads `/openapi.json`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let config = Config::new(["/openapi.json"]).validator_url("none").deep_linking(true).try_it_out_enabled(true);
    SwaggerUi::new("/docs").config(config).into()
}
