//! The end of the demo's output: what the calls came to, and what to try while the service goes on.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::hr;
use super::outcome::Outcome;
use super::registration::CONNECTORS;
use super::scenario::Played;
use super::screen::Screen;
use super::table;

/// Shows the table, a record before and after its mapping, some rejections, and the lines to try.
pub(super) fn show(screen: &Screen, played: &Played, address: SocketAddr) {
    screen.line("");
    screen.line(table::draw(&played.outcomes, screen.width()).trim_fmt());
    screen.line("");
    show_a_mapped_record(screen, &played.outcomes);
    show_rejections(screen, &played.outcomes);
    show_what_to_try(screen, played, address);
}

/// The first record of the HR system, field by field.
fn show_a_mapped_record(screen: &Screen, outcomes: &[Outcome]) {
    let Some(outcome) = outcomes.iter().find(|outcome| outcome.log.connector_name == hr::HR) else { return };
    let (Some(response), Some(mapping)) = (&outcome.response, &outcome.mapping) else { return };
    let (Some(before), Some(after)) = (response.body.pointer("/data/0"), mapping.records.first()) else { return };
    let id = after.external_id.as_deref().unwrap_or_default();
    screen.line(format_args!("Record {id} of {}, before and after its mapping:", hr::HR));
    for entry in hr::mapping()["mappings"].as_array().into_iter().flatten() {
        let name = |member: &str| entry[member].as_str().unwrap_or_default();
        let (external, internal) = (name("externalField"), name("internalField"));
        let source = format!("{external} {}", before[external]);
        screen.line(format_args!("  {source:<40} {:<8} {internal} {}", name("transform"), after.data[internal]));
    }
    screen.line("");
}

/// One per connector that had some.
fn show_rejections(screen: &Screen, outcomes: &[Outcome]) {
    let mut seen = HashSet::new();
    screen.line("Records that cannot be mapped are rejected with the reason, never guessed:");
    for outcome in outcomes {
        let rejection = outcome.mapping.as_ref().and_then(|mapping| mapping.rejections.first());
        if let Some(rejection) = rejection.filter(|_| seen.insert(&outcome.log.connector_name)) {
            let id = rejection.external_id.as_deref().unwrap_or("without an id");
            screen.line(format_args!("  {} {id}: {}", outcome.log.connector_name, rejection.reason));
        }
    }
    screen.line("");
}

fn show_what_to_try(screen: &Screen, played: &Played, address: SocketAddr) {
    let connectors = format!("http://{address}{CONNECTORS}");
    let traced =
        played.outcomes.iter().max_by_key(|outcome| (outcome.log.status == "Success", outcome.log.attempt_count));
    let traced = traced.map_or("", |outcome| &outcome.log.correlation_id);
    let travel = &played.disabled;
    screen.line("The service goes on; Ctrl-C ends it. Try in another terminal:");
    screen.line("");
    screen.line("  # every connector");
    screen.line(format_args!("  curl -s {connectors}"));
    screen.line("  # one call, found by its correlation id");
    screen.line(format_args!("  curl -s {connectors}/logs/by-correlation/{traced}"));
    screen.line("  # enable the disabled connector, and pull through it");
    screen.line(format_args!("  curl -s -X POST {connectors}/{travel}/enable"));
    screen.line(format_args!("  curl -s {connectors}/{travel}/execute -H 'Content-Type: application/json' \\"));
    screen.line(r#"    -d '{"operationType":"pull","endpoint":"/trips","applyMapping":true}'"#);
    screen.line("");
    screen.line(format_args!("The reference of the API, to read and to try: http://{address}/docs"));
}
