use futures::FutureExt as _;

use crate::{
    clause::{Check, Checked, Clause, Ended, ensure},
    stage::Stage,
};

pub(super) const CLAUSE: Clause = Clause {
    id: "observe",
    title: "observe lists what was applied, once, and whose it is",
    section: "provider.observe and types.observed (wit/provider.wit, wit/types.wit)",
    contract: "Every load balancer that carries this provider's owner mark; with the UID of its owner as marked when it \
               was made, `none` for per-class providers.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let wanted = stage.fixtures.web().configuration;
    let id = &wanted.load_balancer.id;
    ensure(stage.observed(id).await?.is_none(), "nothing is listed before it is applied", || format!("{id} is"))?;
    let observed = stage.serve(&wanted).await?;
    let owner = wanted.load_balancer.owner.as_ref().map(|owner| owner.uid.clone());
    ensure(observed.owner_uid == owner, &format!("the owner's UID is {owner:?}"), || {
        format!("{:?}", observed.owner_uid)
    })?;
    let all = stage.observe().await?;
    match all.iter().filter(|observed| observed.load_balancer == *id).count() {
        1 => Ok(()),
        count => Err(Ended::broken(format!("{id} is listed once"), format!("{count} times in {all:?}"))),
    }
}
