//! A provider that runs, and components that are put in its place.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{server::Server, world::World};

/// `lb-controller dev`, and the lines that it prints.
struct Dev {
    child: Child,
    lines: Receiver<Value>,
}

impl Dev {
    fn start(world: &World, provider: &str, trust: &str) -> Self {
        let class = b"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: { name: lb }\n\
                      spec: { controller: lb-controller.io/ingress }\n";
        let manifest = world.write("class.yaml", class);
        let mut child = Command::new(env!("CARGO_BIN_EXE_lb-controller"))
            .args(["dev", "--output", "json", "--provider", provider, "--provider-trust", trust, "-f", &manifest])
            .env_clear()
            .env("LB_CONTROLLER_STATE_DIR", world.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    // The test has ended.
                    break;
                }
            }
        });
        let dev = Self { child, lines };
        dev.wait_for(|line| line["event"] == "ready");
        dev
    }

    fn wait_for(&self, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_mins(2));
            let line = line.unwrap_or_else(|error| panic!("{error}; so far: {seen:#?}"));
            let found = is_it(&line);
            seen.push(line);
            if found {
                return seen;
            }
        }
    }
}

impl Dev {
    /// Has it look again at what it runs.
    fn hang_up(&self) {
        let process = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(process, Signal::HUP).unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended; there is nobody to tell anything else.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_refused_leaves_the_running_version_alone() {
    let world = World::new();
    let ((private, public), (stranger, _)) = (world.keys("team"), world.keys("stranger"));
    // Renamed into place, the signature first, as whoever deploys it should.
    let replace = |content: &[u8], key: Option<&str>| {
        let new = world.write("new.wasm", content);
        match key {
            Some(key) => {
                world.succeeds(&["sign", &new, "--sign-key", key]);
                fs::rename(world.path("new.wasm.sig"), world.path("quiet.wasm.sig")).unwrap();
            }
            None => fs::remove_file(world.path("quiet.wasm.sig")).unwrap(),
        }
        fs::rename(&new, world.path("quiet.wasm")).unwrap();
    };
    let good = fs::read(lb_guests::component("quiet")).unwrap();
    replace(&good, Some(&private));
    let dev = Dev::start(&world, world.path("quiet.wasm").to_str().unwrap(), &public);

    // The same with a custom section: another digest.
    let other = [&good, &b"\0\x05\x04test"[..]].concat();
    let mut newer = good.clone();
    let export = b"lb-controller:provider/provider@0.1.0";
    for place in (0..good.len()).filter(|&place| good[place..].starts_with(export)) {
        newer[place + export.len() - 3] = b'9';
    }
    for (content, key, told) in [
        (&other[..], Some(&stranger), "not signed by a key of --provider-trust"),
        (&other, None, "is not signed"),
        (&newer, Some(&private), "Build it with the SDK of that version"),
        (&good[..good.len() / 2], Some(&private), "Build it anew"),
    ] {
        replace(content, key.map(String::as_str));
        let is_refused = |line: &Value| {
            line["reason"] == "ProviderRefused" && line["message"].as_str().is_some_and(|text| text.contains(told))
        };
        let seen = dev.wait_for(is_refused);
        assert!(!seen.iter().any(|line| line["reason"] == "ProviderSwapped"), "{seen:#?}");
    }
    replace(&other, Some(&private));
    dev.wait_for(|line| line["reason"] == "ProviderSwapped");
}

#[test]
fn what_a_tag_turns_into_takes_over_only_if_it_can_be_trusted() {
    let (world, server) = (World::new(), Server::start());
    let ((private, public), (stranger, _)) = (world.keys("team"), world.keys("stranger"));
    let reference = server.reference("team/quiet:1").to_string();
    let good = fs::read(lb_guests::component("quiet")).unwrap();
    let push = |content: &[u8], key: Option<&str>| {
        let file = world.write("pushed.wasm", content);
        let sign = key.map(|key| ["--sign-key", key]);
        world.succeeds(&[&["push", &file, &reference][..], sign.as_ref().map_or(&[][..], |sign| sign)].concat());
    };
    push(&good, Some(&private));
    let dev = Dev::start(&world, &reference, &public);

    let build = |name: &[u8; 4]| [&good[..], b"\0\x05\x04", name].concat();
    let told = |reason: &'static str, text: &'static str| {
        move |line: &Value| line["reason"] == reason && line["message"].as_str().is_some_and(|it| it.contains(text))
    };
    for (content, key, text) in [
        (build(b"evil"), Some(&stranger), "not signed by a key of --provider-trust"),
        (build(b"bare"), None, "is not signed"),
    ] {
        push(&content, key.map(String::as_str));
        dev.hang_up();
        let seen = dev.wait_for(told("ProviderRefused", text));
        assert!(!seen.iter().any(|line| line["reason"] == "ProviderSwapped"), "{seen:#?}");
    }

    // What the registry has is not what was signed.
    let next = build(b"next");
    push(&next, Some(&private));
    let file = server.file(lb_registry::Digest::of(&next));
    let mut tampered = next.clone();
    *tampered.last_mut().unwrap() ^= 1;
    fs::write(&file, tampered).unwrap();
    dev.hang_up();
    dev.wait_for(told("ProviderRefused", "should be sha256:"));
    fs::write(&file, &next).unwrap();
    dev.hang_up();
    dev.wait_for(told("ProviderSwapped", ""));
}
