//! All kinds of faults, mixed.

use std::fmt;
use std::time::Duration;

use super::Fault;

/// Strikes at random, the same way for the same seed and the same order of requests.
#[derive(Clone)]
pub struct Chaos {
    seed: u64,
    random: fastrand::Rng,
    probability: f64,
    pause: Duration,
}

impl Chaos {
    /// Strikes one request in five; hangs and delays take up to 200 ms.
    pub fn seeded(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { seed, random, probability: 0.2, pause: Duration::from_millis(200) }
    }

    /// Strikes with this probability (0 to 1).
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability, ..self }
    }

    /// The longest hang and the longest delay.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    pub(super) fn draw(&mut self, write: bool) -> Option<Fault> {
        if self.random.f64() >= self.probability {
            return None;
        }
        let pause = self.pause.mul_f64(self.random.f64());
        let fault = match self.random.u8(..if write { 12 } else { 11 }) {
            0 => Fault::Status(500),
            1 => Fault::Status(503),
            2 => Fault::ProxyPage(502),
            3 => Fault::HangBefore(pause),
            4 => Fault::HangAfter(pause),
            5 => Fault::ResetBefore,
            6 => Fault::ResetAfter,
            7 => Fault::Delay(pause),
            8 => Fault::Truncated,
            9 => Fault::CutBody,
            10 => Fault::SlowBody { bytes_per_second: self.random.u32(20_000..200_000) },
            _ => Fault::Status(409),
        };
        Some(fault)
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "chaos with seed {} and probability {}", self.seed, self.probability)
    }
}
