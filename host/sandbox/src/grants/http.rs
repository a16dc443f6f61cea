use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use futures::future::join_all;
use lb_model::bindings::lb_controller::provider::http::{Host, HttpError, Request, Response};

use crate::{
    Metrics,
    call::CallContext,
    grants::rehearsal::{Recorder, writes},
    http::{
        Failure, HttpClient, Room,
        refusal::{Reason, Refusal},
        target,
    },
    line::printable,
};

/// By the name of the grant.
pub(crate) type HttpClients = BTreeMap<String, Arc<HttpClient>>;

/// The reasons for which a call was refused a request.
pub(crate) type Refusals = BTreeSet<Reason>;

type Answer = Result<Response, HttpError>;

impl Host for CallContext {
    async fn send(&mut self, grant: String, request: Request) -> wasmtime::Result<Answer> {
        let mut answers = self.send_all(grant, vec![request]).await?;
        Ok(answers.pop().expect("one answer for each request"))
    }

    async fn send_all(&mut self, grant: String, requests: Vec<Request>) -> wasmtime::Result<Vec<Answer>> {
        // A call without requests is one, too.
        for _ in 0..requests.len().max(1) {
            self.budget.charge_host_call()?;
        }
        let granted = self.granted.clone();
        let Some(client) = granted.http.get(&grant) else {
            return Ok(requests.iter().map(|_| Err(self.unknown(&grant))).collect());
        };
        let sender = Sender {
            rehearsal: granted.rehearsal.as_deref(),
            client,
            grant: &grant,
            provider: self.provider.clone(),
            metrics: self.metrics.clone(),
            room: Room::new(self.budget.bytes()),
        };
        let answered = join_all(requests.into_iter().map(|request| sender.send(request))).await;
        Ok(answered.into_iter().map(|answer| answer.map_err(|failed| self.failed(&grant, failed))).collect())
    }
}

/// What the requests of one call have in common.
struct Sender<'a> {
    rehearsal: Option<&'a Recorder>,
    client: &'a HttpClient,
    grant: &'a str,
    provider: Arc<str>,
    metrics: Arc<Metrics>,
    room: Room,
}

/// An exchange that failed.
struct Failed {
    /// Which it was, for people: method, path and grant.
    what: String,
    failure: Failure,
}

impl Sender<'_> {
    async fn send(&self, request: Request) -> Result<Response, Failed> {
        let started = Instant::now();
        // A method that a provider made up is no label.
        let method = self.client.grant().methods.get(&request.method).map_or("other", String::as_str);
        let shown = printable(&request.method[..request.method.floor_char_boundary(16)]);
        let what = format!("{shown} {} (grant {})", target::shown(&request.target), self.grant);
        if let Some(recorder) = self.rehearsal
            && writes(&request.method)
        {
            recorder.record(format!(
                "{shown} {}, {} bytes (grant {})",
                target::shown(&request.target),
                request.body.len(),
                self.grant
            ));
            return Err(Failed { what, failure: Failure::Rehearsal });
        }
        let result = self.client.exchange(request, &self.room).await;
        let outcome = match &result {
            Ok(response) => status_class(response.status),
            Err(failure) => failure.label(),
        };
        self.metrics.http_ended(&self.provider, self.grant, method, outcome, started.elapsed());
        result.map_err(|failure| Failed { what, failure })
    }
}

impl CallContext {
    fn failed(&mut self, grant: &str, failed: Failed) -> HttpError {
        let Failed { what, failure } = failed;
        if let Failure::Refused(refusal) = &failure {
            self.refused(grant, &what, refusal);
        }
        failure.into_contract(&what)
    }

    fn unknown(&mut self, grant: &str) -> HttpError {
        let names: Vec<_> = self.granted.http.keys().map(String::as_str).collect();
        let message = format!("there is no such HTTP grant; granted: {}", names.join(", "));
        let refusal = Refusal::new(Reason::Grant, message);
        let what = format!("grant {}", printable(&grant[..grant.floor_char_boundary(63)]));
        // A name that a provider made up is no label.
        self.refused("", &what, &refusal);
        Failure::Refused(refusal).into_contract(&what)
    }

    /// Counts a refusal, and logs it once for each call and reason.
    fn refused(&mut self, grant: &str, what: &str, refusal: &Refusal) {
        let reason = refusal.reason;
        self.metrics.http_refused(&self.provider, grant, reason.label());
        if self.refusals.insert(reason) {
            let refused = printable(&format!("{what}: {refusal}"));
            tracing::warn!(provider = %self.provider, %reason, "an HTTP request was refused: {refused}");
        }
    }
}

fn status_class(status: u16) -> &'static str {
    match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
