use std::{env, fs, process::Stdio};

use lb_model::provider::Provider;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::world::{World, change, eventually};

fn read_pid(world: &World) -> Option<Pid> {
    fs::read_to_string(world.path("pid")).ok()?.trim().parse().ok().and_then(Pid::from_raw)
}

/// Whether it runs; one that nobody reaps does not.
fn lives(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[tokio::test]
async fn a_provider_runs_its_service() {
    let world = World::new();
    let script = [
        "running web",
        "start web",
        "start web",
        "reload web",
        "put tree/conf good",
        "check web tree",
        "check web nowhere",
        "check web ../tree",
        "running web",
        "stop web",
        "running web",
        "start other",
    ];
    let answers = world.script(&script).await;
    let reloaded = r#"Ok(Report { ok: true, output: "reloaded\n" })"#;
    assert_eq!(answers[..4], ["Ok(false)", "Ok(StartOutcome::Started)", "Ok(StartOutcome::AlreadyRunning)", reloaded]);
    assert_eq!(answers[5], r#"Ok(Report { ok: true, output: "good" })"#);
    assert!(answers[6].starts_with("Err(ServiceError::Failed(") && answers[6].contains("nowhere"), "{}", answers[6]);
    assert!(answers[7].starts_with("Err(ServiceError::Failed("), "{}", answers[7]);
    assert_eq!(answers[8..], ["Ok(true)", "Ok(())", "Ok(false)", r#"Err(ServiceError::NotGranted("other"))"#]);
}

#[tokio::test]
async fn a_new_version_takes_over_without_a_restart() {
    let world = World::new();
    let settings = json!({ "behaviour": "script", "script": ["start web"] });
    let old = world.hostile(settings.clone(), json!({})).await;
    old.apply(change("lb")).await.unwrap();
    let pid = read_pid(&world).unwrap();
    let new = world.hostile(settings, json!({})).await;
    new.apply(change("lb")).await.unwrap();
    old.shutdown().await;
    drop(old);
    assert!(lives(pid));
    assert_eq!(read_pid(&world), Some(pid));
    new.shutdown().await;
    assert!(!lives(pid));
}

/// Not a test: the host that `a_killed_host_leaves_its_service_to_the_next` kills.
#[tokio::test]
#[ignore = "run by another test"]
async fn host() {
    let Some(directory) = env::var_os("SERVICE_DIRECTORY") else { return };
    let world = World::new();
    let mut configuration =
        world.hostile_configuration(json!({ "behaviour": "script", "script": ["start web"] }), json!({}));
    configuration["grants"]["files"]["path"] = directory.to_str().unwrap().into();
    let plugin = world.load(&lb_guests::component("hostile"), configuration).await.unwrap();
    plugin.apply(change("lb")).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_host_leaves_its_service_to_the_next() {
    let world = World::new();
    // Built here, so that the other process does not build it.
    lb_guests::component("hostile");
    let mut host = tokio::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "services::host", "--ignored", "--nocapture"])
        .env("SERVICE_DIRECTORY", world.temporary.path())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("the host started the service", || read_pid(&world).is_some()).await;
    host.kill().await.unwrap();
    let pid = read_pid(&world).unwrap();
    assert!(lives(pid), "the service outlives its host");

    let answers = world.script(&["start web", "reload web"]).await;
    assert_eq!(answers, ["Ok(StartOutcome::AlreadyRunning)", r#"Ok(Report { ok: true, output: "reloaded\n" })"#]);
    assert_eq!(read_pid(&world), Some(pid), "it is the same one");
    assert_eq!(world.script(&["stop web"]).await, ["Ok(())"]);
    assert!(!lives(pid));
}

/// What nginx needs of a supervisor: its log says how a reload went, and its workers outlive a master that is killed.
#[tokio::test]
async fn nginx_is_supervised() {
    let world = World::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let conf = |extra: &str| {
        format!(
            "daemon off; pid pid; error_log stderr notice; events {{}} {extra}
             http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
             uwsgi_temp_path t4; scgi_temp_path t5;
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 served; }} }} }}"
        )
    };
    let configuration = |script: &[&str]| {
        let settings = json!({ "behaviour": "script", "script": script });
        let mut configuration = world.hostile_configuration(settings, json!({}));
        configuration["grants"]["services"]["web"] = json!({
            "program": "nginx",
            "args": ["-e", "stderr", "-p", "{directory}", "-c", "{directory}/nginx.conf"],
            "check": ["-e", "stderr", "-t", "-p", "{directory}", "-c", "{path}"],
            "ready": "start worker process ",
            "reload": { "done": "start worker process ", "failed": "\\[emerg\\]" },
            "stop": { "signal": "QUIT" },
            "hint": "apt-get install nginx",
        });
        configuration
    };
    let load =
        async |script: &[&str]| world.load(&lb_guests::component("hostile"), configuration(script)).await.unwrap();
    let run = async |script: &[&str]| {
        let outcome = load(script).await.apply(change("lb")).await.unwrap();
        format!("{:?}", outcome.readiness)
    };
    let serves = || {
        use std::io::{Read, Write};
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
        let mut answer = String::new();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.ends_with("served")
    };
    // The service lives as long as a plugin does.
    let keeper = load(&["running web"]).await;
    fs::write(world.path("nginx.conf"), conf("")).unwrap();
    let checked = run(&["check web nginx.conf", "start web"]).await;
    assert!(checked.contains("test is successful") && checked.contains("Started"), "{checked}");
    assert!(serves());
    let master = read_pid(&world).unwrap();

    let reloaded = run(&["reload web"]).await;
    assert!(reloaded.contains("ok: true"), "{reloaded}");
    fs::write(world.path("nginx.conf"), conf("nonsense;")).unwrap();
    let refused = run(&["check web nginx.conf", "reload web"]).await;
    assert_eq!(refused.matches("ok: false").count(), 2, "{refused}");
    assert_eq!(refused.matches("unknown directive").count(), 2, "{refused}");
    assert!(serves(), "it goes on with what it had");

    fs::write(world.path("nginx.conf"), conf("")).unwrap();
    kill_process(master, Signal::KILL).unwrap();
    eventually("another master serves", || read_pid(&world).is_some_and(|pid| pid != master) && serves()).await;
    keeper.shutdown().await;
    assert!(!serves());
}
