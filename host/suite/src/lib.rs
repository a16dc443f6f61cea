//! The provider contract suite: `wit/` as tests that run on any component.
//!
//! ```text
//! Options --> Bench --open--> Stage: a plugin, a fresh directory, a relay before each API
//!               |               |
//!           for each Clause ----+--> apply, observe, remove, plan --> kept, broken or skipped --> Report
//! ```
//!
//! The suite sees a provider as its host does: by the results of its calls, by what [`Plugin::plan`] says that another
//! apply would change, by the files that it keeps, and by its requests, all of which pass a relay.
//!
//! # Guarantees
//!
//! - Nothing outside is touched but an API that the caller named: files are kept below a temporary directory, services
//!   listen on free ports, certificates are the suite's own.
//! - A clause stands alone: it has a directory and load balancers of its own, and removes what it made.
//! - A provider is never sent what it does not declare.
//!
//! [`Plugin::plan`]: lb_sandbox::Plugin::plan

mod bench;
mod certificates;
mod clause;
mod clauses;
mod directory;
mod fixtures;
mod measure;
mod ports;
pub mod recording;
mod records;
mod relay;
mod report;
mod schema;
mod stage;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use lb_sandbox::ProviderConfiguration;
use url::Url;

use bench::Bench;

pub use fixtures::{NAMESPACE, services};
pub use measure::{Measurements, Size, Times, measure};
pub use report::{ClauseReport, Report, Verdict};

/// What is put to the test, and with what.
#[derive(Debug, Clone)]
pub struct Options {
    /// The component.
    pub component: PathBuf,
    /// What messages call it; its path, if nothing else.
    pub name: PathBuf,
    /// The SHA-256 that it must have, in hexadecimal, where somebody has checked it before.
    pub digest: Option<String>,
    /// Settings, grants and limits, as the controller would load it with. The suite replaces the granted directory by
    /// temporary ones, adds grants of files and keys that the component wants, and puts a relay before each API.
    pub configuration: ProviderConfiguration,
    /// By HTTP grant the base URL of an API that the suite may change: a double, or one that nobody else uses. A grant
    /// without one is used as it is configured if it names this machine and the provider has services of its own, for it
    /// is theirs; else its API only ever fails, and the clauses that need one that works are skipped.
    pub apis: BTreeMap<String, Url>,
    /// The ids of the clauses to run; all of them if empty.
    pub only: Vec<String>,
    /// How long a provider may take until what it was told is served, or gone. [`PATIENCE`] by default.
    pub patience: Duration,
    /// Where compiled components are kept from one run to the next.
    pub cache_dir: Option<PathBuf>,
    /// Who the controller says that it is; another one each time, if nothing else.
    pub controller: Option<String>,
}

/// How long the suite waits for a load balancer to become ready, or to go.
pub const PATIENCE: Duration = Duration::from_mins(1);

impl Options {
    /// Every clause, without an API.
    pub fn new(component: PathBuf, configuration: ProviderConfiguration) -> Self {
        Self {
            name: component.clone(),
            component,
            digest: None,
            configuration,
            apis: BTreeMap::new(),
            only: Vec::new(),
            patience: PATIENCE,
            cache_dir: None,
            controller: None,
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The component cannot be loaded, or not with this configuration.
    #[error(transparent)]
    Load(#[from] lb_sandbox::Error),
    /// There is no such clause.
    #[error("there is no clause {id:?}; there are: {}", known.join(", "))]
    UnknownClause {
        /// What was asked for.
        id: String,
        /// The ids that there are.
        known: Vec<&'static str>,
    },
    /// An API was named for a grant that the component has not.
    #[error("there is no HTTP grant {name:?} that the API could be of; {}", among(known))]
    UnknownApi {
        /// What was asked for.
        name: String,
        /// The grants that there are.
        known: Vec<String>,
    },
    /// The component does not say what it is.
    #[error("nothing can be tried: {0}")]
    Undescribed(String),
    /// A call that was to be measured failed.
    #[error("nothing can be measured: {0}")]
    Unmeasured(String),
    /// There is nothing to record, or to measure with.
    #[error("there is no API for the HTTP grant `{grant}`; name one by its URL")]
    NoApi {
        /// The grant.
        grant: String,
    },
    /// The credentials of a grant cannot be read, and so not be kept out of a recording.
    #[error("the credentials of the HTTP grant `{grant}`: {reason}")]
    Credentials {
        /// The grant.
        grant: String,
        /// What is missing.
        reason: String,
    },
    /// A recording cannot be used.
    #[error("the recording {} cannot be used: {reason}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The machine does not let the suite work.
    #[error("the suite cannot {action}: {reason}")]
    Machine {
        /// What it was about to do.
        action: &'static str,
        /// What the system said.
        reason: String,
    },
}

impl Error {
    fn machine(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Machine { action, reason: error.to_string() }
    }
}

fn among(known: &[String]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("there are: {}", known.join(", ")) }
}

/// A clause of the contract.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClauseSummary {
    /// What `only` calls it.
    pub id: &'static str,
    /// What holds if it is kept.
    pub title: &'static str,
}

/// All clauses, in the order in which they run.
pub fn clauses() -> impl Iterator<Item = ClauseSummary> {
    clauses::ALL.iter().map(|clause| ClauseSummary { id: clause.id, title: clause.title })
}

/// Puts a component to the test.
///
/// # Errors
/// If it cannot be loaded at all, or the options are wrong. A broken clause is no error: the report tells it.
pub async fn run(options: Options) -> Result<Report, Error> {
    run_with(options, |_| {}).await
}

/// What happens while a component is put to the test.
#[derive(Debug)]
pub enum Event<'a> {
    /// It could be loaded. The report has no clauses yet.
    Began(&'a Report),
    /// A clause is done.
    Ended(&'a ClauseReport),
}

/// The same, and tells what happens as soon as it does.
///
/// # Errors
/// As [`run`].
pub async fn run_with(options: Options, mut tell: impl FnMut(Event<'_>)) -> Result<Report, Error> {
    for id in &options.only {
        if !clauses::ALL.iter().any(|clause| clause.id == id) {
            return Err(Error::UnknownClause { id: id.clone(), known: clauses().map(|clause| clause.id).collect() });
        }
    }
    let only = options.only.clone();
    let chosen = clauses::ALL.iter().filter(|clause| only.is_empty() || only.iter().any(|id| id == clause.id));
    let bench = Bench::new(options).await?;
    let mut report = bench.report();
    tell(Event::Began(&report));
    for clause in chosen {
        let told = clause.run(&bench).await?;
        tell(Event::Ended(&told));
        report.clauses.push(told);
    }
    Ok(report)
}
