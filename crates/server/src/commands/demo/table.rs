//! The outcomes side by side. At 120 columns an outcome is one line, and a second one where it failed; a narrower
//! terminal gets the same cells stacked.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, TableComponent};

use super::outcome::{Mapping, Outcome};

/// The narrowest terminal in which no cell of the wide layout is broken.
const WIDE: u16 = 117;

/// Stands for what there is none of.
const NONE: &str = "–";

/// Draws the table; `width` is given where no terminal tells it.
pub(super) fn draw(outcomes: &[Outcome], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_style(TableComponent::HeaderLines, '─');
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    if table.width().is_none_or(|width| width >= WIDE) {
        let numbers = ["HTTP", "attempts", "took", "mapped", "rejected"];
        table.set_header(header(&["connector", "call", "status"], &numbers, &["correlation id"]));
        table.add_rows(outcomes.iter().map(side_by_side));
    } else {
        table.set_header(header(&["call", "status"], &["attempts", "took", "mapped"], &[]));
        table.add_rows(outcomes.iter().map(stacked));
    }
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding(if index == last { (0, 0) } else { (0, 2) });
    }
    table
}

fn side_by_side(outcome: &Outcome) -> Vec<Cell> {
    let log = &outcome.log;
    let code = log.error_code.as_deref().filter(|_| log.status == "Failed");
    let status = format!("{}\n{}", outcome.status(), code.unwrap_or_default());
    vec![
        Cell::new(&log.connector_name),
        Cell::new(outcome.call()),
        Cell::new(status.trim_end()).fg(colour(outcome)),
        right(log.http_status_code.map_or_else(|| NONE.to_owned(), |code| code.to_string())),
        right(log.attempt_count),
        right(format!("{} ms", log.duration_ms)),
        right(count(outcome, |mapping| mapping.records.len())),
        right(count(outcome, |mapping| mapping.rejections.len())),
        Cell::new(&log.correlation_id),
    ]
}

fn stacked(outcome: &Outcome) -> Vec<Cell> {
    let log = &outcome.log;
    let http = log.http_status_code.map_or_else(String::new, |code| format!("HTTP {code}"));
    let beneath = log.error_code.as_deref().filter(|_| http.is_empty()).unwrap_or(&http);
    let mapped = match &outcome.mapping {
        Some(mapping) => format!("{}\n{} rejected", mapping.records.len(), mapping.rejections.len()),
        None => NONE.to_owned(),
    };
    vec![
        Cell::new(format!("{}\n{}\n{}", log.connector_name, outcome.call(), log.correlation_id)),
        Cell::new(format!("{}\n{beneath}", outcome.status())).fg(colour(outcome)),
        right(log.attempt_count),
        right(format!("{} ms", log.duration_ms)),
        right(mapped),
    ]
}

fn header(before: &[&str], numbers: &[&str], after: &[&str]) -> Vec<Cell> {
    let cells = |names: &[&str]| names.iter().map(Cell::new).collect::<Vec<_>>();
    let numbers = numbers.iter().map(right).collect();
    let cells = [cells(before), numbers, cells(after)].concat();
    cells.into_iter().map(|cell| cell.add_attribute(Attribute::Bold)).collect()
}

fn right(content: impl ToString) -> Cell {
    Cell::new(content).set_alignment(CellAlignment::Right)
}

fn count(outcome: &Outcome, of: impl FnOnce(&Mapping) -> usize) -> String {
    outcome.mapping.as_ref().map_or_else(|| NONE.to_owned(), |mapping| of(mapping).to_string())
}

fn colour(outcome: &Outcome) -> Color {
    match outcome.log.status.as_str() {
        "Success" => Color::Green,
        "Failed" => Color::Red,
        _ => Color::Yellow,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::demo::outcome::read;

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_correlation_id_is_broken() {
        let outcome = read(json!({
            "log": {
                "connectorName": "Demo Old HR", "correlationId": "demo-0000-hr-headcount", "operationType": "pull",
                "status": "Failed", "endpoint": "/readings/today", "httpStatusCode": null, "attemptCount": 10,
                "errorCode": "connect-refused", "durationMs": 1234,
            },
            "response": null, "mapping": { "records": [], "rejections": [] },
        }));
        let outcomes = [outcome.expect("an outcome")];
        for width in [WIDE, 80] {
            let table = draw(&outcomes, Some(width)).to_string();
            let widest = table.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width.into()), "{table}");
            assert!(table.contains("demo-0000-hr-headcount") && table.contains("connect-refused"), "{table}");
        }
    }
}
