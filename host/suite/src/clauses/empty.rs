use futures::FutureExt as _;
use lb_model::{provider::CallError, types::Error};

use crate::{
    clause::{Check, Checked, Clause, ensure},
    records,
    stage::{Stage, failed},
};

pub(super) const CLAUSE: Clause = Clause {
    id: "empty",
    title: "a load balancer without any record is no accident",
    section: "types.outcome and types.error (wit/types.wit)",
    contract: "All but the rejections is served; or `invalid`: these objects cannot be served and nothing was changed.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let full = stage.fixtures.web().configuration;
    let empty = records::empty(full.load_balancer.clone());
    // Empty from the start, emptied, and filled again.
    apply_empty(stage, &empty).await?;
    stage.serve(&full).await?;
    apply_empty(stage, &empty).await?;
    stage.serve(&full).await?;
    stage.is_in_place(&full).await
}

/// It is taken, or refused in the name of its owner.
async fn apply_empty(stage: &Stage, empty: &lb_model::tables::Configuration) -> Checked {
    let end = stage.end();
    loop {
        return match stage.try_apply(empty.complete()).await {
            Ok(_) => Ok(()),
            Err(CallError::Provider(Error::Invalid(rejections))) => {
                let owner = &empty.load_balancer.owner;
                let named = rejections.iter().any(|rejection| Some(&rejection.object) == owner.as_ref());
                ensure(named, "a refusal names the owner of the load balancer", || format!("{rejections:?}"))
            }
            Err(CallError::Provider(Error::Unavailable(_) | Error::Conflict(_))) if std::time::Instant::now() < end => {
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
                continue;
            }
            Err(error) => Err(failed("apply of an empty load balancer", &error)),
        };
    }
}
