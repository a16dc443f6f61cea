//! Every request in order, and the questions that tests ask about them.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::faults::{Route, below_base, is_write};
use crate::{Request, Response};

/// Shorter lines of a secret are not searched for: they occur by chance.
const SEARCHED_LINE: usize = 12;

/// One request and what became of it. `Debug` shows no body: certificates come with their keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The server's clock when the request arrived.
    pub time: Timestamp,
    /// The moment when the request arrived.
    pub arrived: Instant,
    /// The method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// User name of the credentials, if there were any.
    pub key: Option<String>,
    /// Header fields but the credentials.
    pub headers: Vec<(String, String)>,
    /// Body of the request.
    pub body: Vec<u8>,
    /// Status that was sent; `None` while there is none, and for good when the connection broke or hung.
    pub status: Option<u16>,
    /// What the server itself answered, whatever of it came through; `None` when a fault kept the request from it.
    pub served: Option<Response>,
}

impl Exchange {
    /// Whether it may change something.
    pub fn is_write(&self) -> bool {
        is_write(&self.method)
    }

    /// Body of the request as JSON, `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Id that the path names: `1s20` in `/v2-beta/loadbalancerservices/1s20/?action=remove`.
    pub fn id(&self) -> Option<String> {
        below_base(self.target.split('?').next().unwrap_or_default()).into_iter().nth(1)
    }

    /// What was done to what, for people: `POST loadBalancerService 1s20 default-web registering`.
    pub fn summary(&self) -> String {
        let answer = self.served.as_ref().map(Response::json).unwrap_or_default();
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        let action = form_urlencoded::parse(self.target.split_once('?').map_or("", |(_, query)| query).as_bytes())
            .find(|(name, _)| name == "action")
            .map_or_else(|| self.method.clone(), |(_, action)| action.into_owned());
        let mut words = vec![format!("{action:<14}")];
        if text("type") == "error" || self.served.is_none() {
            let path = below_base(self.target.split('?').next().unwrap_or_default()).join("/");
            let status = self.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            words.extend([path, status, text("code"), text("fieldName")]);
        } else {
            words.extend([format!("{:<22}", text("type")), format!("{:<6}", text("id")), text("name"), text("state")]);
        }
        words.retain(|word| !word.is_empty());
        words.join(" ").trim_end().to_owned()
    }

    fn target_holds(&self, secret: &str) -> bool {
        holds(&percent_decode_str(&self.target).decode_utf8_lossy(), secret)
            || self.headers.iter().any(|(_, value)| holds(value, secret))
    }

    fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} -> ", self.method, self.target)?;
        match self.status {
            Some(status) => write!(formatter, "{status}"),
            None => formatter.write_str("no answer"),
        }
    }
}

/// Some exchanges in the order of their arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchanges(Vec<Exchange>);

impl Deref for Exchanges {
    type Target = [Exchange];

    fn deref(&self) -> &[Exchange] {
        &self.0
    }
}

impl FromIterator<Exchange> for Exchanges {
    fn from_iter<T: IntoIterator<Item = Exchange>>(exchanges: T) -> Self {
        Self(exchanges.into_iter().collect())
    }
}

impl Exchanges {
    /// Those that may have changed something.
    #[must_use]
    pub fn writes(&self) -> Self {
        self.filter(Exchange::is_write)
    }

    /// Those of a route; see [`Route`] for methods and patterns.
    #[must_use]
    pub fn of(&self, method: &str, path: &str) -> Self {
        let route = Route::new(method, path);
        self.filter(|exchange| route.matches(&exchange.method, &exchange.target))
    }

    /// How many are of a route.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.of(method, path).len()
    }

    /// Those that hold the secret where nobody may put it: in a target, in a header, or in the body of anything but a
    /// create or an update. Each line of a longer secret counts, and so does its base64.
    #[must_use]
    pub fn leaks(&self, secret: &str) -> Self {
        self.filter(|exchange| {
            exchange.target_holds(secret)
                || !matches!(exchange.method.as_str(), "POST" | "PUT") && holds(&exchange.text(), secret)
        })
    }

    /// Those whose body holds the secret and that are not of this route, such as `WRITE` `/certificates/**`.
    #[must_use]
    pub fn holding_outside(&self, secret: &str, method: &str, path: &str) -> Self {
        let route = Route::new(method, path);
        self.filter(|exchange| {
            exchange.target_holds(secret)
                || holds(&exchange.text(), secret) && !route.matches(&exchange.method, &exchange.target)
        })
    }

    /// The most requests that arrived within any span of this length (real time).
    pub fn peak(&self, span: Duration) -> usize {
        let mut first = 0;
        let mut peak = 0;
        for (last, exchange) in self.0.iter().enumerate() {
            while exchange.arrived.duration_since(self.0[first].arrived) >= span {
                first += 1;
            }
            peak = peak.max(last - first + 1);
        }
        peak
    }

    /// Ids of everything that was written to: named in the path of an update, an action or a removal, or made.
    pub fn written_ids(&self) -> BTreeSet<String> {
        self.0.iter().filter(|exchange| exchange.is_write()).filter_map(subject).collect()
    }

    /// Writes to what is neither one of these ids nor made within one of them (by `stackId`). What is made outside of
    /// any stack, such as a certificate, counts as within once its own id is listed.
    #[must_use]
    pub fn writes_outside(&self, ids: &[&str]) -> Self {
        let allowed = |id: Option<&str>| id.is_some_and(|id| ids.contains(&id));
        let mut within: BTreeSet<String> = BTreeSet::new();
        self.filter(|exchange| {
            if !exchange.is_write() {
                return false;
            }
            let subject = subject(exchange);
            let body = exchange.json();
            let stack = if exchange.id().is_none() { body["stackId"].as_str() } else { None };
            let inside = allowed(subject.as_deref())
                || allowed(stack)
                || subject.as_ref().is_some_and(|subject| within.contains(subject));
            if inside {
                within.extend(subject);
            }
            !inside
        })
    }

    fn filter(&self, mut keep: impl FnMut(&Exchange) -> bool) -> Self {
        self.0.iter().filter(|exchange| keep(exchange)).cloned().collect()
    }
}

/// Id of what an exchange is about: named in its path, else made by it.
fn subject(exchange: &Exchange) -> Option<String> {
    let made = || exchange.served.as_ref().and_then(|served| Some(served.json().get("id")?.as_str()?.to_owned()));
    exchange.id().or_else(|| if exchange.method == "POST" { made() } else { None })
}

/// Whether a text holds a secret, or a line of it, plain or in base64.
pub fn holds(text: &str, secret: &str) -> bool {
    let whole = secret.trim();
    let armour = |line: &&str| line.len() >= SEARCHED_LINE && !line.starts_with("-----");
    let mut lines: Vec<&str> = whole.lines().map(str::trim).filter(armour).collect();
    if lines.is_empty() {
        lines.push(whole);
    }
    !whole.is_empty()
        && (lines.iter().any(|line| text.contains(line))
            || text.contains(STANDARD.encode(secret).trim_end_matches('=')))
}

/// A place in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(usize);

/// What a server was asked, in order. A clone is the same recording.
#[derive(Clone)]
pub struct Recording(Arc<Mutex<Log>>);

struct Log {
    exchanges: VecDeque<Exchange>,
    capacity: usize,
    /// How many were forgotten.
    forgotten: usize,
}

impl Log {
    fn get(&mut self, number: usize) -> Option<&mut Exchange> {
        self.exchanges.get_mut(number.checked_sub(self.forgotten)?)
    }
}

impl Recording {
    /// Keeps so many requests, at least 1; the oldest is forgotten first.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let log = Log { exchanges: VecDeque::new(), capacity: capacity.max(1), forgotten: 0 };
        Self(Arc::new(Mutex::new(log)))
    }

    /// All requests that are kept.
    pub fn all(&self) -> Exchanges {
        self.since(Mark(0))
    }

    /// The end of the recording as it is now.
    pub fn mark(&self) -> Mark {
        let log = self.log();
        Mark(log.forgotten + log.exchanges.len())
    }

    /// The requests that arrived after the mark was made.
    pub fn since(&self, mark: Mark) -> Exchanges {
        self.since_number(mark.0).0
    }

    /// The requests from this one on, counted from the first of all; and the number of the next one.
    pub(crate) fn since_number(&self, number: usize) -> (Exchanges, usize) {
        let log = self.log();
        let exchanges = log.exchanges.iter().skip(number.saturating_sub(log.forgotten)).cloned().collect();
        (exchanges, log.forgotten + log.exchanges.len())
    }

    /// Those of all requests that may have changed something.
    pub fn writes(&self) -> Exchanges {
        self.all().writes()
    }

    /// How many of all requests are of a route; see [`Route`].
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.all().count(method, path)
    }

    pub(crate) fn begin(&self, time: Timestamp, request: &Request) -> Entry {
        let is_credential = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("authorization");
        let exchange = Exchange {
            time,
            arrived: Instant::now(),
            method: request.method.clone(),
            target: request.target.clone(),
            key: user_name(request),
            headers: request.headers.iter().filter(|header| !is_credential(header)).cloned().collect(),
            body: request.body.clone(),
            status: None,
            served: None,
        };
        let mut log = self.log();
        if log.exchanges.len() == log.capacity {
            log.exchanges.pop_front();
            log.forgotten += 1;
        }
        log.exchanges.push_back(exchange);
        Entry { recording: self.clone(), number: log.forgotten + log.exchanges.len() - 1 }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.log().exchanges).finish()
    }
}

/// One exchange that is under way.
pub(crate) struct Entry {
    recording: Recording,
    number: usize,
}

impl Entry {
    pub(crate) fn served(&self, response: &Response) {
        if let Some(exchange) = self.recording.log().get(self.number) {
            exchange.served = Some(response.clone());
        }
    }

    pub(crate) fn answered(&self, status: u16) {
        if let Some(exchange) = self.recording.log().get(self.number) {
            exchange.status = Some(status);
        }
    }

    /// The exchange as it is now, unless it is forgotten already.
    pub(crate) fn exchange(&self) -> Option<Exchange> {
        self.recording.log().get(self.number).cloned()
    }
}

fn user_name(request: &Request) -> Option<String> {
    let (scheme, credentials) = request.header("Authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    Some(String::from_utf8_lossy(&decoded).split_once(':')?.0.to_owned())
}

#[cfg(test)]
mod tests;
