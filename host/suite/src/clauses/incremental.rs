use futures::FutureExt as _;
use lb_model::types::ChangeKind;

use crate::{
    clause::{Check, Checked, Clause, Ended},
    fixtures::{Web, backend_id, endpoint},
    records::Add as _,
    stage::Stage,
};

pub(super) const CLAUSE: Clause = Clause {
    id: "incremental",
    title: "differences lead to where a complete apply leads",
    section: "types.change-set (wit/types.wit)",
    contract: "One step from what a load balancer serves to what it should serve. A record replaces the one of the same \
               key.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    if fixtures.descriptor.change_sets == ChangeKind::Complete {
        return Err(Ended::skipped("the provider takes complete change-sets only"));
    }
    let Web { configuration: first, http } = fixtures.web();
    stage.serve(&first).await?;
    // A host and a backend more, one host less, another endpoint, and back.
    let more = first
        .clone()
        .backend(fixtures.backend("cart"))
        .host(fixtures.host(&http.name, "cart.suite.test", "cart"))
        .host(fixtures.host(&http.name, "both.suite.test", "shop"));
    let other = more.clone().without_host(&format!("{}/shop.suite.test", http.name));
    let moved = vec![endpoint("127.0.0.2", 8080), endpoint("127.0.0.3", 8080)];
    let moved = other.clone().backend(fixtures.backend_with("shop", moved));
    let mut fewer = first.clone();
    fewer.tables.backends.retain(|id, _| *id == backend_id("shop"));
    let steps = [&more, &other, &moved, &fewer];
    let mut served = &first;
    for wanted in steps {
        stage.change(served, wanted).await?;
        stage.is_in_place(wanted).await?;
        served = wanted;
    }
    Ok(())
}
