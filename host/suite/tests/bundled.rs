//! The bundled providers are put to the test, each with the real load balancer; Rancher is a double on a socket.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use lb_rancher_double::{Host, KeyKind, Latency, Rancher, Server, ServerOptions};
use lb_suite::{Options, Report, Verdict};
use serde_json::{Value, json};

/// A built component with the configuration beside it.
fn built(name: &str) -> (PathBuf, Value) {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).map(Path::to_owned).unwrap();
    let component = target.join("plugins").join(format!("{name}.wasm"));
    assert!(component.is_file(), "{} is missing; build it: cargo xtask plugins", component.display());
    let sidecar = fs::read_to_string(component.with_extension("yaml")).unwrap();
    (component, serde_saphyr::from_str(&sidecar).unwrap())
}

async fn report((component, configuration): (PathBuf, Value), apis: BTreeMap<String, url::Url>) -> Report {
    let configuration = serde_json::from_value(configuration).unwrap();
    let report = lb_suite::run(Options { apis, ..Options::new(component, configuration) }).await.unwrap();
    eprintln!("{report}");
    report
}

/// Nothing is broken, and what is skipped is known.
fn assert_kept(report: &Report, skipped: &[&str]) {
    assert!(report.is_kept(), "{report}");
    let is_skipped = |verdict: &Verdict| matches!(verdict, Verdict::Skipped { .. });
    let found: BTreeSet<_> = report.clauses.iter().filter(|it| is_skipped(&it.verdict)).map(|it| it.id).collect();
    assert_eq!(found, skipped.iter().copied().collect(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_keeps_the_contract() {
    let report = report(built("nginx"), BTreeMap::new()).await;
    assert_kept(&report, &["side-by-side", "slow-api", "failing-api"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_keeps_the_contract() {
    let (component, mut configuration) = built("caddy");
    for tier in ["edge", "router"] {
        // It is let go of before Caddy takes it; a range of its own makes it unlikely that somebody else does.
        let port = (0..1000)
            .map(|number| 11_000 + (std::process::id() + number) % 1000)
            .find(|&port| {
                let port = u16::try_from(port).unwrap();
                let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
                is_free && !configuration.to_string().contains(&port.to_string())
            })
            .unwrap();
        configuration["settings"][format!("{tier}-admin-address")] = json!(format!("127.0.0.1:{port}"));
        configuration["grants"]["http"][tier]["base-url"] = json!(format!("http://127.0.0.1:{port}"));
    }
    let report = report((component, configuration), BTreeMap::new()).await;
    assert_kept(&report, &["incremental", "side-by-side"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rancher_keeps_the_contract() {
    let rancher = Rancher::new(lb_rancher_double::Options::default());
    let project = rancher.add_project("Default");
    for number in 1..5 {
        let (name, addresses) = (format!("host-{number}"), vec![format!("203.0.113.{number}")]);
        rancher.add_host(&project, Host { name, addresses, ..Host::default() });
    }
    let key = rancher.add_key(KeyKind::Environment { project: project.clone() });
    for service in lb_suite::services() {
        rancher.add_kubernetes_service(&project, &service.uid, &service.namespace, &service.name);
    }
    let latency = Latency { fixed: std::time::Duration::from_millis(1), ..Latency::default() };
    let server = Server::start(rancher, ServerOptions { latency, ..ServerOptions::with_speed(100.0) }).await.unwrap();
    let (component, mut configuration) = built("rancher");
    let grant = &mut configuration["grants"]["http"]["rancher"];
    grant["credentials"] = json!({ "basic": { "username": key.access, "password": key.secret } });
    let api = format!("{}/v2-beta/projects/{project}", server.url()).parse().unwrap();
    let report = report((component, configuration), [("rancher".to_owned(), api)].into()).await;
    assert_kept(&report, &["incremental", "scale"]);
}

#[tokio::test]
async fn an_api_that_nobody_named_only_fails() {
    let (component, mut configuration) = built("rancher");
    configuration["grants"]["http"]["rancher"]["base-url"] = json!("https://rancher.example.com/v2-beta");
    let report = report((component, configuration), BTreeMap::new()).await;
    assert!(report.is_kept(), "{report}");
    let failing = report.clauses.iter().find(|clause| clause.id == "failing-api").unwrap();
    assert_eq!(failing.verdict, Verdict::Kept);
    let told = "there is no API for the HTTP grant `rancher` that the suite may change; name one";
    let skipped = report.clauses.iter().filter(|it| it.verdict == Verdict::Skipped { reason: told.to_owned() });
    assert!(skipped.count() > 10, "{report}");
}
