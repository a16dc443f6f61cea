//! A provider that does what `settings.behaviour` says. Each way to break a limit is one behaviour; `script` runs the
//! lines of `settings.script`, one call of the host each, and tells the answers.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::pedantic, unreachable_pub, reason = "generated from wit/")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" });

use std::sync::atomic::{AtomicU64, Ordering};

use exports::lb_controller::provider::provider::Guest;
use lb_controller::provider::{
    clock, files, key_reveal, keys,
    log::{self, Level},
    random, services,
    types::{
        Address, BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, ObjectRef, Observed, Outcome, Placement,
        Readiness, Rejection, Removal, RetryAfter, Scope,
    },
};
use serde_json::Value;

struct Hostile;

impl Guest for Hostile {
    fn describe() -> Descriptor {
        Descriptor {
            name: "hostile".to_owned(),
            version: "1.2.3".to_owned(),
            scope: Scope::PerClass,
            placement: Placement::EveryReplica,
            change_sets: ChangeKind::Incremental,
            backend_detail: BackendDetail::Endpoints,
            features: Vec::new(),
            annotation_prefixes: Vec::new(),
            observe_interval: 0,
            settings_schema: "{}".to_owned(),
            grants: Vec::new(),
        }
    }

    fn check_settings(settings: String) -> Result<(), String> {
        match behaviour(&settings).as_str() {
            "refuse-settings" => Err("behaviour: refused as told".to_owned()),
            "trap-in-check" => panic!("trapped as told"),
            _ => Ok(()),
        }
    }

    fn apply(settings: String, change: ChangeSet) -> Result<Outcome, Error> {
        let done = |text: String| Outcome {
            readiness: Readiness::Pending(text),
            addresses: Vec::new(),
            rejections: Vec::new(),
        };
        let told = match behaviour(&settings).as_str() {
            // One plugin misbehaves and behaves.
            "annotated" => annotation(&change, "behaviour"),
            told => told.to_owned(),
        };
        match told.as_str() {
            "loop" => endless(),
            "allocate" => allocate(),
            "recurse" => Ok(done(recurse(0).to_string())),
            "trap" => panic!("trapped as told"),
            "host-calls" => loop {
                clock::monotonic();
            },
            "log-flood" => {
                for number in 0..5_000 {
                    log::log(Level::Info, &format!("line {number}"), &[]);
                }
                Ok(done("flooded".to_owned()))
            }
            "log-forgery" => {
                log::log(
                    Level::Warn,
                    "real\nERROR forged\u{1b}[2J",
                    &[("path".to_owned(), "/a\nb".to_owned()), ("size".to_owned(), "3".to_owned())],
                );
                Ok(done("logged".to_owned()))
            }
            "huge-text" => Ok(done("x".repeat(100 << 20))),
            "many-addresses" => {
                Ok(Outcome { readiness: Readiness::Ready, addresses: million_addresses(), rejections: Vec::new() })
            }
            "start-service" => Ok(done(format!("{:?}", services::start("web")))),
            "sleep" => {
                clock::sleep(3_600_000);
                Ok(done("slept".to_owned()))
            }
            "nap" => {
                files::put("napping", &[]).expect("can be written");
                while !files::list("").expect("can be listed").contains(&"wake".to_owned()) {
                    clock::sleep(10);
                }
                Ok(done("napped".to_owned()))
            }
            "random-flood" => Ok(done(random::bytes(65537).len().to_string())),
            "stage-and-trap" => {
                files::stage("live").expect("can be staged");
                panic!("trapped as told")
            }
            "stage-and-sleep" => {
                files::stage("live").expect("can be staged");
                clock::sleep(3_600_000);
                Ok(done("slept".to_owned()))
            }
            "invalid" => Err(Error::Invalid(vec![Rejection {
                object: ObjectRef {
                    kind: "Ingress".to_owned(),
                    namespace: "default".to_owned(),
                    name: "web".to_owned(),
                    uid: "1".to_owned(),
                },
                field: "spec".to_owned(),
                message: "refused as told".to_owned(),
            }])),
            "denied" => Err(Error::Denied("refused as told".to_owned())),
            "unavailable" => Err(Error::Unavailable(RetryAfter { message: "later".to_owned(), after: Some(10) })),
            "script" => Ok(done(script(&settings))),
            _ => Ok(done(change.load_balancer.id)),
        }
    }

    fn remove(_: String, load_balancer: String) -> Result<Removal, Error> {
        Ok(Removal::Pending(load_balancer))
    }

    fn observe(settings: String) -> Result<Vec<Observed>, Error> {
        let addresses = match behaviour(&settings).as_str() {
            "trap-in-observe" => panic!("trapped as told"),
            "observe-many-addresses" => million_addresses(),
            _ => Vec::new(),
        };
        Ok(vec![Observed {
            load_balancer: "lb".to_owned(),
            owner_uid: None,
            readiness: Readiness::Ready,
            addresses,
            drift: None,
        }])
    }
}

export!(Hostile);

fn setting(settings: &str, key: &str) -> Value {
    serde_json::from_str::<Value>(settings).expect("settings are JSON")[key].clone()
}

fn behaviour(settings: &str) -> String {
    setting(settings, "behaviour").as_str().unwrap_or_default().to_owned()
}

fn annotation(change: &ChangeSet, key: &str) -> String {
    let found = change.load_balancer.annotations.iter().find(|it| it.key == key);
    found.map(|it| it.value.clone()).unwrap_or_default()
}

fn million_addresses() -> Vec<Address> {
    (0..1_000_000).map(|number: u32| Address::Ip(number.to_string())).collect()
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

fn endless() -> ! {
    loop {
        COUNTER.fetch_add(1, Ordering::Relaxed);
    }
}

fn allocate() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 20]);
        COUNTER.store(hoard.iter().map(Vec::len).sum::<usize>() as u64, Ordering::Relaxed);
    }
}

/// Deeper than any stack, with nothing kept in memory.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed);
    if depth == u64::MAX {
        return 0;
    }
    recurse(depth + 1) ^ COUNTER.load(Ordering::Relaxed)
}

fn script(settings: &str) -> String {
    let lines = setting(settings, "script");
    let mut copy = String::new();
    let mut answers = Vec::new();
    for line in lines.as_array().expect("the script is a list") {
        // `@` stands for the copy that was staged last.
        let line = line.as_str().expect("a line is a string").replace('@', &copy);
        let words: Vec<_> = line.split(' ').collect();
        let answer = match words.as_slice() {
            ["put", path, content] => format!("{:?}", files::put(path, content.as_bytes())),
            ["read", path] => format!("{:?}", files::read(path).map(|it| String::from_utf8_lossy(&it).into_owned())),
            ["list", path] => format!("{:?}", files::list(path)),
            ["remove", path] => format!("{:?}", files::remove(path)),
            ["stage", tree] => {
                let staged = files::stage(tree);
                copy = staged.clone().unwrap_or_default();
                format!("{:?}", staged.map(drop))
            }
            ["activate", tree, staged] => format!("{:?}", files::activate(tree, staged).map(|old| old.is_some())),
            ["discard", staged] => format!("{:?}", files::discard(staged)),
            ["store-key", certificate, path] => format!("{:?}", keys::store(certificate, path)),
            ["reveal-key", certificate] => format!("{:?}", key_reveal::reveal(certificate)),
            ["start", service] => format!("{:?}", services::start(service)),
            ["check", service, path] => format!("{:?}", services::check(service, path)),
            ["reload", service] => format!("{:?}", services::reload(service)),
            ["running", service] => format!("{:?}", services::running(service)),
            ["stop", service] => format!("{:?}", services::stop(service)),
            ["random", count] => random::bytes(count.parse().expect("a number")).len().to_string(),
            ["sleep", milliseconds] => format!("{:?}", clock::sleep(milliseconds.parse().expect("a number"))),
            ["clock"] => {
                let (before, now) = (clock::monotonic(), clock::now());
                clock::sleep(1);
                format!("{} {}", clock::monotonic() - before >= 1_000_000, now > 1_577_836_800_000)
            }
            _ => panic!("no such command: {line}"),
        };
        answers.push(answer);
    }
    answers.join("\n")
}
