//! The demo's plot: register seven connectors, call through them in good and bad weather, disable one and see its call
//! skipped.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::client::Client;
use super::contractors::{self, TRAVEL, WASTE, WATER};
use super::erp::{self, ERP};
use super::hr::{self, HR, OLD_HR};
use super::outcome::{Outcome, read};
use super::registration::{CONNECTORS, register};
use super::screen::Screen;
use super::upstream::Upstream;
use super::utility::{self, POWER};
use crate::failure::Failure;

/// The ids of the connectors, by name; every name of the plot is in it.
type Ids = HashMap<&'static str, String>;

/// The plot with its cast.
pub(super) struct Scenario<'a> {
    pub(super) client: &'a Client,
    pub(super) screen: &'a Screen,
    /// What the correlation ids of this run begin with.
    pub(super) run: &'a str,
    pub(super) upstream: &'a Upstream,
}

/// What came of it.
pub(super) struct Played {
    pub(super) outcomes: Vec<Outcome>,
    /// The id of the connector that is now disabled.
    pub(super) disabled: String,
}

/// One call of the plot.
struct Scene {
    connector: &'static str,
    operation: &'static str,
    endpoint: &'static str,
    /// The end of its correlation id.
    tag: &'static str,
    /// What the upstream will do.
    story: &'static str,
}

const fn pull(connector: &'static str, endpoint: &'static str, tag: &'static str, story: &'static str) -> Scene {
    Scene { connector, operation: "pull", endpoint, tag, story }
}

const SCENES: [Scene; 11] = [
    pull(HR, "/headcount", "hr-headcount", "250 teams, mapped to ESG fields"),
    pull(HR, "/training", "hr-training", "the upstream answers 503 twice before it has the report"),
    pull(ERP, "/purchases", "erp-2026", "400 purchase lines"),
    pull(ERP, "/purchases/2025", "erp-2025", "the archive takes 1.5 s"),
    Scene {
        connector: ERP,
        operation: "push",
        endpoint: "/accruals",
        tag: "erp-accrual",
        story: "one posting, under an idempotency key",
    },
    pull(POWER, "/readings", "power-month", "a month of hourly readings, MWh to kWh"),
    pull(POWER, "/readings/today", "power-today", "the upstream answers 429 and asks for 1 s"),
    pull(WATER, "/usage", "water-down", "the upstream answers 503 every time"),
    pull(WASTE, "/pickups", "waste-down", "nobody listens at that address"),
    pull(OLD_HR, "/headcount", "old-hr-key", "the key has expired; a 401 is not tried again"),
    pull(TRAVEL, "/trips", "travel-trips", "120 trips, miles to kilometres"),
];

const SKIPPED: Scene = pull(TRAVEL, "/trips", "travel-off", "the same call, with the connector disabled");

impl Scenario<'_> {
    /// Plays the whole plot.
    pub(super) async fn play(&self) -> Result<Played, Failure> {
        let ids = self.register_all().await?;
        let mut outcomes = Vec::new();
        for scene in &SCENES {
            outcomes.push(self.call(scene, &ids).await?);
        }
        self.disable(TRAVEL, &ids).await?;
        outcomes.push(self.call(&SKIPPED, &ids).await?);
        let disabled = ids[TRAVEL].clone();
        Ok(Played { outcomes, disabled })
    }

    async fn register_all(&self) -> Result<Ids, Failure> {
        let Upstream { base_url, dead_url } = self.upstream;
        let connectors = [
            (HR, hr::connector(base_url)),
            (OLD_HR, hr::connector_with_expired_key(base_url)),
            (ERP, erp::connector(base_url)),
            (POWER, utility::connector(base_url)),
            (WATER, contractors::water(base_url)),
            (WASTE, contractors::waste(dead_url)),
            (TRAVEL, contractors::travel(base_url)),
        ];
        let mut ids = Ids::new();
        let mut known = 0;
        for (name, connector) in connectors {
            let registered = register(self.client, &connector, &self.correlation_id("setup")).await?;
            known += usize::from(registered.known);
            ids.insert(name, registered.id);
        }
        let updated = if known > 0 { format!(" ({known} known from an earlier run, updated)") } else { String::new() };
        self.screen.step(format_args!("{} connectors registered and enabled{updated}", ids.len()));
        Ok(ids)
    }

    async fn call(&self, scene: &Scene, ids: &Ids) -> Result<Outcome, Failure> {
        let Scene { connector, operation, endpoint, tag, story } = scene;
        let line = self.screen.start(format_args!("{connector}: {operation} {endpoint}: {story}"));
        let body = if *operation == "push" { erp::accrual() } else { Value::Null };
        let call = json!({
            "operationType": operation, "endpoint": endpoint, "body": body, "applyMapping": *operation == "pull",
        });
        let target = format!("{CONNECTORS}/{}/execute", ids[connector]);
        let outcome: Outcome = read(self.client.post(&target, &self.correlation_id(tag), &call).await?)?;
        line.end(outcome.in_words());
        Ok(outcome)
    }

    async fn disable(&self, connector: &str, ids: &Ids) -> Result<(), Failure> {
        let target = format!("{CONNECTORS}/{}/disable", ids[connector]);
        let reason = json!({ "reason": "the agency's contract has ended" });
        self.client.post(&target, &self.correlation_id("travel-disable"), &reason).await?;
        self.screen.step(format_args!("{connector}: disabled"));
        Ok(())
    }

    fn correlation_id(&self, tag: &str) -> String {
        format!("{}-{tag}", self.run)
    }
}
