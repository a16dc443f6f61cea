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

/// Whatever the link names, and whatever is done to it, is done to nothing outside.
#[tokio::test]
async fn no_link_is_followed_out_of_the_directory() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::create_dir(world.path("live")).unwrap();
    for (link, target) in [
        ("directory", outside.path()),
        ("file", &*secret),
        ("live/file", &*secret),
        ("nowhere", "/nonexistent".as_ref()),
    ] {
        std::os::unix::fs::symlink(target, world.path(link)).unwrap();
    }
    let lines = [
        "read file",
        "read directory/secret",
        "read live/file",
        "list directory",
        "put directory/new x",
        "store-key known directory/key",
        "remove directory/secret",
        "stage directory",
        "stage live",
        "read @/file",
        "put file x",
        "put nowhere x",
        "remove file",
        "remove directory",
    ];
    let answers = world.script(&lines).await;
    assert!(!format!("{answers:?}").contains("\"secret\\"), "{answers:?}");
    for (line, answer) in lines.iter().zip(&answers).take(8) {
        assert!(answer.starts_with("Err("), "{line}: {answer}");
    }
    let left: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["secret"], "{answers:?}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret", "{answers:?}");
}

#[tokio::test]
async fn the_directory_cannot_grow_beyond_its_limit() {
    let world = World::new();
    let mut configuration = world.hostile_configuration(
        json!({ "behaviour": "script", "script": ["put a x", "put b x", "put c x", "read c"] }),
        json!({}),
    );
    configuration["grants"]["files"]["max-bytes"] = "12KiB".into();
    let plugin = world.load(&lb_guests::component("hostile"), configuration).await.unwrap();
    let outcome = plugin.apply(change("lb")).await.unwrap();
    let Readiness::Pending(answers) = outcome.readiness else { panic!("{outcome:?}") };
    let answers: Vec<_> = answers.lines().collect();
    assert_eq!(answers[..2], ["Ok(PutOutcome::Written)"; 2]);
    assert!(answers[2].starts_with("Err(FileError::TooLarge("), "{answers:?}");
    assert!(answers[3].starts_with("Err(FileError::NotFound("), "{answers:?}");
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
