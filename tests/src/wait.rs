//! Waiting for what is about to happen.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Far more than anything needs, also on a busy machine: only a test that fails waits this long.
pub const PATIENCE: Duration = Duration::from_mins(3);
const INTERVAL: Duration = Duration::from_millis(25);
/// The longest that one try counts for. A machine that stood still meanwhile made the program under test wait as well.
const LONGEST: Duration = Duration::from_secs(20);

/// Tries until it succeeds. Fails with the last error once [`PATIENCE`] is at its end.
pub async fn eventually<T>(what: impl Display, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut waited = Duration::ZERO;
    loop {
        let start = Instant::now();
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if waited >= PATIENCE => {
                return Err(error.context(format!("{what}: not within {} s", PATIENCE.as_secs())));
            }
            Err(_) => pause().await,
        }
        waited += start.elapsed().min(LONGEST);
    }
}

/// The pause between two looks at a condition.
pub async fn pause() {
    tokio::time::sleep(INTERVAL).await;
}

/// The pause of a client between two requests.
pub(crate) async fn breathe() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}
