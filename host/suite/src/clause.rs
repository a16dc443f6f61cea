//! One sentence of the contract, and how it is checked.

use std::time::Instant;

use futures::future::LocalBoxFuture;

use crate::{ClauseReport, Error, Verdict, bench::Bench, stage::Stage};

/// One sentence of the contract.
pub(crate) struct Clause {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Where it stands.
    pub(crate) section: &'static str,
    pub(crate) contract: &'static str,
    pub(crate) check: Check,
}

/// What a check works with.
pub(crate) enum Check {
    /// The component, granted nothing.
    Component(for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, Checked>),
    /// A provider whose APIs work.
    Working(for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, Checked>),
    /// A provider that uses an API, which may be one that only fails.
    Failing(for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, Checked>),
}

/// How a check ends that does not come to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    Broken { expected: String, came: String },
    Skipped(String),
    Failed(Error),
}

pub(crate) type Checked<T = ()> = Result<T, Ended>;

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Ended {
    pub(crate) fn broken(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self::Broken { expected: expected.into(), came: came.into() }
    }

    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped(reason.into())
    }
}

/// Ends the check unless something holds.
pub(crate) fn ensure(holds: bool, expected: &str, came: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Ended::broken(expected, came())) }
}

impl Clause {
    /// Checks it.
    pub(crate) async fn run(&self, bench: &Bench) -> Result<ClauseReport, Error> {
        let started = Instant::now();
        let verdict = match self.check(bench).await {
            Ok(()) => Verdict::Kept,
            Err(Ended::Broken { expected, came }) => Verdict::Broken { expected, came },
            Err(Ended::Skipped(reason)) => Verdict::Skipped { reason },
            Err(Ended::Failed(error)) => return Err(error),
        };
        let &Self { id, title, section, contract, .. } = self;
        Ok(ClauseReport { id, title, section, contract, verdict, took: started.elapsed() })
    }

    async fn check(&self, bench: &Bench) -> Checked {
        let (stage, check) = match self.check {
            Check::Component(check) => return check(bench).await,
            Check::Working(check) => {
                if let Some(grant) = bench.without_api()? {
                    return Err(Ended::skipped(format!(
                        "there is no API for the HTTP grant `{grant}` that the suite may change; name one"
                    )));
                }
                (bench.stage(self.id).await?, check)
            }
            Check::Failing(check) => {
                if bench.inspected()?.1.is_empty() {
                    return Err(Ended::skipped("the provider uses no API over HTTP"));
                }
                (bench.failing_stage(self.id).await?, check)
            }
        };
        let checked = check(&stage).await;
        stage.close().await;
        checked
    }
}
