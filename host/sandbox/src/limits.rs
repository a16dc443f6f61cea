//! What one call has used, and which limit it broke.

use std::sync::Arc;

use lb_model::{
    provider::{Breach, CallError},
    types::Address,
};
use wasmtime::{ResourceLimiter, Trap, UpdateDeadline, WasmBacktrace};

use crate::{configuration::Limits, engine::TICK};

/// The call broke a limit. Raised as a trap, so that nothing of the provider runs after it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Exceeded {
    kind: Breach,
    message: String,
}

impl Exceeded {
    fn trap(kind: Breach, message: String) -> wasmtime::Error {
        wasmtime::Error::new(Self { kind, message })
    }
}

/// What a call has used so far.
pub(crate) struct Budget {
    limits: Arc<Limits>,
    memory_bytes: u64,
    table_elements: u64,
    host_calls: u64,
    ticks: u128,
}

impl Budget {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self { limits, memory_bytes: 0, table_elements: 0, host_calls: 0, ticks: 0 }
    }

    /// What may cross to the host at once, and back.
    pub(crate) fn bytes(&self) -> u64 {
        self.limits.bytes
    }

    /// Counts a call of a granted function.
    pub(crate) fn charge_host_call(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        let most = self.limits.host_calls;
        if self.host_calls > most {
            let message = format!("more than {most} calls of granted functions (limits.host-calls)");
            return Err(Exceeded::trap(Breach::HostCalls, message));
        }
        Ok(())
    }

    /// Counts a tick during which the provider computed. Time that it waits in the host raises the epoch too, but is
    /// seen as one tick when the provider goes on.
    pub(crate) fn charge_tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.ticks += 1;
        let most = self.limits.compute_ms;
        if self.ticks * TICK.as_millis() > u128::from(most) {
            let message = format!("more than {most} ms of computing (limits.compute-ms)");
            return Err(Exceeded::trap(Breach::ComputeDeadline, message));
        }
        Ok(UpdateDeadline::Yield(1))
    }
}

/// Whether a load balancer has no more addresses than it may have: they are to stand in the status of each Ingress.
pub(crate) fn check_addresses(addresses: &[Address], limits: &Limits) -> wasmtime::Result<()> {
    let most = limits.addresses;
    if addresses.len() as u64 > most {
        let message = format!("more than {most} addresses of one load balancer (limits.addresses)");
        return Err(Exceeded::trap(Breach::Addresses, message));
    }
    Ok(())
}

/// A refusal is a trap, not a failed `memory.grow`: a guest answers that with an abort that hides the reason.
impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let total = self.memory_bytes + (desired - current) as u64;
        let most = self.limits.memory_bytes;
        if total > most {
            let message = format!("more than {most} bytes of memory (limits.memory-bytes)");
            return Err(Exceeded::trap(Breach::Memory, message));
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let total = self.table_elements + (desired - current) as u64;
        let most = self.limits.table_elements;
        if total > most {
            let message = format!("more than {most} table elements (limits.table-elements)");
            return Err(Exceeded::trap(Breach::Table, message));
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }
}

/// The call did not end in time.
pub(crate) fn wall_deadline(limits: &Limits) -> CallError {
    let message = format!("more than {} ms from start to end (limits.wall-ms)", limits.wall_ms);
    CallError::Breach { kind: Breach::WallDeadline, message }
}

/// Which limit an error of the engine means, in one line that ends with where in the provider it came from.
pub(crate) fn breach(error: &wasmtime::Error, limits: &Limits) -> CallError {
    let (kind, reason) = if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        (exceeded.kind, exceeded.message.clone())
    } else if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        (Breach::Stack, format!("more than {} bytes of stack (limits.stack-bytes)", limits.stack_bytes))
    } else if out_of_hostcall_fuel(error) {
        (Breach::Bytes, format!("more than {} bytes at once (limits.bytes)", limits.bytes))
    } else if let Some(what) = too_many(error) {
        (Breach::Instances, format!("more than {} {what} (limits.instances)", limits.instances))
    } else {
        (Breach::Trap, error.root_cause().to_string())
    };
    let message = match frames(error) {
        Some(frames) => format!("{reason}; in {frames}"),
        None => reason,
    };
    CallError::Breach { kind, message }
}

/// The engine's error for too many bytes crossing at once has no public type.
fn out_of_hostcall_fuel(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().ends_with("fuel allocated for hostcalls has been exhausted")
}

/// What there were too many of. The engine's error for it has no public type either.
fn too_many(error: &wasmtime::Error) -> Option<&'static str> {
    let text = error.root_cause().to_string();
    let (what, _) = text.strip_prefix("resource limit exceeded: ")?.split_once(" count too high")?;
    match what {
        "instance" => Some("instances"),
        "memory" => Some("memories"),
        "table" => Some("tables"),
        _ => None,
    }
}

/// The innermost functions of the provider, innermost first, from a text of one line for each: `0: 0x1a2 - name`.
fn frames(error: &wasmtime::Error) -> Option<String> {
    const SHOWN: usize = 8;
    let backtrace = error.downcast_ref::<WasmBacktrace>()?.to_string();
    let names: Vec<_> = backtrace.lines().filter_map(|line| Some(line.split_once(" - ")?.1)).take(SHOWN).collect();
    (!names.is_empty()).then(|| names.join(" < "))
}
