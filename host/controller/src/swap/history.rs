//! What became of attempts to swap a provider, for people and for machines.

use k8s_openapi::jiff::Timestamp;
use lb_sandbox::{Plan, Plugin};
use serde::Serialize;

/// Lines of a plan that are kept.
const MOST_LINES: usize = 200;

/// Why a swap was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    File,
    Signal,
    Request,
    Approval,
    Rollback,
}

impl Cause {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Signal => "signal",
            Self::Request => "request",
            Self::Approval => "approval",
            Self::Rollback => "rollback",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The other version is called from now on.
    Swapped,
    /// What there is is what runs.
    Unchanged,
    /// The version that runs goes on.
    Refused,
    /// Somebody has to approve it.
    Waiting,
}

impl Outcome {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Swapped => "swapped",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Waiting => "waiting",
        }
    }
}

/// One build of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    /// SHA-256 of the component.
    pub(crate) digest: String,
}

impl Version {
    pub(crate) fn of(plugin: &Plugin) -> Self {
        Self { version: plugin.version().to_owned(), digest: plugin.digest().to_owned() }
    }
}

/// One attempt.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Attempt {
    #[serde(skip)]
    pub(crate) provider: String,
    pub(crate) at: Timestamp,
    pub(crate) cause: Cause,
    pub(crate) outcome: Outcome,
    /// What ran before.
    pub(crate) from: Version,
    /// What was to run; the same as `from` where the other one could not even be loaded.
    pub(crate) to: Version,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// What the other version would have changed, as its rehearsal showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Vec<String>>,
}

impl Attempt {
    pub(crate) fn new(cause: Cause, outcome: Outcome, running: &Plugin) -> Self {
        let from = Version::of(running);
        let (provider, to) = (running.name().to_owned(), from.clone());
        Self { provider, at: Timestamp::now(), cause, outcome, from, to, message: None, plan: None }
    }
}

/// A version that waits for approval.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Waiting {
    #[serde(flatten)]
    pub(crate) version: Version,
    pub(crate) plan: Vec<String>,
}

/// A plan as lines for people.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    let line = |load_balancer: &str, text: &str| match load_balancer {
        "" => text.to_owned(),
        id => format!("{id}: {text}"),
    };
    let changes = plan.changes.iter().map(|change| line(&change.load_balancer, &change.action));
    let problems = plan.problems.iter().map(|it| format!("{}: cannot be rehearsed: {}", it.load_balancer, it.action));
    let mut lines: Vec<_> = changes.chain(problems).collect();
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A number of changes, for people.
pub(crate) fn count(changes: usize) -> String {
    if changes == 1 { "one thing".to_owned() } else { format!("{changes} things") }
}
