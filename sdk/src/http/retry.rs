use std::time::Duration;

/// What is sent again, and when. The default has a call wait less than 2 seconds, so that it stays far from its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often one request is sent at most; at least once.
    pub attempts: u32,
    /// The longest pause before the second attempt; it doubles with each further one. A part of each is random.
    pub pause: Duration,
    /// All pauses of one client together are shorter than this.
    pub patience: Duration,
    /// No request is sent again so long after it was sent first.
    pub window: Duration,
}

impl Retry {
    /// Nothing is sent twice.
    pub const NEVER: Self =
        Self { attempts: 1, pause: Duration::ZERO, patience: Duration::ZERO, window: Duration::ZERO };

    /// The pause after so many attempts: at least the half of the longest.
    pub(super) fn back_off(&self, attempt: u32, random: &[u8]) -> Duration {
        let longest = self.pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let share = random.iter().take(2).fold(0, |share, &byte| share << 8 | u32::from(byte));
        longest / 2 + (longest / 2).saturating_mul(share) / 0x1_0000
    }
}

impl Default for Retry {
    /// 3 attempts with pauses of up to 200 and 400 ms, 2 s of pauses altogether, and none later than 20 s.
    fn default() -> Self {
        Self {
            attempts: 3,
            pause: Duration::from_millis(200),
            patience: Duration::from_secs(2),
            window: Duration::from_secs(20),
        }
    }
}
