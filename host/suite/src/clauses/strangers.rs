use futures::FutureExt as _;

use crate::{
    clause::{Check, Checked, Clause, ensure},
    fixtures::{STRANGER, Web},
    records::Add as _,
    stage::{Stage, listed},
};

pub(super) const CLAUSE: Clause = Clause {
    id: "strangers",
    title: "a complete apply takes away what it does not name",
    section: "types.change-kind (wit/types.wit)",
    contract: "complete: the upserts are all there is. What the provider serves beyond them for this load balancer must \
               go; the removals are empty.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    let Web { configuration: wanted, http } = fixtures.web();
    let more = wanted.clone().backend(fixtures.backend("cart")).host(fixtures.host(&http.name, STRANGER, "cart"));
    stage.serve(&more).await?;
    stage.serve(&wanted).await?;
    let traces = stage.traces(STRANGER, &wanted).await?;
    ensure(traces.is_empty(), "nothing is left of a host that a complete change-set does not name", || {
        format!("{STRANGER} still stands in {}", listed(&traces))
    })?;
    stage.is_in_place(&wanted).await
}
