//! `connectors openapi`: the document that `GET /openapi.json` serves, for generators and for comparing versions.

use crate::failure::Failure;
use crate::terminal;

/// Prints the document. Needs no configuration.
pub(crate) fn run() -> Result<(), Failure> {
    terminal::print(api::openapi_json())
}
