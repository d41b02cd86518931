//! Every route on one screen, with the permission that it needs, and the layers around them.

use std::sync::Arc;

use application::ports::Ids;
use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use domain::access::Permission::{Audit, Configure, Execute, ManageKeys, Read, Switch, Test};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{authenticate, needs};
use crate::correlation::CorrelationLayer;
use crate::inbound_limit::{self, InboundLimit};
use crate::openapi::{self, Document};
use crate::problem::{Problem, ProblemCode};
use crate::state::{ApiState, Options, Services};
use crate::{
    api_keys, audit, connectors, cors, docs, execution, head, integration_logs, metering, operational, problem,
    security_headers, statistics,
};

/// Every documented route.
fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(needs(Configure, routes!(connectors::controller::create)))
        .routes(needs(Read, routes!(connectors::controller::list)))
        .routes(needs(Read, routes!(connectors::controller::get)))
        .routes(needs(Configure, routes!(connectors::controller::update)))
        .routes(needs(Configure, routes!(connectors::controller::delete)))
        .routes(needs(Switch, routes!(connectors::controller::enable)))
        .routes(needs(Switch, routes!(connectors::controller::disable)))
        .routes(needs(Test, routes!(connectors::connection_test::test)))
        .routes(needs(Test, routes!(connectors::connection_test::test_draft)))
        .routes(needs(Execute, routes!(execution::controller::execute)))
        .routes(needs(Read, routes!(integration_logs::controller::list_of_connector)))
        .routes(needs(Read, routes!(integration_logs::controller::list)))
        .routes(needs(Read, routes!(integration_logs::controller::list_by_correlation)))
        .routes(needs(Read, routes!(integration_logs::controller::get)))
        .routes(needs(Read, routes!(statistics::controller::look)))
        .routes(needs(Audit, routes!(audit::controller::list_of_connector)))
        .routes(needs(Audit, routes!(audit::controller::list)))
        .routes(needs(Audit, routes!(audit::verification::verify)))
        .routes(needs(Audit, routes!(audit::export::export)))
        .routes(needs(ManageKeys, routes!(api_keys::controller::create)))
        .routes(needs(ManageKeys, routes!(api_keys::controller::list)))
        .routes(needs(ManageKeys, routes!(api_keys::controller::get)))
        .routes(needs(ManageKeys, routes!(api_keys::controller::revoke)))
        .routes(routes!(operational::controller::livez))
        .routes(routes!(operational::controller::readyz))
        .routes(routes!(problem::show_problem))
}

/// The OpenAPI document that this version serves, pretty-printed, ending in a newline.
#[must_use]
pub fn openapi_json() -> String {
    openapi::print(routes().get_openapi())
}

/// The whole service as one router. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, so that the
/// audit knows where changes come from.
pub fn app(services: Services, options: Options) -> Router {
    let correlation = CorrelationLayer::new(services.ids.clone());
    let meter = services.meter.clone();
    let limit = InboundLimit::per_minute(options.inbound_limit_per_minute);
    let sharing = cors::layer(&options.cors_allowed_origins);
    let state = ApiState::new(services, options);
    let (router, document) = routes().split_for_parts();
    let document = openapi::print(&document);
    let layers = ServiceBuilder::new()
        .layer(correlation)
        .layer(from_fn_with_state(meter, metering::count))
        .layer(from_fn(security_headers::secure))
        .layer(from_fn_with_state(sharing, cors::share))
        .layer(from_fn(problem::render))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(from_fn(head::judge))
        .layer(from_fn_with_state(state.clone(), authenticate))
        .layer(from_fn_with_state(limit, inbound_limit::enforce));
    router
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], document) }),
        )
        .merge(docs::routes())
        .fallback(nothing_here)
        .with_state(state)
        .layer(layers)
}

/// What is served beside the API, on a listener of its own, with what holds for every answer.
pub fn beside(router: Router, ids: Arc<dyn Ids>) -> Router {
    let layers = ServiceBuilder::new()
        .layer(CorrelationLayer::new(ids))
        .layer(from_fn(security_headers::secure))
        .layer(from_fn(problem::render))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(from_fn(head::judge));
    router.fallback(nothing_here).layer(layers)
}

async fn nothing_here() -> Problem {
    Problem::new(ProblemCode::NotFound, "no operation has this path")
}
