use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use lb_model::{
    provider::{Breach, CallError},
    types::Error,
};
use prometheus_client::registry::Registry;

use super::Circuits;
use crate::{Metrics, configuration::CircuitLimits};

thread_local! {
    static START: Instant = Instant::now();
    static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The clock of this thread, which stands still but for [`advance`].
pub(crate) fn clock() -> Instant {
    START.with(|start| *start + AHEAD.get())
}

pub(crate) fn advance(seconds: u64) {
    AHEAD.set(AHEAD.get() + Duration::from_secs(seconds));
}

const LIMITS: CircuitLimits =
    CircuitLimits { breaches: 3, within_seconds: 100, open_seconds: 10, longest_open_seconds: 35 };

struct World {
    registry: Registry,
    metrics: Arc<Metrics>,
    circuits: Circuits,
}

impl World {
    fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let circuits = Circuits::with_clock(&"fake".into(), LIMITS, &metrics, clock);
        Self { registry, metrics, circuits }
    }

    /// Makes a call that ends so, if it may be made.
    fn call(&self, load_balancer: &str, result: &Result<(), CallError>) -> Result<(), CallError> {
        let permit = self.circuits.enter(load_balancer)?;
        permit.ended(result);
        Ok(())
    }

    fn breaks(&self, load_balancer: &str) {
        self.call(load_balancer, &Err(breach())).expect("the circuit is closed");
    }

    /// How long a call is told to wait; `None`: it may be made, and is dropped.
    fn wait(&self, load_balancer: &str) -> Option<u64> {
        match self.circuits.enter(load_balancer) {
            Ok(_) => None,
            Err(CallError::Open { kind: Breach::Trap, retry_after, .. }) => Some(retry_after.as_secs()),
            Err(other) => panic!("{other}"),
        }
    }

    /// The gauge, and the counter.
    fn counted(&self) -> (u64, u64) {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let value = |name: &str| {
            let name = format!("{name}{{provider=\"fake\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |value| value.parse().unwrap())
        };
        (value("lb_provider_circuit_open"), value("lb_provider_circuit_openings_total"))
    }
}

fn breach() -> CallError {
    CallError::Breach { kind: Breach::Trap, message: "unreachable".to_owned() }
}

#[test]
fn it_opens_after_breaches_in_a_row_and_closes_after_a_good_probe() {
    let world = World::new();
    world.breaks("a");
    world.breaks("a");
    assert_eq!((world.wait("a"), world.counted()), (None, (0, 0)));
    world.breaks("a");
    assert_eq!((world.wait("a"), world.counted()), (Some(10), (1, 1)));
    advance(4);
    assert_eq!(world.wait("a"), Some(6));
    advance(6);
    world.call("a", &Ok(())).unwrap();
    assert_eq!((world.wait("a"), world.counted()), (None, (0, 1)));
    // It starts anew.
    world.breaks("a");
    world.breaks("a");
    assert_eq!(world.wait("a"), None);
}

#[test]
fn the_pause_doubles_while_probes_fail_and_starts_anew_after_a_good_one() {
    let world = World::new();
    let open = || (0..3).for_each(|_| world.breaks("a"));
    open();
    for seconds in [10, 20, 35, 35] {
        assert_eq!(world.wait("a"), Some(seconds));
        advance(seconds);
        world.breaks("a");
    }
    assert_eq!(world.counted(), (1, 1), "it never closed");
    advance(35);
    world.call("a", &Ok(())).unwrap();
    open();
    assert_eq!((world.wait("a"), world.counted()), (Some(10), (1, 2)));
}

#[test]
fn one_call_is_the_probe() {
    let world = World::new();
    (0..3).for_each(|_| world.breaks("a"));
    advance(10);
    let probe = world.circuits.enter("a").unwrap();
    assert_eq!(world.wait("a"), Some(1));
    // Dropped, it says nothing, and the next call is the probe.
    drop(probe);
    let probe = world.circuits.enter("a").unwrap();
    assert_eq!(world.wait("a"), Some(1));
    probe.ended(&Err::<(), _>(breach()));
    assert_eq!(world.wait("a"), Some(20));
}

#[test]
fn only_breaches_in_a_row_and_within_the_time_count() {
    let world = World::new();
    let denied = || Err(CallError::Provider(Error::Denied("no".to_owned())));
    for good in [Ok(()), denied()] {
        world.breaks("a");
        world.breaks("a");
        world.call("a", &good).unwrap();
    }
    world.breaks("a");
    advance(60);
    world.breaks("a");
    advance(60);
    world.breaks("a");
    assert_eq!(world.wait("a"), None, "the first was too long ago");
    advance(10);
    world.breaks("a");
    assert_eq!(world.wait("a"), Some(10));
}

#[test]
fn one_load_balancer_keeps_no_other_waiting() {
    let world = World::new();
    for load_balancer in ["a", "a", "b", "", "a", "b"] {
        world.breaks(load_balancer);
    }
    assert_eq!(["a", "b", ""].map(|it| world.wait(it)), [Some(10), None, None]);
    world.breaks("b");
    assert_eq!(world.counted(), (2, 2));
    assert_eq!((world.circuits.open(), world.circuits.openings()), (2, 2));
}

#[test]
fn a_plugin_that_goes_takes_its_circuits_with_it() {
    let mut world = World::new();
    (0..3).for_each(|_| world.breaks("a"));
    assert_eq!(world.counted(), (1, 1));
    world.circuits = Circuits::with_clock(&"fake".into(), LIMITS, &world.metrics, clock);
    assert_eq!((world.wait("a"), world.counted()), (None, (0, 1)));
}

#[test]
fn what_was_long_ago_is_forgotten() {
    let world = World::new();
    for number in 0..1000 {
        world.breaks(&number.to_string());
    }
    advance(101);
    world.breaks("a");
    assert_eq!(world.circuits.known().len(), 1);
}
