//! A client of HTTP APIs.
//!
//! # A provider that calls an API
//!
//! The operator grants an API by a name; base URL, credentials and certificate authorities are behind that name, and a
//! provider never sees them. It names paths:
//!
//! ```
//! use lb_provider::{Error, Host, http::Client};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Pool {
//!     name: String,
//!     members: Vec<String>,
//! }
//!
//! fn add_member(host: &impl Host, pool: &str, member: &str) -> Result<(), Error> {
//!     let api = Client::new(host, "balancer");
//!     let target = lb_provider::http::target(&["pools", pool], &[]);
//!     let mut pool: Pool = api.get(&target)?;
//!     if !pool.members.iter().any(|known| known == member) {
//!         pool.members.push(member.to_owned());
//!         api.put::<()>(&target, &pool)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! An answer that is no 2xx is an [`Error`], and `?` turns it into the [`crate::Error`] that says who must act.
//!
//! Requests that do not need each other's answers run side by side, and each answer is decoded on its own:
//! [`Client::join`] for those that are known by name, [`Client::send_all`] for any number.
//!
//! ```
//! # use lb_provider::{Host, http::{Client, Error, RequestBuilder}};
//! # #[derive(serde::Deserialize)] struct Pool {}
//! # #[derive(serde::Deserialize)] struct Certificate {}
//! fn look(host: &impl Host) -> Result<(Vec<Pool>, Vec<Certificate>), Error> {
//!     let api = Client::new(host, "balancer");
//!     let [pools, certificates] = api.join([RequestBuilder::get("/pools"), RequestBuilder::get("/certificates")]);
//!     Ok((pools?.json()?, certificates?.json()?))
//! }
//! ```
//!
//! Lists that come in pages are an iterator:
//!
//! ```
//! # use lb_provider::{Host, http::{Client, Error}};
//! # #[derive(serde::Deserialize)] struct Pool {}
//! #[derive(serde::Deserialize)]
//! struct Page {
//!     data: Vec<Pool>,
//!     next: Option<String>,
//! }
//!
//! fn pools(host: &impl Host) -> Result<Vec<Pool>, Error> {
//!     let api = Client::new(host, "balancer");
//!     let mut pools = vec![];
//!     for page in api.pages("/pools?limit=1000", |page: &Page| page.next.clone()) {
//!         pools.extend(page?.data);
//!     }
//!     Ok(pools)
//! }
//! ```
//!
//! # What is sent again
//!
//! | what happened | reads, and writes that are [idempotent](RequestBuilder::idempotent) | other writes |
//! |---|---|---|
//! | no connection | again | again |
//! | timeout, broken connection, 429, 502, 503, 504 | again | never |
//! | any other answer | never | never |
//!
//! At most as [`Retry`] says, which may allow less, and never before the time that `retry-after` asks for. A write that may have been carried
//! out without an answer is [in doubt](Error::in_doubt): the next `apply` looks before it writes, so leave it to that.
//!
//! # In tests
//!
//! `testing::TestHost` takes a closure for the API, and remembers what it was asked:
//!
//! ```
//! use lb_provider::{http::Client, testing::{TestHost, json_response}};
//! use serde_json::{Value, json};
//!
//! let host = TestHost::default();
//! host.serve_http(|_grant, request| match &*request.target {
//!     "/pools" => Ok(json_response(200, &json!(["blue", "green"]))),
//!     _ => Ok(json_response(404, &Value::Null)),
//! });
//! let api = Client::new(&host, "balancer");
//! assert_eq!(api.get::<Vec<String>>("/pools")?, ["blue", "green"]);
//! assert_eq!(api.get::<Value>("/hosts").unwrap_err().status(), Some(404));
//! assert_eq!(host.requests().len(), 2);
//! # Ok::<(), lb_provider::http::Error>(())
//! ```

mod answer;
mod error;
mod exchange;
mod request;
mod retry;
mod target;

use std::{cell::Cell, iter, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

pub use answer::Answer;
pub use error::Error;
use exchange::Exchange;
pub use request::RequestBuilder;
pub use retry::{Retry, RetryCause};
pub use target::target;

use crate::{Clock, Host, Http, Random, Request};

/// One granted API, for one call of the provider.
pub struct Client<'a> {
    http: &'a dyn Http,
    clock: &'a dyn Clock,
    random: &'a dyn Random,
    grant: &'a str,
    headers: Vec<(String, Vec<u8>)>,
    timeout: Option<Duration>,
    idempotent_writes: bool,
    most_pages: usize,
    retry: Retry,
    /// How long it waited so far, over all its requests.
    waited: Cell<Duration>,
}

impl<'a> Client<'a> {
    /// A client of the API that the operator granted by this name. It accepts JSON.
    pub fn new(host: &'a impl Host, grant: &'a str) -> Self {
        Self {
            http: host.http(),
            clock: host.clock(),
            random: host.random(),
            grant,
            headers: vec![("accept".to_owned(), b"application/json".to_vec())],
            timeout: None,
            idempotent_writes: false,
            most_pages: 100,
            retry: Retry::default(),
            waited: Cell::default(),
        }
    }

    /// Sends this header with every request that does not name it itself.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// How long one exchange may take, unless its request says otherwise. The grant allows at most its own timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What is sent again, and when.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Every PUT and DELETE of this client may be carried out twice; so they are sent again like reads. A DELETE that was
    /// carried out and is sent again is answered 404 by most APIs: take that for success.
    #[must_use]
    pub fn idempotent_writes(mut self) -> Self {
        self.idempotent_writes = true;
        self
    }

    /// How many pages a list of [`pages`](Self::pages) has at most; 100 unless it is said here.
    #[must_use]
    pub fn most_pages(mut self, pages: usize) -> Self {
        self.most_pages = pages;
        self
    }

    /// Reads JSON.
    pub fn get<T: DeserializeOwned>(&self, target: impl Into<String>) -> Result<T, Error> {
        self.send(RequestBuilder::get(target))?.json()
    }

    /// Deletes. The answer is JSON; an empty one is `()`, and [`serde::de::IgnoredAny`] takes whatever comes.
    pub fn delete<T: DeserializeOwned>(&self, target: impl Into<String>) -> Result<T, Error> {
        self.send(RequestBuilder::delete(target))?.json()
    }

    /// Posts JSON; the answer is as for [`delete`](Self::delete).
    pub fn post<T: DeserializeOwned>(&self, target: impl Into<String>, body: &impl Serialize) -> Result<T, Error> {
        self.send(RequestBuilder::post(target).json(body))?.json()
    }

    /// Puts JSON; the answer is as for [`delete`](Self::delete).
    pub fn put<T: DeserializeOwned>(&self, target: impl Into<String>, body: &impl Serialize) -> Result<T, Error> {
        self.send(RequestBuilder::put(target).json(body))?.json()
    }

    /// Sends one request. An answer that is no 2xx is an [`Error::Status`].
    pub fn send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let [answer] = self.join([request]);
        answer
    }

    /// Sends so many requests side by side, as [`send_all`](Self::send_all).
    pub fn join<const N: usize>(&self, requests: [RequestBuilder; N]) -> [Result<Answer, Error>; N] {
        self.send_all(requests).try_into().expect("there is one answer for each request")
    }

    /// Sends requests side by side. The answers stand in the order of the requests; each fails alone, and only those
    /// that failed are sent again.
    pub fn send_all(&self, requests: impl IntoIterator<Item = RequestBuilder>) -> Vec<Result<Answer, Error>> {
        let started = self.clock.monotonic();
        let mut exchanges: Vec<_> = requests.into_iter().map(|request| Exchange::new(self.complete(request))).collect();
        let mut open: Vec<_> = exchanges.iter_mut().filter(|exchange| exchange.is_open()).collect();
        for attempt in 1.. {
            self.exchange(&mut open);
            open.retain(|exchange| exchange.may_be_sent_again(self.retry.after));
            let Some(pause) = self.pause(attempt, started, &mut open) else { break };
            self.clock.sleep(milliseconds(pause));
        }
        exchanges.into_iter().map(Exchange::into_result).collect()
    }

    /// The pages of a list, each read when it is asked for. `next` finds the target of the next page, if there is one. The
    /// iterator ends after the first error; a list of more than [`most_pages`](Self::most_pages) is one.
    pub fn pages<P: DeserializeOwned>(
        &self,
        first: impl Into<String>,
        mut next: impl FnMut(&P) -> Option<String>,
    ) -> impl Iterator<Item = Result<P, Error>> {
        let first = first.into();
        let mut target = Some(first.clone());
        let mut left = self.most_pages;
        iter::from_fn(move || {
            let current = target.take()?;
            if left == 0 {
                let most = self.most_pages;
                return Some(Err(Error::TooLarge(format!(
                    "GET {}: the list has more than {most} pages",
                    request::path(&first)
                ))));
            }
            left -= 1;
            let page = self.get::<P>(current);
            target = page.as_ref().ok().and_then(&mut next);
            Some(page)
        })
    }

    /// The request with what holds for all requests of the client.
    fn complete(&self, mut request: RequestBuilder) -> RequestBuilder {
        let named = |name: &str| request.headers.iter().any(|(own, _)| own == name);
        let missing: Vec<_> = self.headers.iter().filter(|(name, _)| !named(name)).cloned().collect();
        request.headers.extend(missing);
        request.timeout = request.timeout.or(self.timeout);
        request.idempotent |= self.idempotent_writes && matches!(&*request.method, "PUT" | "DELETE");
        request
    }

    fn exchange(&self, open: &mut [&mut Exchange]) {
        let answers = match &*open {
            [] => return,
            [exchange] => vec![self.http.send(self.grant, &exchange.request)],
            _ => {
                let requests: Vec<Request> = open.iter().map(|exchange| exchange.request.clone()).collect();
                self.http.send_all(self.grant, &requests)
            }
        };
        let now = self.clock.now();
        for (exchange, answer) in open.iter_mut().zip(answers) {
            exchange.answer(answer, now);
        }
    }

    /// How long to wait before the open requests are sent again, if any of them is. Leaves out those that ask for a longer
    /// pause than there is time for.
    fn pause(&self, attempt: u32, started: u64, open: &mut Vec<&mut Exchange>) -> Option<Duration> {
        if open.is_empty() || attempt >= self.retry.attempts {
            return None;
        }
        let elapsed = Duration::from_nanos(self.clock.monotonic().saturating_sub(started));
        let left = self.retry.patience.saturating_sub(self.waited.get()).min(self.retry.window.saturating_sub(elapsed));
        open.retain(|exchange| exchange.asked_pause() < left);
        let asked = open.iter().map(|exchange| exchange.asked_pause()).max()?;
        let pause = asked.max(self.retry.back_off(attempt, &self.random.bytes(4)));
        (pause < left).then(|| {
            self.waited.set(self.waited.get() + pause);
            pause
        })
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
