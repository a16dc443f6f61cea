use futures::{
    FutureExt as _,
    future::{join_all, try_join_all},
};

use crate::{
    clause::{Check, Checked, Clause, Ended, ensure},
    stage::Stage,
};

/// Load balancers side by side.
const COUNT: usize = 8;

pub(super) const CLAUSE: Clause = Clause {
    id: "side-by-side",
    title: "load balancers are made side by side and do not touch each other",
    section: "provider.apply (wit/provider.wit)",
    contract: "At most one call at a time for one load balancer. What the provider serves beyond the change-set must go \
               for this load balancer.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    if !fixtures.is_per_object() {
        return Err(Ended::skipped("one load balancer is shared by all objects of a class"));
    }
    let web = |number| fixtures.web_of(fixtures.named(&format!("side-by-side-{number}"))).configuration;
    let all: Vec<_> = (0..COUNT).map(web).collect();
    for applied in join_all(all.iter().map(|wanted| stage.apply(wanted.complete()))).await {
        applied?;
    }
    try_join_all(all.iter().map(|wanted| stage.settle(wanted))).await?;
    // A complete apply of one is about that one, and so is a removal.
    let (gone, rest) = all.split_first().expect("there are some");
    stage.serve(&rest[0]).await?;
    stage.gone(&gone.load_balancer.id).await?;
    let observed = stage.observe().await?;
    for wanted in rest {
        let id = &wanted.load_balancer.id;
        let drift = match observed.iter().find(|observed| observed.load_balancer == *id) {
            None => Some("it is not listed".to_owned()),
            Some(observed) => observed.drift.clone(),
        };
        ensure(drift.is_none(), &format!("{id} stays as it was while others come and go"), || {
            drift.unwrap_or_default()
        })?;
        stage.is_in_place(wanted).await?;
    }
    Ok(())
}
