use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lb_model::bindings::lb_controller::provider::services::{Report, ServiceError, StartOutcome};
use prometheus_client::registry::Registry;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Service;
use crate::{
    configuration::ServiceGrant,
    directory::{Directories, Directory},
    metrics::Metrics,
};

/// A service that says when it is ready and how a reload went, which the file `broken` decides.
const WELL_BEHAVED: &str = "echo $$ > pid
    trap 'if [ -e broken ]; then echo \"[emerg] broken\"; else echo reloaded; fi' HUP
    trap 'echo bye >> ended; exit 0' TERM
    echo ready
    while :; do sleep 0.02; done";

struct Place {
    temporary: TempDir,
    directory: Arc<Directory>,
    registry: Registry,
    metrics: Arc<Metrics>,
}

impl Place {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(temporary: TempDir) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let directory = Directories::default().open(temporary.path()).unwrap();
        Self { temporary, directory, registry, metrics }
    }

    /// The same directory, for a host that comes after.
    fn next_host(self) -> Self {
        let Self { temporary, directory, .. } = self;
        assert_eq!(Arc::strong_count(&directory), 1);
        drop(directory);
        Self::at(temporary)
    }

    fn service(&self, grant: serde_json::Value) -> Service {
        let grant: ServiceGrant = serde_json::from_value(grant).unwrap();
        self.directory.service("web", &grant, &self.metrics)
    }

    fn well_behaved(&self) -> Service {
        self.service(well_behaved())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    async fn pid(&self) -> Pid {
        let path = self.path("pid");
        eventually("the service tells its number", || read_pid(&path).is_some()).await;
        read_pid(&path).unwrap()
    }

    fn metric(&self, line: &str) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines().any(|it| it == line)
    }
}

fn well_behaved() -> serde_json::Value {
    serde_json::json!({
        "program": "sh",
        "args": ["-c", WELL_BEHAVED],
        "check": ["-c", "echo checking $0; test -e \"$0/good\"", "{path}"],
        "ready": "^ready$",
        "reload": { "done": "^reloaded$", "failed": "\\[emerg\\]" },
    })
}

fn read_pid(path: &Path) -> Option<Pid> {
    fs::read_to_string(path).ok()?.trim().parse().ok().and_then(Pid::from_raw)
}

/// Whether it runs; one that nobody reaps does not.
fn lives(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    status.is_ok_and(|status| !status.contains(") Z "))
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.unwrap_or_else(|_| panic!("{what}: not in 60 s"));
}

fn failed(error: &ServiceError) -> &str {
    match error {
        ServiceError::Failed(message) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_is_started_once_and_stopped() {
    let place = Place::new();
    let service = place.well_behaved();
    assert_eq!(service.running().await, Ok(false));
    assert_eq!(service.stop().await, Ok(()), "one that does not run is no error");
    assert_eq!(service.start().await, Ok(StartOutcome::Started));
    let pid = place.pid().await;
    assert_eq!(service.start().await, Ok(StartOutcome::AlreadyRunning));
    assert_eq!(service.running().await, Ok(true));
    assert!(place.metric("lb_service_up{service=\"web\"} 1"));
    assert_eq!(service.stop().await, Ok(()));
    assert!(!lives(pid) && place.path("ended").exists(), "it ended by itself");
    assert_eq!(service.running().await, Ok(false));
    assert!(place.metric("lb_service_up{service=\"web\"} 0"));
    assert_eq!(service.start().await, Ok(StartOutcome::Started));
    service.release().await;
}

#[tokio::test]
async fn a_service_that_dies_is_started_again() {
    let place = Place::new();
    let service = place.well_behaved();
    service.start().await.unwrap();
    for _ in 0..2 {
        let pid = place.pid().await;
        kill_process(pid, Signal::KILL).unwrap();
        eventually("another process", || read_pid(&place.path("pid")).is_some_and(|it| it != pid)).await;
    }
    eventually("both restarts are counted", || place.metric("lb_service_restarts_total{service=\"web\"} 2")).await;
    service.release().await;
}

#[tokio::test]
async fn children_of_a_dead_service_are_ended() {
    let place = Place::new();
    let script = "sleep 1000 & echo $! > child; echo $$ > pid; echo ready; wait";
    let service = place.service(serde_json::json!({ "program": "sh", "args": ["-c", script], "ready": "ready" }));
    service.start().await.unwrap();
    let child = read_pid(&place.path("child")).unwrap();
    kill_process(place.pid().await, Signal::KILL).unwrap();
    eventually("the child is gone", || !lives(child)).await;
    service.release().await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let place = Place::new();
    let missing = place.service(serde_json::json!({ "program": "no-such-program", "hint": "apt-get install it" }));
    let error = missing.start().await.unwrap_err();
    assert!(failed(&error).contains("`no-such-program`") && failed(&error).contains("apt-get install it"), "{error:?}");
    drop(missing);

    let script = serde_json::json!({ "program": "sh", "args": ["-c", "echo port is taken; exit 3"], "ready": "ready" });
    let ends = place.service(script);
    let error = ends.start().await.unwrap_err();
    assert!(failed(&error).contains("exit status: 3") && failed(&error).contains("port is taken"), "{error:?}");
    assert_eq!(ends.running().await, Ok(false));

    let script = serde_json::json!({
        "program": "sh", "args": ["-c", "echo $$ > pid; echo thinking; sleep 1000"],
        "ready": "ready", "ready-timeout-seconds": 1,
    });
    let hangs = place.service(script);
    let error = hangs.start().await.unwrap_err();
    assert!(matches!(&error, ServiceError::Timeout(text) if text.contains("1 s") && text.contains("thinking")));
    let pid = place.pid().await;
    eventually("it is killed", || !lives(pid)).await;
}

#[tokio::test]
async fn without_a_ready_line_it_must_live_for_a_moment() {
    let place = Place::new();
    let lives = place.service(serde_json::json!({ "program": "sleep", "args": ["1000"] }));
    assert_eq!(lives.start().await, Ok(StartOutcome::Started));
    lives.release().await;
    let place = Place::new();
    let ends = place.service(serde_json::json!({ "program": "false" }));
    assert!(failed(&ends.start().await.unwrap_err()).contains("exit status: 1"));
}

#[tokio::test]
async fn a_reload_tells_how_it_went() {
    let place = Place::new();
    let service = place.well_behaved();
    let report = service.reload().await.unwrap();
    assert!(report.ok, "one that does not run is started");
    assert_eq!(service.reload().await, Ok(Report { ok: true, output: "reloaded\n".to_owned() }));
    fs::write(place.path("broken"), "").unwrap();
    assert_eq!(service.reload().await, Ok(Report { ok: false, output: "[emerg] broken\n".to_owned() }));
    fs::remove_file(place.path("broken")).unwrap();
    let (one, other) = tokio::join!(service.reload(), service.reload());
    assert!(one.unwrap().ok && other.unwrap().ok);
    service.release().await;
}

#[tokio::test]
async fn a_reload_that_tells_nothing_times_out() {
    let place = Place::new();
    let service = place.service(serde_json::json!({
        "program": "sh", "args": ["-c", "trap 'echo hm' HUP; echo ready; while :; do sleep 0.02; done"],
        "ready": "ready", "reload": { "done": "never", "timeout-seconds": 1 },
    }));
    service.start().await.unwrap();
    let error = service.reload().await.unwrap_err();
    assert!(matches!(&error, ServiceError::Timeout(text) if text.contains("hm")), "{error:?}");
    assert_eq!(service.running().await, Ok(true));
    service.release().await;
}

#[tokio::test]
async fn a_service_that_dies_during_a_reload_fails_it() {
    let place = Place::new();
    let service = place.service(serde_json::json!({
        "program": "sh", "args": ["-c", "trap 'echo ouch; exit 9' HUP; echo ready; while :; do sleep 0.02; done"],
        "ready": "ready", "reload": { "done": "never" },
    }));
    service.start().await.unwrap();
    let error = service.reload().await.unwrap_err();
    assert!(failed(&error).contains("exit status: 9") && failed(&error).contains("ouch"), "{error:?}");
    service.release().await;
}

#[tokio::test]
async fn a_service_that_will_not_stop_is_killed() {
    let place = Place::new();
    let service = place.service(serde_json::json!({
        "program": "sh", "args": ["-c", "trap '' TERM; echo $$ > pid; echo ready; while :; do sleep 0.02; done"],
        "ready": "ready", "stop": { "timeout-seconds": 1 },
    }));
    service.start().await.unwrap();
    let pid = place.pid().await;
    assert_eq!(service.stop().await, Ok(()));
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_check_reports_and_changes_nothing() {
    let place = Place::new();
    let service = place.well_behaved();
    fs::create_dir(place.path("tree")).unwrap();
    let report = service.check(place.temporary.path(), &place.path("tree")).await.unwrap();
    assert!(!report.ok);
    assert_eq!(report.output, format!("checking {}\n", place.path("tree").display()));
    fs::write(place.path("tree/good"), "").unwrap();
    assert!(service.check(place.temporary.path(), &place.path("tree")).await.unwrap().ok);
    assert_eq!(service.running().await, Ok(false));
}

#[tokio::test]
async fn a_check_is_bounded() {
    let place = Place::new();
    let grant =
        |script: &str| serde_json::json!({ "program": "sh", "check": ["-c", script], "check-timeout-seconds": 1 });
    let flood = place.service(grant("yes | head -c 10000000; echo; echo end >&2"));
    let report = flood.check(place.temporary.path(), place.temporary.path()).await.unwrap();
    assert!(report.ok && report.output.len() == 64 << 10 && report.output.ends_with("y\n\nend\n"));
    let hangs = place.service(grant("echo $$ > pid; sleep 1000"));
    assert!(matches!(hangs.check(place.temporary.path(), place.temporary.path()).await, Err(ServiceError::Timeout(_))));
    let pid = place.pid().await;
    eventually("it is killed", || !lives(pid)).await;
    let clean = place.service(grant("env | grep -v -e ^PWD= -e ^PATH= -e ^_= -e ^SHLVL= -e ^OLDPWD="));
    assert_eq!(
        clean.check(place.temporary.path(), place.temporary.path()).await.unwrap().output,
        "",
        "the environment is empty"
    );
    let none = place.service(serde_json::json!({ "program": "sh" }));
    assert!(
        failed(&none.check(place.temporary.path(), place.temporary.path()).await.unwrap_err()).contains("no `check`")
    );
}

#[tokio::test]
async fn a_check_that_nobody_waits_for_is_killed() {
    let place = Place::new();
    let service = place.service(serde_json::json!({ "program": "sh", "check": ["-c", "echo $$ > pid; sleep 1000"] }));
    let pid = {
        let check = service.check(place.temporary.path(), place.temporary.path());
        tokio::pin!(check);
        tokio::select! {
            report = &mut check => panic!("{report:?}"),
            pid = place.pid() => pid,
        }
    };
    eventually("it is killed", || !lives(pid)).await;
}

#[tokio::test]
async fn a_service_outlives_its_host_and_the_next_one_takes_it_over() {
    let place = Place::new();
    let service = place.well_behaved();
    service.start().await.unwrap();
    let pid = place.pid().await;
    drop(service);
    let place = place.next_host();
    let service = place.well_behaved();
    assert_eq!(service.start().await, Ok(StartOutcome::AlreadyRunning));
    assert_eq!(read_pid(&place.path("pid")), Some(pid));
    assert_eq!(service.reload().await, Ok(Report { ok: true, output: "reloaded\n".to_owned() }));
    kill_process(pid, Signal::KILL).unwrap();
    eventually("it is started again", || read_pid(&place.path("pid")).is_some_and(|it| it != pid)).await;
    service.release().await;
    let pid = place.pid().await;
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_service_that_runs_otherwise_is_restarted() {
    let place = Place::new();
    let service = place.well_behaved();
    service.start().await.unwrap();
    let pid = place.pid().await;
    drop(service);
    let place = place.next_host();
    let mut grant = well_behaved();
    grant["args"] = serde_json::json!(["-c", format!("echo changed\n{WELL_BEHAVED}")]);
    let service = place.service(grant);
    assert_eq!(service.start().await, Ok(StartOutcome::Started));
    assert!(!lives(pid));
    assert_ne!(place.pid().await, pid);
    service.release().await;
}

#[tokio::test]
async fn orphans_of_a_dead_service_are_ended_by_the_next_host() {
    let place = Place::new();
    let script = "sleep 1000 & echo $! > child; echo $$ > pid; echo ready; wait";
    let grant = serde_json::json!({ "program": "sh", "args": ["-c", script], "ready": "ready" });
    let service = place.service(grant.clone());
    service.start().await.unwrap();
    let (pid, child) = (place.pid().await, read_pid(&place.path("child")).unwrap());
    drop(service);
    let place = place.next_host();
    kill_process(pid, Signal::KILL).unwrap();
    eventually("the service is gone", || !lives(pid)).await;
    assert!(lives(child));
    let service = place.service(grant);
    assert_eq!(service.start().await, Ok(StartOutcome::Started));
    eventually("the orphan is gone", || !lives(child)).await;
    service.release().await;
}

#[tokio::test]
async fn two_plugins_share_a_service_and_the_last_one_ends_it() {
    let place = Place::new();
    let (old, new) = (place.well_behaved(), place.well_behaved());
    old.start().await.unwrap();
    let pid = place.pid().await;
    assert_eq!(new.start().await, Ok(StartOutcome::AlreadyRunning));
    old.release().await;
    old.release().await;
    assert!(lives(pid), "the new one still uses it");
    assert!(failed(&old.start().await.unwrap_err()).contains("let go"));
    new.release().await;
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_plugin_that_never_asked_ends_nothing() {
    let place = Place::new();
    let service = place.well_behaved();
    service.start().await.unwrap();
    let pid = place.pid().await;
    drop(service);
    let place = place.next_host();
    let service = place.well_behaved();
    service.release().await;
    assert!(lives(pid));
    let service = place.well_behaved();
    service.stop().await.unwrap();
    assert!(!lives(pid), "an explicit stop finds it");
}
