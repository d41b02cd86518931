//! The API's promises that need no store: the document that it serves, and the closed lists that others build on.

mod errors;
mod openapi;
