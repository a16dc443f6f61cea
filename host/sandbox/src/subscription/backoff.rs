use std::time::Duration;

/// How long to wait before the next attempt: doubled from 1 s to 60 s, less up to a half by chance, so that those that
/// lost one server do not come back at once.
pub(super) struct Backoff {
    next: Duration,
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// A connection that stood for so long was a good one.
const HEALTHY: Duration = Duration::from_mins(1);

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: SHORTEST }
    }

    pub(super) fn next(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(LONGEST);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    pub(super) fn was_connected_for(&mut self, duration: Duration) {
        if duration >= HEALTHY {
            self.next = SHORTEST;
        }
    }

    /// Trying again soon would not help.
    pub(super) fn slowest(&mut self) {
        self.next = LONGEST;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn it_doubles_up_to_a_minute_and_starts_anew_after_a_good_connection() {
        let mut backoff = Backoff::new();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let full = Duration::from_secs(seconds);
            let wait = backoff.next();
            assert!(full / 2 <= wait && wait <= full, "{wait:?} of {full:?}");
        }
        backoff.was_connected_for(Duration::from_secs(59));
        assert!(backoff.next() >= Duration::from_secs(30));
        backoff.was_connected_for(Duration::from_mins(1));
        assert!(backoff.next() <= Duration::from_secs(1));
        backoff.slowest();
        assert!(backoff.next() >= Duration::from_secs(30));
    }
}
