//! Lists of connectors: order, filters, pages.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";

async fn register(service: &Service, name: &str, members: Value) -> String {
    let mut given = connector("https://api.example.com", &members);
    given["name"] = json!(name);
    service.register(&given).await
}

async fn names(service: &Service, target: &str) -> Vec<String> {
    names_of(&service.get(target).await.expect(200))
}

fn names_of(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn connectors_come_by_name_without_regard_to_case(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    assert_eq!(service.get(CONNECTORS).await.expect(200), json!({ "items": [], "nextCursor": null }));
    for name in ["beta", "Alpha", "_x", "alpha 2", "Zeta", "Émile", "a-b", "a b"] {
        register(&service, name, json!({})).await;
    }
    let listed = names(&service, CONNECTORS).await;
    assert_eq!(listed, ["_x", "a b", "a-b", "Alpha", "alpha 2", "beta", "Zeta", "Émile"]);
}

#[rstest]
#[tokio::test]
async fn filters_narrow_the_list_and_combine(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = register(&service, "HR main", json!({ "capabilities": ["pull"] })).await;
    register(&service, "HR_backup", json!({ "capabilities": ["push", "webhook"] })).await;
    register(&service, "ERP 100%", json!({ "connectorType": "ERP", "capabilities": ["pull"] })).await;
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    for (query, expected) in [
        ("status=Enabled", vec!["HR main"]),
        ("status=Disabled", vec!["ERP 100%", "HR_backup"]),
        ("type=ERP", vec!["ERP 100%"]),
        ("type=erp", vec![]),
        ("capability=pull", vec!["ERP 100%", "HR main"]),
        ("capability=webhook", vec!["HR_backup"]),
        ("q=hr", vec!["HR main", "HR_backup"]),
        ("q=_", vec!["HR_backup"]),
        ("q=0%25", vec!["ERP 100%"]),
        ("q=MAIN&type=HR&status=Enabled&capability=pull", vec!["HR main"]),
        ("q=main&type=ERP", vec![]),
    ] {
        assert_eq!(names(&service, &format!("{CONNECTORS}?{query}")).await, expected, "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn what_a_list_does_not_know_is_refused(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=1.5", "/limit"),
        ("limit=", "/limit"),
        ("limit=%2B5", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("cursor=", "/cursor"),
        ("cursor=AAAA", "/cursor"),
        ("cursor=%00", "/cursor"),
        ("status=enabled", "/status"),
        ("capability=fly", "/capability"),
        ("q=", "/q"),
        ("offset=10", "/offset"),
        ("Limit=10", "/Limit"),
    ] {
        assert_eq!(service.get(&format!("{CONNECTORS}?{query}")).await.pointers(), [pointer], "{query}");
    }
    let all = service.get(&format!("{CONNECTORS}?limit=0&status=x&page=2")).await.pointers();
    assert_eq!(all, ["/limit", "/page", "/status"]);
    service.get(&format!("{CONNECTORS}?sort=name")).await.problem(422, "unknown-member");
}

#[rstest]
#[tokio::test]
async fn a_page_has_50_items_and_never_more_than_200(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for number in 0..203 {
        register(&service, &format!("c{number:03}"), json!({})).await;
    }
    for (query, expected) in
        [("", 50), ("?limit=1", 1), ("?limit=200", 200), ("?limit=201", 200), ("?limit=99999999999999999999", 200)]
    {
        let page = service.get(&format!("{CONNECTORS}{query}")).await.expect(200);
        assert_eq!(page["items"].as_array().map(Vec::len), Some(expected), "{query}");
        assert!(page["nextCursor"].is_string(), "{query}");
        assert_eq!(page.as_object().map(serde_json::Map::len), Some(2), "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn paging_loses_and_repeats_nothing_while_rows_come_and_go(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for number in 10..17 {
        register(&service, &format!("c{number}"), json!({})).await;
    }
    let mut seen = Vec::new();
    let mut target = format!("{CONNECTORS}?limit=2");
    loop {
        let page = service.get(&target).await.expect(200);
        seen.extend(names_of(&page));
        // Before and after where the reader stands.
        let gone = register(&service, &format!("a{}", seen.len()), json!({})).await;
        assert_eq!(service.delete(&gone).await.status, 204);
        register(&service, &format!("b{}", seen.len()), json!({})).await;
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        target = format!("{CONNECTORS}?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["c10", "c11", "c12", "c13", "c14", "c15", "c16"]);
}

#[rstest]
#[tokio::test]
async fn a_cursor_opens_only_as_it_was_given_and_only_with_its_filters(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for name in ["one", "two", "three"] {
        register(&service, name, json!({})).await;
    }
    let page = service.get(&format!("{CONNECTORS}?limit=1&type=HR")).await.expect(200);
    let cursor = page["nextCursor"].as_str().expect("a cursor");
    // Another size of the page is the same list.
    let rest = names(&service, &format!("{CONNECTORS}?limit=5&type=HR&cursor={cursor}")).await;
    assert_eq!(rest, ["three", "two"]);
    for query in ["", "type=ERP&", "type=HR&status=Disabled&", "type=HR&q=o&"] {
        let target = format!("{CONNECTORS}?{query}cursor={cursor}");
        assert_eq!(service.get(&target).await.pointers(), ["/cursor"], "{query}");
    }
    assert_eq!(service.get(&format!("/api/v1/connectors/logs?cursor={cursor}")).await.pointers(), ["/cursor"]);

    let tampered: BTreeSet<String> = (0..cursor.len())
        .map(|index| {
            let other = if &cursor[index..=index] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &cursor[..index], &cursor[index + 1..])
        })
        .collect();
    for forged in tampered {
        let answer = service.get(&format!("{CONNECTORS}?type=HR&cursor={forged}")).await;
        assert_eq!(answer.pointers(), ["/cursor"], "{forged}");
    }
}
