use std::{ops::RangeInclusive, time::Duration};

use serde::Deserialize;

use super::{InvalidConfiguration, scalar};

/// What one call of a provider may use. What goes beyond ends the call, and that call only; only log lines are dropped
/// instead. Sizes are a number of bytes, or one with `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Milliseconds that the provider computes, waits in the host excluded, to the accuracy of some ten. 5000.
    pub compute_ms: u64,
    /// Milliseconds from start to end, waits in the host included. 60000.
    pub wall_ms: u64,
    /// Memory of the instance: all linear memories together. 256 MiB.
    #[serde(deserialize_with = "scalar::bytes")]
    pub memory_bytes: u64,
    /// Elements of all tables together. 100000.
    pub table_elements: u64,
    /// Instances of core modules that the component is made of, and memories, and tables: of each so many. 256.
    pub instances: usize,
    /// Calls of granted functions. 1000000.
    pub host_calls: u64,
    /// What may cross to the host at once: the arguments of one call of a granted function, or the result. 64 MiB.
    #[serde(deserialize_with = "scalar::bytes")]
    pub bytes: u64,
    /// Addresses of one load balancer that the provider tells. 256.
    pub addresses: u64,
    /// Log lines that are kept. 1000.
    pub log_lines: u64,
    /// Stack of the instance. 1 MiB.
    #[serde(deserialize_with = "scalar::bytes")]
    pub stack_bytes: u64,
    /// When a provider that keeps breaking these limits is left alone, and for how long.
    pub circuit: CircuitLimits,
}

/// When a provider that breaks its limits for a load balancer, again and again, is not called for it for a while.
/// Observations are looked after in the same way. A trap counts as a broken limit; an error of the contract does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CircuitLimits {
    /// Breaches in a row that open the circuit. 5.
    pub breaches: u32,
    /// Seconds in which they have to happen. 600: five calls that end at the wall deadline, and the time between them.
    pub within_seconds: u64,
    /// Seconds until one call is tried. Doubled each time that this call is a breach again. 30.
    pub open_seconds: u64,
    /// What the doubling ends at, in seconds. 600.
    pub longest_open_seconds: u64,
}

impl Default for CircuitLimits {
    fn default() -> Self {
        Self { breaches: 5, within_seconds: 600, open_seconds: 30, longest_open_seconds: 600 }
    }
}

impl CircuitLimits {
    fn validate(self) -> Result<(), InvalidConfiguration> {
        const DAY: u64 = 24 * 60 * 60;
        within("circuit.breaches", self.breaches.into(), 1..=1000)?;
        within("circuit.within-seconds", self.within_seconds, 1..=DAY)?;
        within("circuit.open-seconds", self.open_seconds, 1..=DAY)?;
        within("circuit.longest-open-seconds", self.longest_open_seconds, self.open_seconds..=DAY)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compute_ms: 5_000,
            wall_ms: 60_000,
            memory_bytes: 256 << 20,
            table_elements: 100_000,
            instances: 256,
            host_calls: 1_000_000,
            bytes: 64 << 20,
            addresses: 256,
            log_lines: 1_000,
            stack_bytes: 1 << 20,
            circuit: CircuitLimits::default(),
        }
    }
}

impl Limits {
    /// Time from start to end of a call.
    pub(crate) fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfiguration> {
        const DAY: u64 = 24 * 60 * 60 * 1000;
        within("compute-ms", self.compute_ms, 10..=DAY)?;
        within("wall-ms", self.wall_ms, 10..=DAY)?;
        within("memory-bytes", self.memory_bytes, 1 << 16..=4 << 30)?;
        within("table-elements", self.table_elements, 0..=10_000_000)?;
        within("instances", self.instances as u64, 1..=10_000)?;
        within("bytes", self.bytes, 1 << 10..=2 << 30)?;
        within("addresses", self.addresses, 1..=10_000)?;
        within("stack-bytes", self.stack_bytes, 64 << 10..=64 << 20)?;
        self.circuit.validate()
    }
}

fn within(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), InvalidConfiguration> {
    if range.contains(&value) {
        return Ok(());
    }
    let message = format!("is {value}; must be from {} to {}", range.start(), range.end());
    Err(InvalidConfiguration::new(format!("limits.{key}"), message))
}
