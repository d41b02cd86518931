//! The probes, the reference page, the pages of problems.

use api::ProblemCode;
use rstest::rstest;
use serde_json::Value;
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;

#[rstest]
#[tokio::test]
async fn the_probes_say_ok(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for target in ["/livez", "/readyz"] {
        let answer = service.get(target).await;
        assert_eq!((answer.status, answer.text()), (200, "ok\n"), "{target}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    let verbose = service.get("/readyz?verbose").await;
    assert!(verbose.text().contains("[+] ") && verbose.text().ends_with("ok\n"), "{}", verbose.text());
}

#[rstest]
#[tokio::test]
async fn the_document_that_is_served_is_the_one_of_this_version(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let answer = service.get("/openapi.json").await;
    assert_eq!(answer.text(), api::openapi_json());
    assert!(answer.json()["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}

#[rstest]
#[tokio::test]
async fn every_problem_has_its_page(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for code in ProblemCode::ALL {
        let page = service.get(&format!("/problems/{}", code.as_str())).await;
        assert_eq!(page.status, 200, "{}", code.as_str());
        assert!(page.header("content-type").is_some_and(|media_type| media_type.starts_with("text/html")));
        assert!(page.text().contains(code.as_str()) && page.text().contains(code.title()), "{}", page.text());
    }
}

#[rstest]
#[tokio::test]
async fn the_reference_page_needs_nothing_from_the_network(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let bare = service.get("/docs").await;
    assert!(bare.status == 303 && bare.header("location") == Some("/docs/"), "{bare:?}");
    let page = service.get("/docs/").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
    let assets: Vec<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.text().split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(assets.len() >= 3, "{}", page.text());
    let mut own = String::new();
    for asset in assets {
        assert!(!asset.contains("//"), "{asset}");
        let answer = service.get(&format!("/docs/{}", asset.trim_start_matches("./"))).await;
        assert_eq!(answer.status, 200, "{asset}");
        if asset.contains("initializer") {
            own.push_str(answer.text());
        }
    }
    assert!(own.contains("/openapi.json") && !own.contains("http://") && !own.contains("https://"), "{own}");
    let document: Value = service.get("/openapi.json").await.json();
    assert!(document["servers"].as_array().is_none_or(|servers| {
        servers.iter().all(|server| server["url"].as_str().is_some_and(|url| !url.contains("://")))
    }));
}
