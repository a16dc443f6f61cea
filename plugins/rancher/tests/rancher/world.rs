//! A Rancher server, a controller's host, and the provider between them, in one process.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use lb_plugin_rancher::Rancher as Provider;
use lb_provider::{
    Annotation, Backend, ChangeKind, ChangeSet, Clock, Error, Files, Host, Http, HttpError, Identity, KeyReveal, Keys,
    Listener, Log, Observed, Outcome, Protocol, Random, Readiness, Removal, Request, Response, Route, Services,
    VirtualHost,
    testing::{self, TestHost, records},
};
use lb_rancher_double::{Host as Machine, Key, KeyKind, Options, Rancher};
use serde_json::{Value, json};

pub(crate) const PROJECT: &str = "1a5";

/// What happens to requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cut {
    /// How many still get through.
    pub(crate) after: usize,
    /// The first that does not is carried out all the same.
    pub(crate) stored: bool,
}

pub(crate) struct World {
    pub(crate) rancher: Rancher,
    pub(crate) host: TestHost,
    pub(crate) settings: RefCell<Value>,
    key: Rc<RefCell<Key>>,
    base: Rc<RefCell<String>>,
    cut: Rc<Cell<Option<Cut>>>,
    refusal: Rc<RefCell<Option<Refusal>>>,
    rounds: Cell<usize>,
}

/// An answer in place of the server's: for the next request whose method and path begin so.
pub(crate) struct Refusal {
    pub(crate) request: &'static str,
    pub(crate) status: u16,
    pub(crate) stored: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let rancher = Rancher::new(options);
        let key = Rc::new(RefCell::new(rancher.add_key(KeyKind::Environment { project: PROJECT.to_owned() })));
        let base = Rc::new(RefCell::new(format!("/v2-beta/projects/{PROJECT}")));
        let (cut, refusal) = (Rc::new(Cell::new(None::<Cut>)), Rc::new(RefCell::new(None::<Refusal>)));
        let host = TestHost::default();
        host.serve_http({
            let (rancher, key, base) = (rancher.clone(), key.clone(), base.clone());
            let (cut, refusal) = (cut.clone(), refusal.clone());
            move |grant, request| {
                assert_eq!(grant, "rancher");
                let answer = || respond(&rancher, &key.borrow(), &base.borrow(), request);
                if let Some(Cut { after, stored }) = cut.get() {
                    if after == 0 {
                        cut.set(Some(Cut { after, stored: false }));
                        if stored {
                            answer();
                            return Err(HttpError::Io("cut".to_owned()));
                        }
                        return Err(HttpError::Connect("cut".to_owned()));
                    }
                    cut.set(Some(Cut { after: after - 1, stored }));
                }
                let line = format!("{} {}", request.method, request.target);
                let mut pending = refusal.borrow_mut();
                if pending.as_ref().is_some_and(|refusal| line.starts_with(refusal.request)) {
                    let refusal = pending.take().expect("it is there");
                    if refusal.stored {
                        answer();
                    }
                    let body = json!({ "type": "error", "status": refusal.status, "code": "Injected" })
                        .to_string()
                        .into_bytes();
                    return Ok(Response { status: refusal.status, headers: vec![], body });
                }
                Ok(answer())
            }
        });
        let (settings, rounds) = (RefCell::new(json!({})), Cell::default());
        let world = Self { rancher, host, settings, key, base, cut, refusal, rounds };
        world.add_machine("203.0.113.1");
        world.add_machine("203.0.113.2");
        world
    }

    pub(crate) fn add_machine(&self, address: &str) -> String {
        let machine = Machine { name: address.to_owned(), addresses: vec![address.to_owned()], ..Machine::default() };
        self.rancher.add_host(PROJECT, machine)
    }

    /// Has the Kubernetes agent make what Rancher knows of a Service.
    pub(crate) fn know(&self, services: &[&str]) {
        for service in services {
            self.rancher.add_kubernetes_service(PROJECT, &uid(service), "default", service);
        }
        self.settle();
    }

    pub(crate) fn use_key(&self, kind: KeyKind, base: &str) {
        *self.key.borrow_mut() = self.rancher.add_key(kind);
        base.clone_into(&mut self.base.borrow_mut());
    }

    pub(crate) fn set(&self, key: &str, value: Value) {
        self.settings.borrow_mut()[key] = value;
    }

    pub(crate) fn cut(&self, cut: Option<Cut>) {
        self.cut.set(cut);
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        *self.refusal.borrow_mut() = Some(refusal);
    }

    /// Lets the server come to rest.
    pub(crate) fn settle(&self) {
        for _ in 0..60 {
            self.rancher.advance(Duration::from_secs(1));
        }
    }

    pub(crate) fn apply(&self, change: &ChangeSet) -> Result<Outcome, Error> {
        testing::apply::<Provider>(&self.settings.borrow().to_string(), change.clone(), self)
    }

    pub(crate) fn remove(&self, id: &str) -> Result<Removal, Error> {
        testing::remove::<Provider>(&self.settings.borrow().to_string(), id, self)
    }

    pub(crate) fn observe(&self) -> Vec<Observed> {
        testing::observe::<Provider>(&self.settings.borrow().to_string(), self).unwrap()
    }

    pub(crate) fn try_observe(&self) -> Result<Vec<Observed>, Error> {
        testing::observe::<Provider>(&self.settings.borrow().to_string(), self)
    }

    /// What a controller does until nothing is left to do: applies while it is told to try again, observes, and applies
    /// what drifted.
    pub(crate) fn converge(&self, change: &ChangeSet) -> Observed {
        for _ in 0..40 {
            let outcome = self.apply(change);
            self.settle();
            let again = match outcome {
                Ok(_) => false,
                Err(Error::Unavailable(_) | Error::Conflict(_)) => true,
                Err(error) => panic!("{error:?}"),
            };
            if again {
                continue;
            }
            let observed = self.observe();
            let mut of_this = observed.into_iter().filter(|observed| observed.load_balancer == change.load_balancer.id);
            if let Some(observed) = of_this.next().filter(|observed| observed.drift.is_none()) {
                return observed;
            }
        }
        panic!("it never converges: {:?}\n{:#?}", self.observe(), self.rancher.load_balancers());
    }

    /// The same for a removal.
    pub(crate) fn converge_removal(&self, id: &str) {
        for _ in 0..40 {
            match self.remove(id) {
                Ok(Removal::Removed) => return,
                Ok(Removal::Pending(_)) | Err(Error::Unavailable(_) | Error::Conflict(_)) => self.settle(),
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("it is never removed");
    }

    /// Requests since the last time, spelled `GET /stacks`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let line = |(_, request): &(String, Request)| {
            let path = request.target.split('?').next().unwrap_or_default();
            let action =
                request.target.split_once("action=").map(|(_, action)| format!("?{action}")).unwrap_or_default();
            format!("{} {path}{action}", request.method)
        };
        self.host.requests().iter().map(line).collect()
    }

    /// How many requests there were so far.
    pub(crate) fn count(&self) -> usize {
        self.host.requests().len()
    }

    /// The writes after the first so many requests.
    pub(crate) fn writes_since(&self, count: usize) -> Vec<String> {
        self.requests().into_iter().skip(count).filter(|line| !line.starts_with("GET")).collect()
    }

    /// Rounds since the last time.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.replace(0)
    }

    /// The only load balancer.
    pub(crate) fn only(&self) -> Value {
        let all = self.rancher.load_balancers();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.into_iter().next().unwrap()
    }

    pub(crate) fn rules(&self) -> Vec<Value> {
        self.only()["lbConfig"]["portRules"].as_array().cloned().unwrap_or_default()
    }
}

fn respond(rancher: &Rancher, key: &Key, base: &str, request: &Request) -> Response {
    let target = match request.target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned(),
        None => format!("{base}{}", request.target),
    };
    let mut forwarded =
        lb_rancher_double::Request::new(&request.method, &target).with_header("host", "rancher:8080").with_key(key);
    for (name, value) in &request.headers {
        forwarded = forwarded.with_header(name, std::str::from_utf8(value).unwrap());
    }
    forwarded.body.clone_from(&request.body);
    let response = rancher.handle(&forwarded);
    let headers = response.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value.into_bytes()));
    Response { status: response.status, headers: headers.collect(), body: response.body }
}

/// The host of the test, which counts the rounds of requests.
impl Host for World {
    fn files(&self) -> &dyn Files {
        self.host.files()
    }
    fn services(&self) -> &dyn Services {
        self.host.services()
    }
    fn keys(&self) -> &dyn Keys {
        self.host.keys()
    }
    fn key_reveal(&self) -> &dyn KeyReveal {
        self.host.key_reveal()
    }
    fn http(&self) -> &dyn Http {
        self
    }
    fn identity(&self) -> &dyn Identity {
        self.host.identity()
    }
    fn log(&self) -> &dyn Log {
        Host::log(&self.host)
    }
    fn clock(&self) -> &dyn Clock {
        self.host.clock()
    }
    fn random(&self) -> &dyn Random {
        self.host.random()
    }
}

impl Http for World {
    fn send(&self, grant: &str, request: &Request) -> Result<Response, HttpError> {
        self.rounds.set(self.rounds.get() + 1);
        self.host.http().send(grant, request)
    }

    fn send_all(&self, grant: &str, requests: &[Request]) -> Vec<Result<Response, HttpError>> {
        self.rounds.set(self.rounds.get() + 1);
        self.host.http().send_all(grant, requests)
    }
}

/// The UID of a Service of this name.
pub(crate) fn uid(service: &str) -> String {
    format!("service-{service}")
}

/// A change-set of the Ingress `default/web`: an HTTP port.
pub(crate) fn ingress() -> ChangeSet {
    named("web")
}

/// The same of another name.
pub(crate) fn named(name: &str) -> ChangeSet {
    let mut change = records::change(ChangeKind::Complete);
    change.load_balancer.id = format!("default/{name}");
    change.load_balancer.owner = Some(records::object("Ingress", name));
    change.listeners.upsert.push(listener("http-80", 80, Protocol::Http, name));
    change
}

pub(crate) fn listener(name: &str, port: u16, protocol: Protocol, ingress: &str) -> Listener {
    Listener { sources: vec![records::object("Ingress", ingress)], ..records::listener(name, port, protocol) }
}

pub(crate) trait Changes: Sized {
    /// Serves a host on a listener.
    fn host(self, listener: &str, host: &str, routes: Vec<Route>) -> Self;
    /// Names backends, each spelled `service:port`.
    fn backends(self, backends: &[(&str, u16)]) -> Self;
    fn annotated(self, key: &str, value: &str) -> Self;
    fn scaled(self, scale: u32) -> Self;
    fn owned_by(self, uid: &str) -> Self;
    fn virtual_host(self, host: VirtualHost) -> Self;
}

impl Changes for ChangeSet {
    fn host(self, listener: &str, host: &str, routes: Vec<Route>) -> Self {
        self.virtual_host(records::virtual_host(listener, host, routes))
    }

    fn virtual_host(mut self, host: VirtualHost) -> Self {
        self.virtual_hosts.upsert.push(host);
        self
    }

    fn backends(mut self, backends: &[(&str, u16)]) -> Self {
        for (service, port) in backends {
            let backend = records::backend(&format!("default/{service}/80"), vec![]);
            self.backends.upsert.push(Backend { target_ports: vec![*port], ..backend });
        }
        self
    }

    fn annotated(mut self, key: &str, value: &str) -> Self {
        let source = self.load_balancer.owner.clone().unwrap();
        self.load_balancer.annotations.push(Annotation { key: key.to_owned(), value: value.to_owned(), source });
        self
    }

    fn scaled(mut self, scale: u32) -> Self {
        self.load_balancer.scale = Some(scale);
        self
    }

    fn owned_by(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.load_balancer.owner.as_mut().unwrap().uid);
        self
    }
}

/// The Ingress `default/web` with one rule to the Service `a`.
pub(crate) fn simple() -> ChangeSet {
    ingress().host("http-80", "foo.com", vec![records::prefix("/", "default/a/80")]).backends(&[("a", 8080)])
}

/// What an outcome waits for.
pub(crate) fn pending(readiness: &Readiness) -> &str {
    match readiness {
        Readiness::Pending(reason) => reason,
        Readiness::Ready => panic!("it is ready"),
    }
}
