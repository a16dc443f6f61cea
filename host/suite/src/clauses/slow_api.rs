use std::time::Duration;

use futures::FutureExt as _;

use crate::{
    clause::{Check, Checked, Clause, Ended},
    records::Add as _,
    relay::Mode,
    stage::Stage,
};

/// What an API far away, or a busy one, takes for an answer.
const SLOW: Duration = Duration::from_millis(150);

pub(super) const CLAUSE: Clause = Clause {
    id: "slow-api",
    title: "an API that takes its time is waited for",
    section: "provider.apply (wit/provider.wit)",
    contract: "Makes the load balancer match. If it takes long, the outcome is `pending`, and the host asks again by \
               `observe`.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    if !stage.has_apis() {
        return Err(Ended::skipped("the provider uses no API over HTTP"));
    }
    let fixtures = &stage.fixtures;
    let web = fixtures.web();
    stage.set_apis(Mode::Slow(SLOW));
    stage.serve(&web.configuration).await?;
    let other = web.configuration.clone().host(fixtures.host(&web.http.name, "slow.suite.test", "shop"));
    stage.change(&web.configuration, &other).await?;
    stage.is_in_place(&other).await?;
    stage.gone(&other.load_balancer.id).await
}
