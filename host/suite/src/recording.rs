//! What a provider asks of an API, written down, and played back without one.
//!
//! ```text
//! record:  configurations --Life--> calls --> provider --> relay --> API        calls, results, exchanges --> Recording
//! replay:  Recording ------Life---> calls --> provider --> relay --> Tape       what differs --> Comparison
//! ```
//!
//! The calls are those of a life: each load balancer is applied until it is ready, applied again, changed to what the next
//! configurations say, and removed at the end. A recording holds no credential and no private key: requests are written down
//! as the provider sends them, before the host adds what the guest must not see, and keys are blotted out.

mod body;
mod comparison;
mod life;
mod redaction;
mod tape;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use lb_model::{provider::PrivateKey, tables::Configuration, types::ChangeSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Options, bench::Bench, clause::Ended, stage::Stage};

pub use body::Body;
pub use comparison::{Comparison, Difference};
pub(crate) use redaction::Redaction;
pub(crate) use tape::Tape;

/// The form of a recording that this version writes and reads.
pub const FORMAT: u32 = 1;

/// The largest recording that is read, in bytes.
const MOST: u64 = 256 << 20;

/// A life of load balancers, as a provider led it with an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recording {
    /// [`FORMAT`].
    pub recording: u32,
    /// What the provider called itself.
    pub provider: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// Who the controller said that it is; names and marks may follow from it.
    pub controller: String,
    /// The base URL of each API, by the name of its grant.
    pub apis: BTreeMap<String, String>,
    /// In order.
    pub calls: Vec<RecordedCall>,
}

/// One call, made as often as it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedCall {
    /// When it began, in milliseconds since 1970: what the provider is told when it is played.
    pub at: u64,
    /// What was called.
    pub call: Call,
    /// How it ended, for the host.
    pub result: Value,
    /// What was asked of APIs meanwhile, in the order of the answers.
    pub exchanges: Vec<Exchange>,
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Make a load balancer match, and wait until it is ready.
    Apply(Box<ChangeSet>),
    /// List all of them.
    Observe,
    /// Remove the load balancer of this id, and wait until it is gone.
    Remove(String),
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exchange {
    /// The grant.
    pub api: String,
    /// In upper case.
    pub method: String,
    /// Path and query, with the path of the base URL.
    pub target: String,
    /// What was sent.
    #[serde(default, skip_serializing_if = "Body::is_empty")]
    pub sent: Body,
    /// The status of the answer.
    pub status: u16,
    /// Headers of the answer that say what a provider may go by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Body::is_empty")]
    pub answer: Body,
}

/// What tells a form from another one.
#[derive(Deserialize)]
struct Form {
    recording: Option<u32>,
}

impl Recording {
    /// Reads a recording from a file.
    ///
    /// # Errors
    /// If it cannot be read, is too large, or no recording of this form.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |reason: String| Error::Recording { path: path.to_owned(), reason };
        let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if size > MOST {
            return Err(failed(format!("it has {size} bytes; {MOST} at most are read")));
        }
        let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let form: Form =
            serde_json::from_slice(&text).map_err(|error| failed(format!("it is no recording: {error}")))?;
        match form.recording {
            Some(FORMAT) => serde_json::from_slice(&text).map_err(|error| failed(error.to_string())),
            Some(other) => Err(failed(format!(
                "it has the form {other}, and this version reads {FORMAT}; record it anew, or use the other version"
            ))),
            None => Err(failed("it is no recording: `recording` is missing".to_owned())),
        }
    }
}

impl RecordedCall {
    /// How it ended, in a few words.
    pub fn told(&self) -> String {
        let readiness = &self.result["readiness"];
        match (&self.result["error"], readiness["Pending"].as_str(), &self.call) {
            (Value::String(error), ..) => error.clone(),
            (_, Some(reason), _) => format!("pending: {reason}"),
            (.., Call::Observe) => format!("{} listed", self.result.as_array().map_or(0, Vec::len)),
            _ if readiness.is_string() => "ready".to_owned(),
            _ => self.result.as_str().unwrap_or("done").to_lowercase(),
        }
    }
}

impl Call {
    /// `apply default/web`, for messages.
    pub fn label(&self) -> String {
        match self {
            Self::Apply(change) => format!("apply {}", change.load_balancer.id),
            Self::Observe => "observe".to_owned(),
            Self::Remove(id) => format!("remove {id}"),
        }
    }
}

/// What load balancers there are, one step after the other, and the keys of their certificates.
#[derive(Default)]
pub struct Story {
    /// Each step names all that there are.
    pub steps: Vec<Vec<Configuration>>,
    /// By the id of the certificate.
    pub keys: Vec<(String, PrivateKey)>,
}

/// Leads a provider through a life with the APIs that the options name, and writes it down.
///
/// # Errors
/// If the component cannot be loaded or an API has no URL. What the provider makes of the calls is no error: it is written
/// down.
pub async fn record(options: Options, story: Story) -> Result<Recording, Error> {
    let redaction = Redaction::new(&options.configuration)?;
    let bench = Bench::new(options).await?;
    for (id, key) in story.keys {
        bench.certificates().insert(id, key);
    }
    if let Some(grant) = unless_failed(bench.without_api().map(|grant| grant.map(str::to_owned)))? {
        return Err(Error::NoApi { grant });
    }
    let stage = unless_failed(bench.stage("recording").await)?;
    let mut calls = Vec::new();
    for call in life::calls(story.steps) {
        stage.take_exchanges();
        let at = bench.clock().now();
        let result = life::play(&stage, &call).await;
        let exchanges = stage.take_exchanges();
        let exchanges = exchanges.iter().map(|(api, exchange)| exchange.written(api, &redaction)).collect();
        calls.push(RecordedCall { at, call, result, exchanges });
    }
    stage.close().await;
    let head = bench.report();
    Ok(Recording {
        recording: FORMAT,
        provider: head.provider,
        version: head.version,
        digest: head.digest,
        controller: bench.controller().to_owned(),
        apis: bench.base_urls(),
        calls,
    })
}

/// Leads a provider through the same life, with the recording in the place of the APIs.
///
/// # Errors
/// If the component cannot be loaded. What it does otherwise than it was recorded is no error: the comparison tells.
pub async fn replay(options: Options, recording: &Recording) -> Result<Comparison, Error> {
    let tape = Arc::new(Mutex::new(Tape::new(recording)));
    let options = Options { controller: Some(recording.controller.clone()), ..options };
    let bench = Bench::new(options).await?;
    bench.certificates().make_up()?;
    let stage: Stage = unless_failed(bench.replaying_stage(recording, &tape).await)?;
    let locked = || tape.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, recorded) in recording.calls.iter().enumerate() {
        locked().begin(number);
        bench.clock().set(recorded.at);
        let result = life::play(&stage, &recorded.call).await;
        locked().end(&result);
    }
    stage.leave().await;
    let comparison = locked().comparison();
    Ok(comparison)
}

/// Out of a check: only a failure of the machine is left of its ends.
fn unless_failed<T>(checked: Result<T, Ended>) -> Result<T, Error> {
    checked.map_err(|ended| match ended {
        Ended::Failed(error) => error,
        Ended::Broken { came, .. } => Error::Undescribed(came),
        Ended::Skipped(reason) => Error::Undescribed(reason),
    })
}
