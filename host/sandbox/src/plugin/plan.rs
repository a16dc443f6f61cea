//! What a provider would do, found out by letting it try where nothing comes of it.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use lb_model::{bindings::lb_controller::provider::files::FileError, provider::CallError, types::ChangeSet};
use tokio::task::spawn_blocking;

use super::{Caller, Plugin};
use crate::{
    directory::Rehearsal,
    grants::{Granted, GrantedDirectory, rehearsal::Recorder},
};

/// Rehearsals of load balancers that run side by side.
const SIDE_BY_SIDE: usize = 8;

/// What complete applies would change outside. It is what the host saw the provider try, not what the provider says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Requests that would be sent, services that would be started, stopped or told to reload, files that would be
    /// written or removed; one line each. A provider that is refused a request may end there, so what would follow on the
    /// answer is not among them.
    pub changes: Vec<Change>,
    /// Load balancers that the provider could not rehearse though it would change nothing, and why: the API was away, or the
    /// configuration is refused.
    pub problems: Vec<Change>,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which load balancer; empty for files, which are all load balancers'.
    pub load_balancer: String,
    /// For people.
    pub action: String,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The directory could not be copied.
    #[error("the granted directory cannot be copied for a rehearsal: {0}")]
    Directory(String),
    /// It broke a limit.
    #[error("while it rehearsed {load_balancer}: {source}")]
    Call {
        /// What was to be applied.
        load_balancer: String,
        /// What it broke.
        source: CallError,
    },
}

impl Plan {
    /// Whether nothing would change, as far as that could be found out.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.problems.is_empty()
    }
}

impl Plugin {
    /// Rehearses complete applies: requests that may change something are refused and written down, files go to a copy of
    /// the directory, services are checked but neither started nor reloaded.
    ///
    /// # Errors
    /// If the provider breaks a limit, or the directory cannot be copied.
    pub async fn plan(&self, changes: Vec<ChangeSet>) -> Result<Plan, PlanError> {
        let caller = &self.0.caller;
        let rehearsal = match &caller.granted.files {
            None => None,
            Some(granted) => {
                let directory = granted.directory.clone();
                Some(Arc::new(blocking(move || directory.rehearse()).await?))
            }
        };
        let plans = stream::iter(changes.into_iter().map(|change| self.rehearse(change, rehearsal.as_deref())));
        let mut plan = plans
            .buffer_unordered(SIDE_BY_SIDE)
            .try_fold(Plan::default(), async |mut plan: Plan, one: Plan| {
                plan.changes.extend(one.changes);
                plan.problems.extend(one.problems);
                Ok(plan)
            })
            .await?;
        if let Some(rehearsal) = rehearsal {
            let written = blocking(move || rehearsal.changes()).await?;
            plan.changes.extend(written.into_iter().map(|action| Change { load_balancer: String::new(), action }));
        }
        plan.changes.sort_by(|one, other| one.load_balancer.cmp(&other.load_balancer));
        Ok(plan)
    }

    async fn rehearse(&self, change: ChangeSet, rehearsal: Option<&Rehearsal>) -> Result<Plan, PlanError> {
        let load_balancer = change.load_balancer.id.clone();
        let recorder = Arc::<Recorder>::default();
        let original = &*self.0.caller.granted;
        let files = original.files.as_ref().zip(rehearsal).map(|(granted, rehearsal)| GrantedDirectory {
            directory: rehearsal.directory().clone(),
            max_bytes: granted.max_bytes,
        });
        let granted = Granted { files, rehearsal: Some(recorder.clone()), ..original.clone() };
        let caller = Caller { granted: Arc::new(granted), ..self.0.caller.clone() };
        let applied = caller.apply("plan", &self.0.settings, change).await;
        let line = |action| Change { load_balancer: load_balancer.clone(), action };
        let changes: Vec<_> = recorder.take().into_iter().map(line).collect();
        match applied {
            Err(error @ CallError::Provider(_)) if changes.is_empty() => {
                Ok(Plan { problems: vec![line(error.to_string())], changes })
            }
            Ok(_) | Err(CallError::Provider(_)) => Ok(Plan { changes, problems: Vec::new() }),
            Err(source) => Err(PlanError::Call { load_balancer, source }),
        }
    }
}

/// Walks over a directory where blocking harms nobody.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, FileError> + Send + 'static,
) -> Result<R, PlanError> {
    let done = spawn_blocking(work).await.map_err(|error| PlanError::Directory(error.to_string()))?;
    done.map_err(|error| {
        let (FileError::InvalidPath(text)
        | FileError::NotFound(text)
        | FileError::TooLarge(text)
        | FileError::Io(text)) = error;
        PlanError::Directory(text)
    })
}
