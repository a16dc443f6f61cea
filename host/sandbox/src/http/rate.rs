use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// A token bucket. Who waits, waits in the order of coming; who stops waiting takes nothing.
#[derive(Debug)]
pub(crate) struct Rate(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    /// Time in which a token comes.
    interval: Duration,
    /// What is left to fill may be so much while there is still a token.
    slack: Duration,
    /// When it is full, if none is taken before.
    full: Option<Instant>,
}

impl Rate {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self(Mutex::new(Bucket::new(per_second, burst)))
    }

    /// Waits for a token and takes it.
    pub(crate) async fn take(&self) {
        let mut bucket = self.0.lock().await;
        while let Err(ready) = bucket.take(Instant::now()) {
            sleep_until(ready).await;
        }
    }
}

impl Bucket {
    fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, slack: interval * burst.saturating_sub(1), full: None }
    }

    /// Takes a token, or tells when there is one.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let full = self.full.map_or(now, |full| full.max(now));
        match full.checked_sub(self.slack) {
            Some(ready) if ready > now => Err(ready),
            _ => {
                self.full = Some(full + self.interval);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::time::Instant;

    use super::{Bucket, Rate};

    #[test]
    fn a_burst_passes_and_the_rate_holds_after_it() {
        let mut bucket = Bucket::new(10, 3);
        let mut now = Instant::now();
        let tenth = Duration::from_millis(100);
        for round in 0..3 {
            for _ in 0..3 {
                bucket.take(now).expect("within the burst");
            }
            for _ in 0..5 {
                let ready = bucket.take(now).unwrap_err();
                assert_eq!(ready, now + tenth, "round {round}");
                assert!(bucket.take(ready - Duration::from_millis(1)).is_err());
                bucket.take(ready).unwrap();
                now = ready;
            }
            // Full again, and no fuller.
            now += Duration::from_mins(1);
        }
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_nothing() {
        let rate = Rate::new(1, 1);
        rate.take().await;
        let full = rate.0.lock().await.full;
        for _ in 0..10 {
            assert!(rate.take().now_or_never().is_none());
        }
        assert_eq!(rate.0.lock().await.full, full);
    }
}
