use futures::FutureExt as _;

use crate::{
    clause::{Check, Checked, Clause, Ended, ensure},
    directory::differences,
    stage::{Stage, listed},
};

pub(super) const CLAUSE: Clause = Clause {
    id: "idempotence",
    title: "a second complete apply changes nothing",
    section: "provider.apply (wit/provider.wit)",
    contract: "Makes the load balancer match. Idempotent; may be called again with the same change after a crash or a \
               timeout.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let wanted = stage.fixtures.web().configuration;
    let before = stage.serve(&wanted).await?;
    stage.is_in_place(&wanted).await?;
    let files = stage.directory.prints()?;
    stage.take_writes();
    stage.apply(wanted.complete()).await?;
    let written = differences(&files, &stage.directory.prints()?);
    ensure(written.is_empty(), "no file is written", || listed(&written))?;
    let sent = stage.take_writes();
    ensure(sent.is_empty(), "no request that changes something", || listed(&sent))?;
    match stage.observed(&wanted.load_balancer.id).await? {
        Some(after) if after == before => Ok(()),
        after => Err(Ended::broken(format!("observe tells the same: {before:?}"), format!("{after:?}"))),
    }
}
