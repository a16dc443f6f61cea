//! The component: the exports of the contract, and the capabilities as the host implements them.

use std::{marker::PhantomData, panic};

use crate::{
    ChangeSet, Clock, Descriptor, Error, FileError, Files, Host, Http, HttpError, Identity, KeyError, KeyReveal, Keys,
    Level, Log, Observed, Outcome, Provider, PutOutcome, Random, Removal, Report, Request, Response, ServiceError,
    Services, StartOutcome,
    bindings::{
        exports::lb_controller::provider::provider::Guest,
        lb_controller::provider::{clock, files, http, identity, key_reveal, keys, log, random, services},
    },
    call,
};

/// What the contract exports, for a provider.
pub struct Component<P>(PhantomData<P>);

impl<P: Provider> Guest for Component<P> {
    fn describe() -> Descriptor {
        log_panics();
        P::describe()
    }

    fn check_settings(settings: String) -> Result<(), String> {
        log_panics();
        call::settings::<P>(&settings).map(drop)
    }

    fn apply(settings: String, change: ChangeSet) -> Result<Outcome, Error> {
        log_panics();
        call::apply::<P>(&settings, change, &Sandbox)
    }

    fn remove(settings: String, load_balancer: String) -> Result<Removal, Error> {
        log_panics();
        call::remove::<P>(&settings, &load_balancer, &Sandbox)
    }

    fn observe(settings: String) -> Result<Vec<Observed>, Error> {
        log_panics();
        call::observe::<P>(&settings, &Sandbox)
    }
}

/// A panic ends in a trap that names no reason, so it is logged first.
fn log_panics() {
    panic::set_hook(Box::new(|panic| log::log(Level::Error, &panic.to_string(), &[])));
}

/// The host as the sandbox implements it.
struct Sandbox;

impl Host for Sandbox {
    fn files(&self) -> &dyn Files {
        self
    }
    fn services(&self) -> &dyn Services {
        self
    }
    fn keys(&self) -> &dyn Keys {
        self
    }
    fn key_reveal(&self) -> &dyn KeyReveal {
        self
    }
    fn http(&self) -> &dyn Http {
        self
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

impl Files for Sandbox {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        files::read(path)
    }
    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        files::list(path)
    }
    fn put(&self, path: &str, content: &[u8]) -> Result<PutOutcome, FileError> {
        files::put(path, content)
    }
    fn remove(&self, path: &str) -> Result<(), FileError> {
        files::remove(path)
    }
    fn stage(&self, tree: &str) -> Result<String, FileError> {
        files::stage(tree)
    }
    fn activate(&self, tree: &str, staged: &str) -> Result<Option<String>, FileError> {
        files::activate(tree, staged)
    }
    fn discard(&self, staged: &str) -> Result<(), FileError> {
        files::discard(staged)
    }
}

impl Services for Sandbox {
    fn start(&self, service: &str) -> Result<StartOutcome, ServiceError> {
        services::start(service)
    }
    fn check(&self, service: &str, path: &str) -> Result<Report, ServiceError> {
        services::check(service, path)
    }
    fn reload(&self, service: &str) -> Result<Report, ServiceError> {
        services::reload(service)
    }
    fn running(&self, service: &str) -> Result<bool, ServiceError> {
        services::running(service)
    }
    fn stop(&self, service: &str) -> Result<(), ServiceError> {
        services::stop(service)
    }
}

impl Keys for Sandbox {
    fn store(&self, certificate: &str, path: &str) -> Result<PutOutcome, KeyError> {
        keys::store(certificate, path)
    }
}

impl KeyReveal for Sandbox {
    fn reveal(&self, certificate: &str) -> Option<String> {
        key_reveal::reveal(certificate)
    }
}

impl Http for Sandbox {
    fn send(&self, grant: &str, request: &Request) -> Result<Response, HttpError> {
        http::send(grant, request)
    }
    fn send_all(&self, grant: &str, requests: &[Request]) -> Vec<Result<Response, HttpError>> {
        http::send_all(grant, requests)
    }
}

impl Identity for Sandbox {
    fn controller(&self) -> String {
        identity::controller()
    }
}

impl Log for Sandbox {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields: Vec<_> = fields.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        log::log(level, message, &fields);
    }
}

impl Clock for Sandbox {
    fn now(&self) -> u64 {
        clock::now()
    }
    fn monotonic(&self) -> u64 {
        clock::monotonic()
    }
    fn sleep(&self, milliseconds: u32) {
        clock::sleep(milliseconds);
    }
}

impl Random for Sandbox {
    fn bytes(&self, length: u32) -> Vec<u8> {
        random::bytes(length)
    }
}
