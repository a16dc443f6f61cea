use std::fs;

use lb_model::{
    provider::Provider,
    types::{Readiness, Removal},
};
use serde_json::json;

use crate::{
    events::Events,
    world::{KEY, World, change},
};

#[tokio::test]
async fn files_stay_in_the_granted_directory() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), world.path("link")).unwrap();
    let answers = world
        .script(&[
            "put a/b hello",
            "put a/b hello",
            "read a/b",
            "list a",
            "list nowhere",
            "read ../secret",
            "read /etc/passwd",
            "read link/secret",
            "put .services/web.json x",
            "read nowhere",
            "remove a",
            "list ",
        ])
        .await;
    assert_eq!(
        answers[..5],
        ["Ok(PutOutcome::Written)", "Ok(PutOutcome::Unchanged)", "Ok(\"hello\")", "Ok([\"b\"])", "Ok([])"]
    );
    for answer in &answers[5..9] {
        assert!(answer.starts_with("Err(FileError::InvalidPath("), "{answer}");
    }
    assert_eq!(answers[9..], ["Err(FileError::NotFound(\"nowhere\"))", "Ok(())", "Ok([])"]);
}

#[tokio::test]
async fn trees_go_live_in_one_step() {
    let world = World::new();
    let answers = world
        .script(&[
            "stage live",
            "put @/conf one",
            "activate live @",
            "stage live",
            "read @/conf",
            "put @/conf two",
            "activate live @",
            "read live/conf",
            "stage live",
            "discard @",
        ])
        .await;
    assert_eq!(
        answers,
        [
            "Ok(())",
            "Ok(PutOutcome::Written)",
            "Ok(false)",
            "Ok(())",
            "Ok(\"one\")",
            "Ok(PutOutcome::Written)",
            "Ok(true)",
            "Ok(\"two\")",
            "Ok(())",
            "Ok(())"
        ]
    );
    assert_eq!(fs::read_to_string(world.path("live/conf")).unwrap(), "two");
}

#[tokio::test]
async fn keys_reach_the_disk_or_the_guest_as_granted() {
    let (world, events) = (World::new(), Events::collect());
    let answers = world
        .script(&[
            "store-key known keys/known.pem",
            "store-key known keys/known.pem",
            "store-key unknown keys/unknown.pem",
            "store-key known ../known.pem",
            "reveal-key known",
            "reveal-key unknown",
        ])
        .await;
    assert_eq!(
        answers[..3],
        ["Ok(PutOutcome::Written)", "Ok(PutOutcome::Unchanged)", "Err(KeyError::UnknownCertificate(\"unknown\"))"]
    );
    assert!(answers[3].starts_with("Err(KeyError::File(FileError::InvalidPath("), "{}", answers[3]);
    assert_eq!(answers[4..], [format!("Some({KEY:?})"), "None".to_owned()]);
    assert_eq!(fs::read_to_string(world.path("keys/known.pem")).unwrap(), KEY);
    assert!(events.of("provider").iter().all(|line| !line.contains("PRIVATE")));
}

#[tokio::test]
async fn time_and_randomness_are_there_for_all() {
    let answers = World::new().script(&["clock", "random 0", "random 65536"]).await;
    assert_eq!(answers, ["true true", "0", "65536"]);
}

#[tokio::test]
async fn log_lines_tell_who_and_cannot_be_forged() {
    let (world, events) = (World::new(), Events::collect());
    let plugin = world.hostile(json!({ "behaviour": "log-forgery" }), json!({})).await;
    plugin.apply(change("default/web")).await.unwrap();
    assert_eq!(
        events.of("provider"),
        [
            r#"WARN message=real\nERROR forged\u{1b}[2J provider="hostile" version="1.2.3" load_balancer="default/web" fields="path=\"/a\\nb\" size=\"3\"""#
        ]
    );
}

#[tokio::test]
async fn every_function_reaches_the_provider() {
    let world = World::new();
    let plugin = world.hostile(json!({}), json!({})).await;
    assert_eq!(plugin.apply(change("the-class")).await.unwrap().readiness, Readiness::Pending("the-class".to_owned()));
    assert_eq!(plugin.remove("the-class").await.unwrap(), Removal::Pending("the-class".to_owned()));
    assert_eq!(plugin.observe().await.unwrap()[0].load_balancer, "lb");
}

#[tokio::test]
async fn wasi_denies_all_but_time_randomness_and_stderr() {
    let (world, events) = (World::new(), Events::collect());
    let plugin = world.load(&lb_guests::component("foreign"), json!({})).await.unwrap();
    let outcome = plugin.apply(change("lb")).await.unwrap();
    let given = "0 directories, 0 variables, 0 arguments, 16 random bytes, clock after 2020: true";
    assert_eq!(outcome.readiness, Readiness::Pending(given.to_owned()));
    let lines = events.of("provider");
    let messages: Vec<_> = lines.iter().map(|line| &line[..line.find(" provider=").unwrap()]).collect();
    assert_eq!(messages, ["WARN message=first line", "WARN message=second line", "WARN message=last line"]);
}
