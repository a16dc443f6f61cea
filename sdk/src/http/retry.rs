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
    /// What has to have happened.
    pub after: RetryCause,
}

/// After what a request is sent again, if that may be done to it at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// Whatever may pass: no connection, a broken one, a timeout, and an answer that says so.
    Any,
    /// A connection that broke. It may have been an old one that the API had closed already, and the next one is new.
    BrokenConnection,
}

impl Retry {
    /// Nothing is sent twice.
    pub const NEVER: Self = Self {
        attempts: 1,
        pause: Duration::ZERO,
        patience: Duration::ZERO,
        window: Duration::ZERO,
        after: RetryCause::Any,
    };

    /// Once more, at once, over a connection that broke within a second; for calls that the controller makes again anyway,
    /// with growing pauses, which would be multiplied by every attempt made here.
    pub const BROKEN_CONNECTION: Self = Self {
        attempts: 2,
        pause: Duration::from_millis(50),
        patience: Duration::from_millis(500),
        window: Duration::from_secs(1),
        after: RetryCause::BrokenConnection,
    };

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
            after: RetryCause::Any,
        }
    }
}
