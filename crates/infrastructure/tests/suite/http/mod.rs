//! The executor against upstreams that do exactly what a script says. Only loopback is ever dialled.

mod attempts;
mod bodies;
pub(crate) mod certificates;
mod destinations;
mod failures;
mod gate;
mod http2;
mod names;
mod pool;
mod renewal;
mod requests;
mod retries;
pub(crate) mod support;
mod tls;
pub(crate) mod upstream;
