//! Waiting for what is about to happen.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Far more than anything needs, also on a busy machine: only a test that fails waits this long.
pub const PATIENCE: Duration = Duration::from_secs(90);
const INTERVAL: Duration = Duration::from_millis(25);

/// Tries until it succeeds. Fails with the last error once [`PATIENCE`] is at its end.
pub async fn eventually<T>(what: impl Display, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{what}: not within {} s", PATIENCE.as_secs())));
            }
            Err(_) => pause().await,
        }
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
