use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use super::{Directory, Script, http::Api};
use crate::{
    Clock, FileError, Files, Host, Http, HttpError, Identity, KeyError, KeyReveal, Keys, Level, Log, PutOutcome,
    Random, Request, Response, Services,
};

/// One line that a provider logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: Level,
    /// The text.
    pub message: String,
    /// The fields, in the order given.
    pub fields: Vec<(String, String)>,
}

/// A host for one test: everything is granted. Time stands still but for `sleep`, and random bytes are the same in every
/// run.
pub struct TestHost {
    directory: Directory,
    services: Box<dyn Services>,
    keys: RefCell<BTreeMap<String, String>>,
    http: Api,
    log: RefCell<Vec<LogLine>>,
    nanoseconds: Cell<u64>,
    random: Cell<u8>,
    controller: RefCell<String>,
}

impl Default for TestHost {
    /// An empty temporary directory, and services that do as they are told.
    fn default() -> Self {
        Self::new(Directory::temporary(), Script::default())
    }
}

impl TestHost {
    /// A host with this directory and these services.
    pub fn new(directory: Directory, services: impl Services + 'static) -> Self {
        Self {
            directory,
            services: Box::new(services),
            keys: RefCell::default(),
            http: Api::default(),
            log: RefCell::default(),
            nanoseconds: Cell::new(0),
            random: Cell::new(0),
            controller: RefCell::new("test-cluster/lb".to_owned()),
        }
    }

    /// The granted directory.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Makes the private key of a certificate known.
    pub fn add_key(&self, certificate: &str, pem: &str) {
        self.keys.borrow_mut().insert(certificate.to_owned(), pem.to_owned());
    }

    /// Makes it the host of another controller than `test-cluster/lb`.
    pub fn set_controller(&self, id: &str) {
        id.clone_into(&mut self.controller.borrow_mut());
    }

    /// The answer to one HTTP request; they are given in this order. When there is none left,
    /// [`serve_http`](Self::serve_http) answers; without that, nothing can be connected to.
    pub fn answer_http(&self, answer: Result<Response, HttpError>) {
        self.http.prepare(answer);
    }

    /// Answers all HTTP requests for which no answer was prepared; the function is given grant and request.
    pub fn serve_http(&self, server: impl FnMut(&str, &Request) -> Result<Response, HttpError> + 'static) {
        self.http.serve(Box::new(server));
    }

    /// The HTTP requests so far, each with its grant.
    pub fn requests(&self) -> Vec<(String, Request)> {
        self.http.requests()
    }

    /// A file of the granted directory, as text.
    pub fn read_text(&self, path: &str) -> Result<String, FileError> {
        self.directory.read(path).map(|content| String::from_utf8_lossy(&content).into_owned())
    }

    /// What was logged so far.
    pub fn logged(&self) -> Vec<LogLine> {
        self.log.borrow().clone()
    }
}

impl Host for TestHost {
    fn files(&self) -> &dyn Files {
        &self.directory
    }
    fn services(&self) -> &dyn Services {
        &*self.services
    }
    fn keys(&self) -> &dyn Keys {
        self
    }
    fn key_reveal(&self) -> &dyn KeyReveal {
        self
    }
    fn http(&self) -> &dyn Http {
        &self.http
    }
    fn identity(&self) -> &dyn Identity {
        self
    }
    fn log(&self) -> &dyn Log {
        self
    }
    fn clock(&self) -> &dyn Clock {
        self
    }
    fn random(&self) -> &dyn Random {
        self
    }
}

impl Keys for TestHost {
    fn store(&self, certificate: &str, path: &str) -> Result<PutOutcome, KeyError> {
        let key = self.reveal(certificate).ok_or_else(|| KeyError::UnknownCertificate(certificate.to_owned()))?;
        self.directory.put_private(path, key.as_bytes()).map_err(KeyError::File)
    }
}

impl KeyReveal for TestHost {
    fn reveal(&self, certificate: &str) -> Option<String> {
        self.keys.borrow().get(certificate).cloned()
    }
}

impl Identity for TestHost {
    fn controller(&self) -> String {
        self.controller.borrow().clone()
    }
}

impl Log for TestHost {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        self.log.borrow_mut().push(LogLine { level, message: message.to_owned(), fields });
    }
}

impl Clock for TestHost {
    fn now(&self) -> u64 {
        const START: u64 = 1_800_000_000_000;
        START + self.nanoseconds.get() / 1_000_000
    }

    fn monotonic(&self) -> u64 {
        self.nanoseconds.get()
    }

    fn sleep(&self, milliseconds: u32) {
        self.nanoseconds.set(self.nanoseconds.get() + u64::from(milliseconds) * 1_000_000);
    }
}

impl Random for TestHost {
    fn bytes(&self, length: u32) -> Vec<u8> {
        let next = |_| self.random.replace(self.random.get().wrapping_add(1));
        (0..length).map(next).collect()
    }
}
