//! `docs/errors.md` has the closed lists as they are in the code.

use std::collections::BTreeMap;

use api::ProblemCode;
use domain::failure::ErrorCode;
use domain::fault::FaultCode;

const PAGE: &str = include_str!("../../../../docs/errors.md");

/// The rows of the table of one chapter, by the code in their first cell.
fn rows(chapter: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(&format!("\n## {chapter}\n")).expect("the chapter");
    let text = rest.split("\n## ").next().unwrap_or_default();
    let cells =
        text.lines().filter_map(|line| Some(line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect()));
    let mut rows = BTreeMap::new();
    for row in cells {
        let row: Vec<&str> = row;
        let code = row[0].trim_end_matches('`');
        assert!(rows.insert(code, row).is_none(), "{code} has two rows");
    }
    rows
}

fn sorted(codes: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
    let mut codes: Vec<_> = codes.into_iter().collect();
    codes.sort_unstable();
    codes
}

#[test]
fn the_page_has_every_problem_with_its_status_and_no_other() {
    let rows = rows("Problems");
    assert_eq!(sorted(rows.keys().copied()), sorted(ProblemCode::ALL.iter().map(|code| code.as_str())));
    for code in ProblemCode::ALL {
        assert_eq!(rows[code.as_str()][1], code.status().to_string(), "{}", code.as_str());
    }
}

#[test]
fn the_page_has_every_fault_and_no_other() {
    assert_eq!(sorted(rows("Faults").into_keys()), sorted(FaultCode::ALL.map(FaultCode::as_str)));
}

#[test]
fn the_page_has_every_error_of_a_call_and_whether_it_is_retryable() {
    let rows = rows("Errors of a call");
    assert_eq!(sorted(rows.keys().copied()), sorted(ErrorCode::ALL.iter().map(|code| code.as_str())));
    // Of these the cause decides.
    let by_cause = [ErrorCode::HttpStatus, ErrorCode::OauthTokenFailed];
    for code in ErrorCode::ALL.iter().filter(|code| !by_cause.contains(code)) {
        assert_eq!(rows[code.as_str()][2], code.is_transient().to_string(), "{}", code.as_str());
    }
}
