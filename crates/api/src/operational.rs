//! What operators and their tools ask: whether the process lives, and whether it can work.

pub(crate) mod controller;
