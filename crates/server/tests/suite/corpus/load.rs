//! Reading the corpus.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::line::{Deployment, Header, cases};
use super::requests::Requests;
use super::run::Numbered;

/// The files of cases. One that stands beside them and not here is a mistake.
const CATEGORIES: &[&str] = &[
    "json-syntax",
    "types",
    "members",
    "numbers",
    "strings",
    "base-urls",
    "destinations",
    "endpoints",
    "call-parameters",
    "authentication-settings",
    "secret-references",
    "mappings",
    "correlation-ids",
    "trace-context",
    "credentials",
    "preconditions",
    "preconditions-required",
    "idempotency-keys",
    "cursors",
    "filters",
    "paths",
    "methods",
    "media-types",
    "upstream-answers",
    "retry-after",
];

/// All cases, and the requests that they alter.
pub(super) struct Corpus {
    pub(super) requests: Requests,
    pub(super) cases: Vec<(Deployment, Numbered)>,
}

impl Corpus {
    /// Reads all of it.
    ///
    /// # Panics
    /// When a file has a case that cannot be read, two of one name, or none at all, or is not known here.
    pub(super) fn load() -> Self {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let read = |name: &str| {
            let path = home.join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let listed: HashSet<_> = CATEGORIES.iter().map(|category| format!("{category}.jsonl")).collect();
        for entry in std::fs::read_dir(&home).expect("the corpus") {
            let name = entry.expect("a file").file_name().into_string().expect("a name");
            let known = listed.contains(&name) || matches!(name.as_str(), "README.md" | "requests.json");
            assert!(known, "{name} is not in the list of categories");
        }
        let requests = Requests::read(&read("requests.json"));
        let mut all = Vec::new();
        for category in CATEGORIES {
            let (deployment, category_cases) = parse(category, &read(&format!("{category}.jsonl")), &requests);
            for case in category_cases {
                let number = all.len() + 1;
                all.push((deployment, Numbered { number, category, case: Arc::new(case) }));
            }
        }
        Self { requests, cases: all }
    }
}

fn parse(category: &str, text: &str, requests: &Requests) -> (Deployment, Vec<super::line::Case>) {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, first) = lines.next().unwrap_or_else(|| panic!("{category} is empty"));
    let header: Header = serde_json::from_str(first).unwrap_or_else(|error| panic!("{category}, line 1: {error}"));
    assert!(!header.about.is_empty(), "{category} says nothing about itself");
    let mut names = HashSet::new();
    let mut read = Vec::new();
    for (number, line) in lines {
        let of_line = cases(line).unwrap_or_else(|fault| panic!("{category}, line {}: {fault}", number + 1));
        for case in of_line {
            assert!(names.insert(case.name.clone()), "{category}, line {}: {:?} is there twice", number + 1, case.name);
            assert!(requests.knows(&case.on), "{category}, line {}: no request {:?}", number + 1, case.on);
            read.push(case);
        }
    }
    assert!(!read.is_empty(), "{category} has no cases");
    (header.deployment, read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<super::super::line::Case> {
        let requests =
            r#"{"connectors":{},"secrets":{},"cursors":{},"keys":{},"requests":{"a":{"method":"GET","target":"/"}}}"#;
        parse("test", text, &Requests::read(requests)).1
    }

    const HEADER: &str = r#"{"about":"tests"}"#;

    #[test]
    fn cases_stand_behind_the_header() {
        let text = format!("{HEADER}\n\n{}\n", r#"{"name":"one","on":["a"],"expect":{"status":200}}"#);
        assert_eq!(parsed(&text).len(), 1);
    }

    #[test]
    #[should_panic(expected = "is there twice")]
    fn two_cases_of_one_name_are_a_mistake() {
        let case = r#"{"name":"one","on":"a","expect":{"status":200}}"#;
        parsed(&format!("{HEADER}\n{case}\n{case}"));
    }

    #[test]
    #[should_panic(expected = "has no cases")]
    fn a_category_without_cases_is_a_mistake() {
        parsed(HEADER);
    }

    #[test]
    #[should_panic(expected = "no request")]
    fn a_case_alters_a_request_that_there_is() {
        parsed(&format!("{HEADER}\n{}", r#"{"name":"one","on":"b","expect":{"status":200}}"#));
    }
}
