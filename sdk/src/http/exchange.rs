use std::time::Duration;

use super::{Answer, Error, RequestBuilder, RetryCause};
use crate::{HttpError, Request, Response};

/// A request, and the last word on it.
pub(super) struct Exchange {
    pub(super) request: Request,
    name: String,
    idempotent: bool,
    result: Option<Result<Answer, Error>>,
}

impl Exchange {
    pub(super) fn new(builder: RequestBuilder) -> Self {
        let (name, idempotent) = (builder.name(), builder.idempotent);
        let (request, problem) = builder.build();
        let result = problem.map(|problem| Err(Error::InvalidRequest(format!("{name}: {problem}"))));
        Self { request, name, idempotent, result }
    }

    /// Nothing is known of it yet.
    pub(super) fn is_open(&self) -> bool {
        self.result.is_none()
    }

    /// Takes an answer that came at `now`, in milliseconds since the epoch.
    pub(super) fn answer(&mut self, answer: Result<Response, HttpError>, now: u64) {
        let latest = match answer {
            Ok(response) => Answer::new(&self.name, response, now).succeeded(),
            Err(error) => Err(Error::of_host(error)),
        };
        // What was in doubt before is not settled by an attempt that did not get through.
        let settled = !matches!(latest, Err(Error::Connect(_)));
        if settled || !matches!(&self.result, Some(Err(earlier)) if earlier.in_doubt()) {
            self.result = Some(latest);
        }
    }

    /// It failed in a way that may pass, and to be carried out twice does no harm.
    pub(super) fn may_be_sent_again(&self, after: RetryCause) -> bool {
        match &self.result {
            Some(Err(Error::Io(_))) => self.idempotent,
            _ if after == RetryCause::BrokenConnection => false,
            Some(Err(Error::Connect(_))) => true,
            Some(Err(Error::Timeout(_))) => self.idempotent,
            Some(Err(Error::Status(answer))) => self.idempotent && matches!(answer.status(), 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// How long the API asks to wait.
    pub(super) fn asked_pause(&self) -> Duration {
        let Some(Err(Error::Status(answer))) = &self.result else { return Duration::ZERO };
        answer.retry_after().unwrap_or_default()
    }

    pub(super) fn into_result(self) -> Result<Answer, Error> {
        self.result.unwrap_or_else(|| Err(Error::Io(format!("{}: the host did not answer", self.name))))
    }
}
