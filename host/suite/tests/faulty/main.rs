//! Each clause finds the provider that breaks it, and the same provider without that fault keeps them all.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod store;

use lb_suite::{Options, Report, Verdict};
use serde_json::json;

/// The suite's report on the guest with this fault, or with none.
async fn report(guest: &str, fault: Option<&str>, only: &[&str]) -> Report {
    let store = store::Store::start().await;
    let configuration = json!({
        "settings": fault.map_or(json!({}), |fault| json!({ "fault": fault })),
        "grants": { "http": { "api": {
            "base-url": store.url().as_str(),
            "methods": ["GET", "PUT", "DELETE"],
            "requests-per-second": 1000,
            "burst": 1000,
        } } },
        // A provider that never ends is not to be waited for.
        "limits": { "compute-ms": 1500 },
    });
    let options = Options {
        apis: if guest == "faulty" { [("api".to_owned(), store.url())].into() } else { [].into() },
        only: only.iter().map(|&id| id.to_owned()).collect(),
        patience: std::time::Duration::from_secs(3),
        // Compiled once for all tests.
        cache_dir: Some(std::env::temp_dir().join("lb-test-suite-cache")),
        ..Options::new(lb_guests::component(guest), serde_json::from_value(configuration).unwrap())
    };
    let report = lb_suite::run(options).await.unwrap();
    eprintln!("{report}\n");
    report
}

fn broken(report: &Report) -> Vec<&'static str> {
    report.broken().map(|clause| clause.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fault_every_clause_is_kept() {
    let report = report("faulty", None, &[]).await;
    let kept = report.clauses.iter().filter(|clause| clause.verdict == Verdict::Kept).count();
    assert_eq!(kept, lb_suite::clauses().count(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_changes_breaks_its_clause() {
    assert_eq!(broken(&report("fickle", None, &["describe"]).await), ["describe"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_clause_finds_the_provider_that_breaks_it() {
    for clause in lb_suite::clauses().filter(|clause| clause.id != "describe") {
        let report = report("faulty", Some(clause.id), &[clause.id]).await;
        assert_eq!(broken(&report), [clause.id], "{report}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let configuration = || serde_json::from_value(json!({})).unwrap();
    let options = |guest| Options::new(lb_guests::component(guest), configuration());
    let only = vec!["names".to_owned(), "nmaes".to_owned()];
    let error = lb_suite::run(Options { only, ..options("quiet") }).await.unwrap_err().to_string();
    assert!(error.starts_with("there is no clause \"nmaes\"; there are: describe, check-settings"), "{error}");
    let apis = [("api".to_owned(), "http://127.0.0.1:1".parse().unwrap())];
    let error = lb_suite::run(Options { apis: apis.into(), ..options("quiet") }).await.unwrap_err().to_string();
    assert_eq!(error, "there is no HTTP grant \"api\" that the API could be of; it has none");
}
