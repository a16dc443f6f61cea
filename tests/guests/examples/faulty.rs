//! A provider that keeps the contract, but for the clause that `settings.fault` names. Its load balancers are documents
//! behind the HTTP grant `api`: `GET /balancers` lists them, `/balancers/<key>` is one.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::pedantic, unreachable_pub, reason = "generated from wit/")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" });

use std::fmt::Debug;

use exports::lb_controller::provider::provider::Guest;
use lb_controller::provider::http::{self, Request};
use lb_controller::provider::types::{
    BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Feature, HostMatch, HostService, Observed, Outcome,
    PathMatch, Placement, Readiness, Removal, RetryAfter, Scope, WantedGrant,
};
use serde_json::{Map, Value, json};

struct Faulty;

impl Guest for Faulty {
    fn describe() -> Descriptor {
        let grant = |capability: &str, name: &str| WantedGrant {
            capability: capability.to_owned(),
            name: name.to_owned(),
            reason: "Has the load balancers.".to_owned(),
        };
        Descriptor {
            name: "faulty".to_owned(),
            version: "0.1.0".to_owned(),
            scope: Scope::PerObject,
            placement: Placement::Leader,
            change_sets: ChangeKind::Incremental,
            backend_detail: BackendDetail::Endpoints,
            features: vec![Feature::Https, Feature::PathPrefix, Feature::PathExact, Feature::HostWildcard],
            annotation_prefixes: Vec::new(),
            observe_interval: 60,
            settings_schema: r#"{"type": "object", "properties": {"fault": {"type": "string"}}}"#.to_owned(),
            grants: vec![grant("http", "api")],
        }
    }

    fn check_settings(settings: String) -> Result<(), String> {
        let settings: Value = serde_json::from_str(&settings).map_err(|error| error.to_string())?;
        let settings = settings.as_object().ok_or("the settings are no object")?;
        if fault(settings.get("fault"), "check-settings") {
            return Ok(());
        }
        for (key, value) in settings {
            match (key.as_str(), value) {
                ("fault", Value::String(_)) => {}
                ("fault", _) => return Err("`fault` is not a text".to_owned()),
                (key, _) => return Err(format!("there is no setting `{key}`")),
            }
        }
        Ok(())
    }

    fn apply(settings: String, change: ChangeSet) -> Result<Outcome, Error> {
        let api = Api::new(&settings);
        let key = key(&change.load_balancer.id);
        if api.has("empty") && change.listeners.upsert.is_empty() && change.kind == ChangeKind::Complete {
            panic!("nobody told me that it may be empty");
        }
        if api.has("names") && paths(&change).any(|path| path.contains(';')) {
            return Err(Error::Denied("a path that I did not think of".to_owned()));
        }
        let endpoints: usize = change.backends.upsert.iter().map(|backend| backend.endpoints.len()).sum();
        while api.has("scale") && endpoints > 5000 {
            std::hint::spin_loop();
        }
        let lock = format!("/locks/{key}");
        if api.has("cancelled") {
            if api.get(&lock)?.is_some() {
                return Err(Error::Denied("somebody is at it already".to_owned()));
            }
            api.write("PUT", &lock, &json!({}))?;
        }
        let target = format!("/balancers/{key}");
        let before = api.get(&target)?;
        let after = document(&api, &change, before.as_ref());
        if before.as_ref() != Some(&after) || api.has("idempotence") {
            api.write("PUT", &target, &after)?;
        }
        if api.has("side-by-side") {
            for other in api.list()?.iter().filter(|other| other["id"] != after["id"]) {
                let id = other["id"].as_str().unwrap_or_default();
                api.write("DELETE", &format!("/balancers/{}", self::key(id)), &Value::Null)?;
            }
        }
        if api.has("cancelled") {
            api.write("DELETE", &lock, &Value::Null)?;
        }
        Ok(Outcome { readiness: Readiness::Ready, addresses: Vec::new(), rejections: Vec::new() })
    }

    fn remove(settings: String, load_balancer: String) -> Result<Removal, Error> {
        let api = Api::new(&settings);
        let key = key(&load_balancer);
        let target = format!("/balancers/{key}");
        let removed = format!("/removed/{key}");
        if api.get(&target)?.is_none() {
            if api.has("remove-unknown") {
                return Err(Error::Denied("there is no such load balancer".to_owned()));
            }
            if api.has("remove-twice") && api.get(&removed)?.is_some() {
                return Ok(Removal::Pending("it is gone already".to_owned()));
            }
            return Ok(Removal::Removed);
        }
        if api.has("remove-twice") {
            api.write("PUT", &removed, &json!({}))?;
        }
        if !api.has("remove") {
            api.write("DELETE", &target, &Value::Null)?;
        }
        Ok(Removal::Removed)
    }

    fn observe(settings: String) -> Result<Vec<Observed>, Error> {
        let api = Api::new(&settings);
        let documents = match api.list() {
            Err(_) if api.has("failing-api") => Vec::new(),
            documents => documents?,
        };
        let observed = |document: &Value| Observed {
            load_balancer: document["id"].as_str().unwrap_or_default().to_owned(),
            owner_uid: document["owner"].as_str().filter(|_| !api.has("observe")).map(str::to_owned),
            readiness: Readiness::Ready,
            addresses: Vec::new(),
            drift: None,
        };
        Ok(documents.iter().map(observed).collect())
    }
}

/// What a load balancer is to be.
fn document(api: &Api, change: &ChangeSet, before: Option<&Value>) -> Value {
    let keeps = change.kind == ChangeKind::Incremental || api.has("strangers");
    let table = |name: &str, upserts: Vec<(&str, String)>, removals: &[String]| {
        let mut rows = Map::new();
        if (keeps || (name == "certificates" && api.has("certificate")))
            && let Some(Value::Object(before)) = before.map(|before| &before[name])
        {
            rows.clone_from(before);
        }
        for (key, row) in upserts {
            rows.insert(key.to_owned(), row.into());
        }
        if !api.has("incremental") && !(name == "certificates" && api.has("certificate")) {
            removals.iter().for_each(|key| drop(rows.remove(key)));
        }
        Value::Object(rows)
    };
    let is_served = |host: &HostMatch| !(api.has("features") && matches!(host, HostMatch::Wildcard(_)));
    let hosts = change.virtual_hosts.upsert.iter().filter(|host| is_served(&host.host));
    json!({
        "id": change.load_balancer.id,
        "owner": change.load_balancer.owner.as_ref().map(|owner| &owner.uid),
        "listeners": table("listeners", rows(&change.listeners.upsert, |it| &it.name), &change.listeners.remove),
        "hosts": table("hosts", hosts.map(|it| (&*it.id, format!("{it:?}"))).collect(), &change.virtual_hosts.remove),
        "backends": table("backends", rows(&change.backends.upsert, |it| &it.id), &change.backends.remove),
        "certificates":
            table("certificates", rows(&change.certificates.upsert, |it| &it.id), &change.certificates.remove),
    })
}

fn rows<'a, T: Debug>(records: &'a [T], key: impl Fn(&'a T) -> &'a str) -> Vec<(&'a str, String)> {
    records.iter().map(|record| (key(record), format!("{record:?}"))).collect()
}

fn paths(change: &ChangeSet) -> impl Iterator<Item = &str> {
    let routes = change.virtual_hosts.upsert.iter().flat_map(|host| match &host.service {
        HostService::Routes(routes) => &routes[..],
        HostService::Passthrough(_) => &[],
    });
    routes.map(|route| match &route.path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) | PathMatch::Regex(path) => path.as_str(),
    })
}

/// A name that every path can have.
fn key(id: &str) -> String {
    id.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn fault(value: Option<&Value>, name: &str) -> bool {
    value.and_then(Value::as_str) == Some(name)
}

struct Api {
    settings: Value,
}

impl Api {
    fn new(settings: &str) -> Self {
        Self { settings: serde_json::from_str(settings).expect("checked settings are JSON") }
    }

    fn has(&self, name: &str) -> bool {
        fault(self.settings.get("fault"), name)
    }

    fn get(&self, target: &str) -> Result<Option<Value>, Error> {
        match self.send("GET", target, &Value::Null)? {
            (404, _) => Ok(None),
            (_, body) => Ok(Some(read(&body)?)),
        }
    }

    fn list(&self) -> Result<Vec<Value>, Error> {
        let (_, body) = self.send("GET", "/balancers", &Value::Null)?;
        match read(&body)? {
            Value::Array(documents) => Ok(documents),
            other => Err(unavailable(format!("no list: {other}"))),
        }
    }

    fn write(&self, method: &str, target: &str, body: &Value) -> Result<(), Error> {
        self.send(method, target, body).map(drop)
    }

    fn send(&self, method: &str, target: &str, body: &Value) -> Result<(u16, Vec<u8>), Error> {
        let request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            timeout: self.has("slow-api").then_some(50),
        };
        match http::send("api", &request) {
            Ok(answer) if answer.status < 300 || answer.status == 404 => Ok((answer.status, answer.body)),
            Ok(answer) if matches!(answer.status, 401 | 403) => Err(Error::Denied(format!("{}", answer.status))),
            Ok(answer) => Err(unavailable(format!("{}", answer.status))),
            Err(error) if self.has("slow-api") => Err(Error::Denied(format!("{error:?}"))),
            Err(error) => Err(unavailable(format!("{error:?}"))),
        }
    }
}

fn read(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| unavailable(error.to_string()))
}

fn unavailable(message: String) -> Error {
    Error::Unavailable(RetryAfter { message, after: None })
}

export!(Faulty);
