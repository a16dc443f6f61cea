use std::time::{Duration, Instant};

use futures::FutureExt as _;

use crate::{
    clause::{Check, Checked, Clause, ensure},
    fixtures::{STRANGER, Web},
    records::Add as _,
    stage::{Stage, listed},
};

/// Points of a call at which it is ended.
const POINTS: u32 = 10;

pub(super) const CLAUSE: Clause = Clause {
    id: "cancelled",
    title: "a call that ends at any point is made good by the next one",
    section: "provider.apply (wit/provider.wit)",
    contract: "May be called again with the same change after a crash or a timeout, at any point of the first call.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    let Web { configuration: wanted, http } = fixtures.web();
    let other = wanted.clone().backend(fixtures.backend("cart")).host(fixtures.host(&http.name, STRANGER, "cart"));
    // How long a call takes that has all to do.
    let started = Instant::now();
    stage.apply(wanted.complete()).await?;
    let whole = started.elapsed().max(Duration::from_millis(5));
    stage.settle(&wanted).await?;
    for point in 0..=POINTS {
        let next = if point % 2 == 0 { &other } else { &wanted };
        // The future is dropped, and the call ends where it is.
        drop(tokio::time::timeout(whole * point / POINTS, stage.try_apply(next.complete())).await);
    }
    stage.serve(&wanted).await?;
    stage.is_in_place(&wanted).await?;
    let traces = stage.traces(STRANGER, &wanted).await?;
    ensure(traces.is_empty(), "nothing is left of what a later call does not name", || {
        format!("{STRANGER} still stands in {}", listed(&traces))
    })
}
