//! What the ports of persistence promise, on both engines. PostgreSQL is at `$TEST_POSTGRES_URL` (`bash .ci/test`).

mod api_keys;
mod audit;
mod audit_chain;
mod audit_lock;
mod availability;
mod call_lists;
mod calls;
mod connectors;
mod idempotency;
mod leases;
mod rate_limits;
mod retention;
mod samples;
mod schema;
mod statistics;
mod unit_of_work;
