//! The HTTP contract: controllers and their DTOs, problems, correlation, access. Domain entities never leave through
//! here, they are converted once on the way in and once on the way out.

mod access;
mod answer;
mod api_keys;
mod audit;
mod body;
mod connectors;
mod context;
mod correlation;
mod cors;
mod docs;
mod execution;
mod export;
mod head;
mod idempotency;
mod inbound_limit;
mod integration_logs;
mod list;
mod members;
mod metering;
mod openapi;
mod operational;
mod precondition;
mod problem;
mod query;
mod reason;
mod router;
mod security_headers;
mod segment;
mod state;
mod statistics;

pub use self::audit::verification_json;
pub use self::head::{HeadFault, MAX_HEADERS, MAX_URL_BYTES};
pub use self::problem::ProblemCode;
pub use self::router::{app, beside, openapi_json};
pub use self::state::{Authentication, Options, Services};
