//! Registering, changing and switching connectors.

mod reconfigure;
mod register;
mod scope;
mod switch;
