//! Answers from a recording, and what was asked otherwise than it was recorded.

use serde_json::Value;

use super::{Body, Comparison, Difference, Exchange, Recording, Redaction};

/// A recording that is played.
pub(crate) struct Tape {
    calls: Vec<(String, Value)>,
    exchanges: Vec<Recorded>,
    redaction: Redaction,
    /// The call that is made.
    call: usize,
    /// Where its exchanges begin.
    start: usize,
    /// The exchange after the last write that was asked for again.
    since: usize,
    requests: usize,
    differences: Vec<Difference>,
}

struct Recorded {
    call: usize,
    exchange: Exchange,
    /// How often it was asked for again.
    asked: usize,
}

impl Tape {
    pub(crate) fn new(recording: &Recording) -> Self {
        let of = |(call, recorded): (usize, &super::RecordedCall)| {
            let exchanges = recorded.exchanges.iter().cloned();
            exchanges.map(move |exchange| Recorded { call, exchange, asked: 0 }).collect::<Vec<_>>()
        };
        let calls = recording.calls.iter();
        Self {
            calls: calls.clone().map(|recorded| (recorded.call.label(), recorded.result.clone())).collect(),
            exchanges: calls.enumerate().flat_map(of).collect(),
            redaction: Redaction::of_keys(),
            call: 0,
            start: 0,
            since: 0,
            requests: 0,
            differences: Vec::new(),
        }
    }

    /// A call is about to be made.
    pub(super) fn begin(&mut self, call: usize) {
        self.call = call;
        self.start = self.exchanges.partition_point(|recorded| recorded.call < call);
        self.since = self.start;
    }

    /// A call has ended.
    pub(super) fn end(&mut self, result: &Value) {
        let (label, recorded) = &self.calls[self.call];
        let lines = Body::Json(recorded.clone()).differences(&Body::Json(result.clone()));
        if !lines.is_empty() {
            self.differences.push(Difference::Result { call: label.clone(), lines });
        }
        let call = self.call;
        let unasked =
            self.exchanges.iter().filter(|it| it.call == call && it.asked == 0 && is_write(&it.exchange.method));
        let missing = unasked.map(|it| Difference::Missing { call: label.clone(), request: line(&it.exchange) });
        self.differences.extend(missing.collect::<Vec<_>>());
    }

    pub(super) fn comparison(&mut self) -> Comparison {
        Comparison {
            calls: self.calls.len(),
            requests: self.requests,
            differences: std::mem::take(&mut self.differences),
        }
    }

    /// The answer to a request; `None` if there never was one.
    pub(crate) fn answer(&mut self, api: &str, method: &str, target: &str, body: &[u8]) -> Option<&Exchange> {
        self.requests += 1;
        let sent = Body::of(&self.redaction.applied(body));
        let is_it = |it: &Exchange| it.api == api && it.method == method && it.target == target;
        let found = if is_write(method) { self.write(&is_it, &sent) } else { self.read(&is_it, &sent) };
        let label = || self.calls[self.call].0.clone();
        let Some(found) = found else {
            let request = format!("{method} {target}");
            self.differences.push(Difference::Added { call: label(), request, sent });
            return None;
        };
        let recorded = &self.exchanges[found].exchange;
        let lines = recorded.sent.differences(&sent);
        if !lines.is_empty() {
            self.differences.push(Difference::Body { call: label(), request: line(recorded), lines });
        }
        let recorded = &mut self.exchanges[found];
        recorded.asked += 1;
        Some(&recorded.exchange)
    }

    /// A write of this call that was not repeated yet, the same if there is one, in whatever order.
    fn write(&mut self, is_it: &dyn Fn(&Exchange) -> bool, sent: &Body) -> Option<usize> {
        let call = self.call;
        let open = || (self.start..self.exchanges.len()).take_while(|&at| self.exchanges[at].call == call);
        let candidates = || open().filter(|&at| self.exchanges[at].asked == 0 && is_it(&self.exchanges[at].exchange));
        let same = candidates().find(|&at| self.exchanges[at].exchange.sent == *sent);
        let found = same.or_else(|| candidates().next())?;
        self.since = self.since.max(found + 1);
        Some(found)
    }

    /// A read: the next one of those between the last write and the next one, the last of them again and again, or what
    /// there is elsewhere.
    fn read(&self, is_it: &dyn Fn(&Exchange) -> bool, sent: &Body) -> Option<usize> {
        let same = |at: &usize| is_it(&self.exchanges[*at].exchange) && self.exchanges[*at].exchange.sent == *sent;
        let all = || 0..self.exchanges.len();
        let is_open_write = |at: &usize| {
            let it = &self.exchanges[*at];
            it.call != self.call || (is_write(&it.exchange.method) && it.asked == 0)
        };
        let until = (self.since..self.exchanges.len()).find(is_open_write).unwrap_or(self.exchanges.len());
        let now = || (self.since..until).filter(same);
        now()
            .find(|&at| self.exchanges[at].asked == 0)
            .or_else(|| now().next_back())
            .or_else(|| all().take(self.since).rfind(same))
            .or_else(|| all().skip(until).find(same))
    }
}

fn is_write(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS")
}

fn line(exchange: &Exchange) -> String {
    format!("{} {}", exchange.method, exchange.target)
}
