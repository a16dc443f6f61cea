//! What goes wrong between the client and the server, and when.

mod chaos;
mod route;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Rancher, Request};

pub use chaos::Chaos;
pub use route::Route;
pub(crate) use route::{below_base, is_write};

/// Something that another writer does while a request is under way.
pub type Hook = Arc<dyn Fn(&Rancher, &Request) + Send + Sync>;

/// One thing that goes wrong with one request. A handshake of `/subscribe` meets only what strikes before it is served.
#[derive(Clone)]
pub enum Fault {
    /// An error of the server with this status, in Rancher's own form. Nothing is stored.
    Status(u16),
    /// A page of a proxy, in HTML, with this status. Nothing is stored.
    ProxyPage(u16),
    /// No answer for this long, then the connection breaks. Nothing is stored.
    HangBefore(Duration),
    /// What was asked is done, but no answer comes for this long; then the connection breaks.
    HangAfter(Duration),
    /// The connection is reset. Nothing is stored.
    ResetBefore,
    /// What was asked is done, then the connection is reset in place of an answer.
    ResetAfter,
    /// The answer comes later by this time, and so does what was asked.
    Delay(Duration),
    /// What was asked is done; the answer is whole HTTP, but only the first half of its JSON.
    Truncated,
    /// What was asked is done; the connection is reset in the middle of the answer.
    CutBody,
    /// What was asked is done; the answer trickles.
    SlowBody {
        /// How fast, at least 1.
        bytes_per_second: u32,
    },
    /// Another writer acts just before the request reaches the server. The request itself goes well.
    Before(Hook),
    /// Another writer acts after the request was served, before its answer is sent. The request itself goes well.
    After(Hook),
}

impl Fault {
    /// [`Fault::Before`] with this closure.
    pub fn before(hook: impl Fn(&Rancher, &Request) + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(hook))
    }

    /// [`Fault::After`] with this closure.
    pub fn after(hook: impl Fn(&Rancher, &Request) + Send + Sync + 'static) -> Self {
        Self::After(Arc::new(hook))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "status {status}"),
            Self::ProxyPage(status) => write!(formatter, "page of a proxy with status {status}"),
            Self::HangBefore(time) => write!(formatter, "hang for {time:?} before"),
            Self::HangAfter(time) => write!(formatter, "hang for {time:?} after"),
            Self::ResetBefore => formatter.write_str("reset before"),
            Self::ResetAfter => formatter.write_str("reset after"),
            Self::Delay(time) => write!(formatter, "delay of {time:?}"),
            Self::Truncated => formatter.write_str("truncated JSON"),
            Self::CutBody => formatter.write_str("body cut"),
            Self::SlowBody { bytes_per_second } => write!(formatter, "body at {bytes_per_second} bytes a second"),
            Self::Before(_) => formatter.write_str("another writer before"),
            Self::After(_) => formatter.write_str("another writer after"),
        }
    }
}

/// A fault, where it strikes, and how often.
#[derive(Clone, Debug)]
pub struct Rule {
    route: Route,
    fault: Fault,
    /// Matching requests that still go well at first.
    skip: u64,
    /// Times that it may still strike.
    left: u64,
    probability: f64,
}

impl Rule {
    /// Strikes every request of the route.
    pub fn always(route: Route, fault: Fault) -> Self {
        Self { route, fault, skip: 0, left: u64::MAX, probability: 1.0 }
    }

    /// Strikes the next request of the route.
    pub fn once(route: Route, fault: Fault) -> Self {
        Self::always(route, fault).times(1)
    }

    /// Strikes at most so often.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { left: times, ..self }
    }

    /// Lets so many requests of the route pass first.
    #[must_use]
    pub fn after(self, requests: u64) -> Self {
        Self { skip: requests, ..self }
    }

    /// Strikes with this probability (0 to 1), drawn from the seeded numbers of [`Faults`].
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability, ..self }
    }
}

/// All faults of a server; a clone is the same set. They can be changed while the server runs.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

struct State {
    random: fastrand::Rng,
    next: u64,
    rules: Vec<Installed>,
    chaos: Option<Chaos>,
}

struct Installed {
    number: u64,
    rule: Rule,
    fired: u64,
}

/// A rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

impl Faults {
    /// No faults; probabilities are drawn from this seed.
    pub fn seeded(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self(Arc::new(Mutex::new(State { random, next: 0, rules: Vec::new(), chaos: None })))
    }

    /// Adds a rule. Where several match a request, each that lets the request go on acts, in the order in which they
    /// were added, up to the first that does not.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.rules.push(Installed { number, rule, fired: 0 });
        RuleId(number)
    }

    /// [`Rule::once`], added.
    pub fn once(&self, method: &str, path: &str, fault: Fault) -> RuleId {
        self.add(Rule::once(Route::new(method, path), fault))
    }

    /// [`Rule::always`], added.
    pub fn always(&self, method: &str, path: &str, fault: Fault) -> RuleId {
        self.add(Rule::always(Route::new(method, path), fault))
    }

    /// How often a rule struck, also after it has none left; 0 once it was removed.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.state().rules.iter().find(|installed| installed.number == id.0).map_or(0, |installed| installed.fired)
    }

    /// Takes a rule away. Requests that it holds already stay held.
    pub fn remove(&self, id: RuleId) {
        self.state().rules.retain(|installed| installed.number != id.0);
    }

    /// Mixes all kinds of faults into the requests that no rule strikes, in place of the chaos before.
    pub fn set_chaos(&self, chaos: Option<Chaos>) {
        self.state().chaos = chaos;
    }

    /// Ends all rules and the chaos.
    pub fn clear(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.chaos = None;
    }

    /// The rules that may still strike, in words.
    pub fn describe(&self) -> Vec<String> {
        let state = self.state();
        let rules = state.rules.iter().filter(|installed| installed.rule.left > 0);
        let mut lines: Vec<String> =
            rules.map(|installed| format!("{}: {:?}", installed.rule.route, installed.rule.fault)).collect();
        lines.extend(state.chaos.as_ref().map(|chaos| format!("{chaos:?}")));
        lines
    }

    /// What strikes this request, in order.
    pub(crate) fn draw(&self, method: &str, target: &str) -> Vec<Fault> {
        let mut state = self.state();
        let State { random, rules, chaos, .. } = &mut *state;
        let mut faults = Vec::new();
        for installed in rules {
            let rule = &mut installed.rule;
            if rule.left == 0 || !rule.route.matches(method, target) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.probability < 1.0 && random.f64() >= rule.probability {
                continue;
            }
            rule.left -= 1;
            installed.fired += 1;
            faults.push(rule.fault.clone());
            if ends_request(&rule.fault) {
                return faults;
            }
        }
        faults.extend(chaos.as_mut().and_then(|chaos| chaos.draw(is_write(method))));
        faults
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.describe()).finish()
    }
}

/// Whether a request that meets this fault goes no further.
fn ends_request(fault: &Fault) -> bool {
    !matches!(fault, Fault::Delay(_) | Fault::Before(_) | Fault::After(_))
}

#[cfg(test)]
mod tests;
