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
    /// Calls of granted functions. 1000000.
    pub host_calls: u64,
    /// What may cross to the host at once: the arguments of one call of a granted function, or the result. 64 MiB.
    #[serde(deserialize_with = "scalar::bytes")]
    pub bytes: u64,
    /// Log lines that are kept. 1000.
    pub log_lines: u64,
    /// Stack of the instance. 1 MiB.
    #[serde(deserialize_with = "scalar::bytes")]
    pub stack_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compute_ms: 5_000,
            wall_ms: 60_000,
            memory_bytes: 256 << 20,
            table_elements: 100_000,
            host_calls: 1_000_000,
            bytes: 64 << 20,
            log_lines: 1_000,
            stack_bytes: 1 << 20,
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
        within("bytes", self.bytes, 1 << 10..=2 << 30)?;
        within("stack-bytes", self.stack_bytes, 64 << 10..=64 << 20)
    }
}

fn within(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), InvalidConfiguration> {
    if range.contains(&value) {
        return Ok(());
    }
    let message = format!("is {value}; must be from {} to {}", range.start(), range.end());
    Err(InvalidConfiguration::new(format!("limits.{key}"), message))
}
