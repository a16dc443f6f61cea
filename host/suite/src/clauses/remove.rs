use futures::FutureExt as _;
use lb_model::{provider::Provider as _, types::Removal};

use crate::{
    clause::{Check, Checked, Clause, Ended, ensure},
    fixtures::STRANGER,
    records::Add as _,
    stage::{Stage, failed, listed},
};

pub(super) const REMOVE: Clause = Clause {
    id: "remove",
    title: "what is removed is gone, and listed no more",
    section: "provider.remove (wit/provider.wit)",
    contract: "Removes a load balancer with all that belongs to it.",
    check: Check::Working(|stage| remove(stage).boxed_local()),
};

pub(super) const UNKNOWN: Clause = Clause {
    id: "remove-unknown",
    title: "removing what is unknown is done at once",
    section: "provider.remove (wit/provider.wit)",
    contract: "One that is unknown is `removed`.",
    check: Check::Working(|stage| unknown(stage).boxed_local()),
};

pub(super) const TWICE: Clause = Clause {
    id: "remove-twice",
    title: "removing again is done at once, and it can be made again",
    section: "provider.remove (wit/provider.wit)",
    contract: "Idempotent.",
    check: Check::Working(|stage| twice(stage).boxed_local()),
};

async fn remove(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    let web = fixtures.web();
    let wanted = web.configuration.host(fixtures.host(&web.http.name, STRANGER, "shop"));
    let id = &wanted.load_balancer.id;
    stage.serve(&wanted).await?;
    stage.gone(id).await?;
    if let Some(observed) = stage.observed(id).await? {
        return Err(Ended::broken(format!("observe does not list {id}, which is removed"), format!("{observed:?}")));
    }
    let left = stage.directory.holding(STRANGER)?;
    ensure(left.is_empty(), "no file is left of it", || format!("{STRANGER} still stands in {}", listed(&left)))
}

async fn unknown(stage: &Stage) -> Checked {
    let id = stage.fixtures.load_balancer().id;
    is_removed(stage, &id).await
}

async fn twice(stage: &Stage) -> Checked {
    let wanted = stage.fixtures.web().configuration;
    let id = &wanted.load_balancer.id;
    for _ in 0..2 {
        stage.serve(&wanted).await?;
        stage.gone(id).await?;
        is_removed(stage, id).await?;
    }
    Ok(())
}

async fn is_removed(stage: &Stage, id: &str) -> Checked {
    match stage.plugin.remove(id).await {
        Ok(Removal::Removed) => Ok(()),
        Ok(Removal::Pending(reason)) => Err(Ended::broken("removed", format!("pending: {reason}"))),
        Err(error) => Err(failed("remove", &error)),
    }
}
