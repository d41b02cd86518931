//! Whether a replica is ready.

use application::health::{Check, HealthService};

use crate::fakes::Operation;
use crate::world::World;

fn passed(checks: &[Check]) -> Vec<(&'static str, bool)> {
    checks.iter().map(|check| (check.name, check.passed)).collect()
}

#[tokio::test]
async fn a_replica_is_ready_while_its_store_answers() {
    let world = World::new();
    let health = HealthService::new(world.storage.clone(), world.shutdown.clone());
    assert_eq!(passed(&health.checks().await), [("serving", true), ("storage", true)]);
    world.storage.take_away(Operation::Check);
    assert_eq!(passed(&health.checks().await), [("serving", true), ("storage", false)]);
    world.storage.bring_back(Operation::Check);
    assert_eq!(passed(&health.checks().await), [("serving", true), ("storage", true)]);
}

#[tokio::test]
async fn du_6_a_replica_that_shuts_down_is_not_ready_at_once() {
    let world = World::new();
    let health = HealthService::new(world.storage.clone(), world.shutdown.clone());
    world.shutdown.cancel();
    assert_eq!(passed(&health.checks().await), [("serving", false), ("storage", true)]);
}
