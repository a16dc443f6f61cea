//! The server as tests hold it: one lock around its world.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::dispatch::Call;
use crate::error::{ApiError, Result as ApiResult};
use crate::store::Id;
use crate::world::World;
use crate::{Change, Options, Request, Response};

/// The server. A clone is the same server.
#[derive(Clone, Debug)]
pub struct Rancher(Arc<Mutex<World>>);

/// Who listens: an authorized handshake of `/subscribe`.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// Id of the project whose changes it gets.
    pub project: String,
    request: Request,
}

impl Default for Rancher {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Rancher {
    /// A server with one active project, `1a5`, without keys and hosts.
    pub fn new(options: Options) -> Self {
        let mut world = World::new(options);
        world.add_project("Default");
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request.
    pub fn handle(&self, request: &Request) -> Response {
        self.world().handle(request)
    }

    /// Moves the clock on and runs what falls due, in order.
    pub fn advance(&self, by: Duration) {
        self.world().advance(by);
    }

    /// The server's time.
    pub fn now(&self) -> Timestamp {
        self.world().now
    }

    /// When the next asynchronous step falls due, if any is under way.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.world().next_due()
    }

    /// The changes after this sequence number (0: all since the start), oldest first.
    pub fn changes_since(&self, sequence: u64) -> Vec<Change> {
        let seen = usize::try_from(sequence).unwrap_or(usize::MAX);
        self.world().changes.iter().skip(seen).cloned().collect()
    }

    /// Number of the latest change, 0 before the first.
    pub fn latest_change(&self) -> u64 {
        self.world().changes.len() as u64
    }

    /// Authorizes the handshake of `/subscribe`, or gives the answer (401, 403, 404) that refuses it. Event names must
    /// be made of letters, digits and `*._;=`, and there must be one; the upgrade itself is the caller's.
    pub fn subscribe(&self, request: &Request) -> Result<Subscriber, Response> {
        let mut world = self.world();
        match subscription(&world, request) {
            Ok(subscriber) => Ok(subscriber),
            // A refusal looks like that of any other request.
            Err(refusal) => {
                let mut answer = world.handle(request);
                if answer.status != refusal.status {
                    answer.status = refusal.status;
                    answer.body = refusal.body(&world.error_id()).to_string().into_bytes();
                }
                Err(answer)
            }
        }
    }

    /// The resource of a change as a GET of the subscriber would return it; `None` when the subscriber may not read its
    /// type, or when it is gone.
    pub fn read(&self, subscriber: &Subscriber, change: &Change) -> Option<Value> {
        let world = self.world();
        let (call, _) = world.open(&subscriber.request).ok()?;
        let row = Id::parse(&change.id).and_then(|id| world.store.get(id))?;
        (call.scope.contains(row) && call.scope.sees(row.kind)).then(|| show(&world, &call, row.id)).flatten()
    }

    /// Whether the subscriber's key is still good for its project; if not, the server logs it out.
    pub fn is_authorized(&self, subscriber: &Subscriber) -> bool {
        subscription(&self.world(), &subscriber.request).is_ok()
    }
}

fn show(world: &World, call: &Call<'_>, id: Id) -> Option<Value> {
    world.show(call, id).ok()
}

fn subscription(world: &World, request: &Request) -> ApiResult<Subscriber> {
    let (call, path) = world.open(request)?;
    if path.rest != ["subscribe"] {
        return Err(ApiError::not_found());
    }
    let project = call.scope.project().ok_or_else(ApiError::not_found)?;
    let names: Vec<(String, String)> =
        crate::collection::query(request).into_iter().filter(|(name, _)| name == "eventNames").collect();
    let valid = |name: &str| {
        !name.is_empty() && name.chars().all(|each| each.is_ascii_alphanumeric() || "*._;=".contains(each))
    };
    if names.is_empty() {
        return Err(ApiError::invalid("MissingRequired", "eventNames"));
    }
    if !names.iter().all(|(_, name)| valid(name)) {
        return Err(ApiError::invalid("InvalidCharacters", "eventNames"));
    }
    Ok(Subscriber { project: project.to_string(), request: request.clone() })
}
