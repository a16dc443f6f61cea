use std::{cell::RefCell, collections::VecDeque};

use serde::Serialize;

use crate::{Http, HttpError, Request, Response};

type Server = Box<dyn FnMut(&str, &Request) -> Result<Response, HttpError>>;

/// The granted APIs of a test: prepared answers first, then those of a closure.
#[derive(Default)]
pub(super) struct Api {
    prepared: RefCell<VecDeque<Result<Response, HttpError>>>,
    server: RefCell<Option<Server>>,
    requests: RefCell<Vec<(String, Request)>>,
}

impl Api {
    pub(super) fn prepare(&self, answer: Result<Response, HttpError>) {
        self.prepared.borrow_mut().push_back(answer);
    }

    pub(super) fn serve(&self, server: Server) {
        *self.server.borrow_mut() = Some(server);
    }

    pub(super) fn requests(&self) -> Vec<(String, Request)> {
        self.requests.borrow().clone()
    }
}

impl Http for Api {
    fn send(&self, grant: &str, request: &Request) -> Result<Response, HttpError> {
        self.requests.borrow_mut().push((grant.to_owned(), request.clone()));
        if let Some(answer) = self.prepared.borrow_mut().pop_front() {
            return answer;
        }
        match &mut *self.server.borrow_mut() {
            Some(server) => server(grant, request),
            None => Err(HttpError::Connect(format!("{}: no answer was prepared", request.target))),
        }
    }

    fn send_all(&self, grant: &str, requests: &[Request]) -> Vec<Result<Response, HttpError>> {
        requests.iter().map(|request| self.send(grant, request)).collect()
    }
}

/// An answer that holds JSON.
pub fn json_response(status: u16, body: &impl Serialize) -> Response {
    let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    Response { status, headers, body: serde_json::to_vec(body).expect("a test answers with JSON") }
}

#[cfg(test)]
mod tests;
