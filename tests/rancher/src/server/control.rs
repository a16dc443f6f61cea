//! `/control/`: what people and demos do to the world from outside. No credentials, so only for trusted hosts.
//!
//! | request | does |
//! |---|---|
//! | `GET /control/load-balancers` | lists them in short |
//! | `POST /control/load-balancers/<id or name>/move` with `{"to": "<host>", "from": "<host>"?}` | moves its containers |
//! | `GET /control/requests?since=<number>` | counts what the API was asked, and lists the writes; all, or from `next` of an earlier answer |
//! | `GET /control/hosts` | lists them in short |
//! | `DELETE /control/hosts/<host>` | removes one; its containers move |
//! | `GET /control/faults` | tells what may go wrong |
//! | `PUT /control/faults` with `{"chaos": <seed>, "probability": 0.2, "rules": [...]}` | replaces what goes wrong |
//! | `DELETE /control/faults` | ends it |
//!
//! A host is named by its id, its name or its address. A rule is
//! `{"method": "POST", "path": "/stacks", "fault": {"status": 503}, "times": 2, "probability": 0.5}`; all but `fault` may
//! be left out.

use std::collections::BTreeSet;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::faults::{Chaos, Fault, Faults, Route, Rule};
use crate::recording::{Exchange, Recording};
use crate::{Rancher, Request, Reschedule, Response};

const PREFIX: &str = "/control/";

pub(super) fn is_meant(request: &Request) -> bool {
    request.path().starts_with(PREFIX)
}

/// A status and what to tell, in words.
struct Refusal(u16, String);

pub(super) fn answer(rancher: &Rancher, faults: &Faults, recording: &Recording, request: &Request) -> Response {
    let (status, value) = match act(rancher, faults, recording, request) {
        Ok(value) => (200, value),
        Err(Refusal(status, message)) => (status, json!({"error": message})),
    };
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Response { status, headers, body: format!("{value:#}\n").into_bytes() }
}

fn act(rancher: &Rancher, faults: &Faults, recording: &Recording, request: &Request) -> Result<Value, Refusal> {
    let path = percent_decode_str(&request.path()[PREFIX.len()..]).decode_utf8_lossy().into_owned();
    let elements: Vec<&str> = path.split('/').filter(|element| !element.is_empty()).collect();
    match (request.method.as_str(), &elements[..]) {
        ("GET", ["load-balancers"]) => {
            Ok(rancher.load_balancers().iter().map(|row| load_balancer(rancher, row)).collect())
        }
        ("GET", ["requests"]) => requests(recording, request),
        ("POST", ["load-balancers", which, "move"]) => relocate(rancher, which, &parse(&request.body)?),
        ("GET", ["hosts"]) => Ok(hosts(rancher).iter().map(host).collect()),
        ("DELETE", ["hosts", which]) => {
            let id = host_id(rancher, which)?;
            rancher.remove_host(&id);
            Ok(json!({"removed": id}))
        }
        ("GET", ["faults"]) => Ok(faults.describe().into()),
        ("PUT", ["faults"]) => {
            let wanted: Wanted = parse(&request.body)?;
            wanted.install(faults)?;
            Ok(faults.describe().into())
        }
        ("DELETE", ["faults"]) => {
            faults.clear();
            Ok(faults.describe().into())
        }
        (method, _) => Err(Refusal(
            404,
            format!(
                "there is no {method} {}; try GET /control/load-balancers, POST /control/load-balancers/<name>/move, \
                 GET /control/requests, GET /control/hosts, DELETE /control/hosts/<host>, or GET, PUT, DELETE /control/faults",
                request.path()
            ),
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal(400, format!("the body cannot be read: {error}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    to: String,
    /// Unless named: the host of the first endpoint.
    from: Option<String>,
}

fn relocate(rancher: &Rancher, which: &str, wanted: &Move) -> Result<Value, Refusal> {
    let all = rancher.load_balancers();
    let named = |row: &&Value| text(row, "id") == which || text(row, "name") == which;
    let Some(row) = all.iter().find(named) else {
        let known: Vec<&str> = all.iter().map(|row| text(row, "name")).collect();
        return Err(Refusal(404, format!("there is no load balancer {which:?}; there are: {}", known.join(", "))));
    };
    let to = host_id(rancher, &wanted.to)?;
    let from = match &wanted.from {
        Some(from) => host_id(rancher, from)?,
        None => match row["publicEndpoints"][0]["hostId"].as_str() {
            Some(from) => from.to_owned(),
            None => return Err(Refusal(409, format!("{} has no endpoint yet that could move", text(row, "name")))),
        },
    };
    if text(row, "state") != "active" {
        let state = text(row, "state");
        return Err(Refusal(409, format!("{} is {state}; only an active load balancer moves", text(row, "name"))));
    }
    rancher.reschedule(text(row, "id"), &from, &to, Reschedule::Direct);
    Ok(json!({"moved": row["name"], "from": from, "to": to}))
}

fn requests(recording: &Recording, request: &Request) -> Result<Value, Refusal> {
    let since = form_urlencoded::parse(request.query().as_bytes()).find(|(name, _)| name == "since");
    let since = match since.map(|(_, number)| number.parse()) {
        None => 0,
        Some(Ok(number)) => number,
        Some(Err(_)) => return Err(Refusal(400, "since is the `next` of an earlier answer, a number".to_owned())),
    };
    let (exchanges, next) = recording.since_number(since);
    let writes: Vec<String> = exchanges.writes().iter().map(Exchange::summary).collect();
    Ok(json!({"next": next, "requests": exchanges.len(), "writes": writes}))
}

fn load_balancer(rancher: &Rancher, row: &Value) -> Value {
    let endpoints = row["publicEndpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let addresses: BTreeSet<&str> = endpoints.iter().map(|endpoint| text(endpoint, "ipAddress")).collect();
    let rules = row["lbConfig"]["portRules"].as_array().map(Vec::as_slice).unwrap_or_default();
    json!({
        "id": row["id"],
        "name": row["name"],
        "state": row["state"],
        "health": row["healthState"],
        "message": row["transitioningMessage"],
        "scale": row["scale"],
        "ports": row["launchConfig"]["ports"],
        "addresses": addresses,
        "rules": rules.iter().map(|row| rule(rancher, row)).collect::<Vec<_>>(),
        "certificates": row["lbConfig"]["defaultCertificateId"].as_str().into_iter()
            .chain(row["lbConfig"]["certificateIds"].as_array().into_iter().flatten().filter_map(Value::as_str))
            .collect::<Vec<_>>(),
    })
}

/// `http://foo.bar.com:80/foo -> web:8080`
fn rule(rancher: &Rancher, rule: &Value) -> String {
    let protocol = rule["protocol"].as_str().unwrap_or("http");
    let host = rule["hostname"].as_str().unwrap_or("*");
    let service = rancher.row(text(rule, "serviceId")).unwrap_or_default();
    let target = format!("{}:{}", text(&service, "name"), rule["targetPort"]);
    format!("{protocol}://{host}:{}{} -> {target}", rule["sourcePort"], text(rule, "path"))
}

fn hosts(rancher: &Rancher) -> Vec<Value> {
    rancher.rows("host").into_iter().filter(|row| text(row, "state") != "removed").collect()
}

fn host(row: &Value) -> Value {
    json!({"id": row["id"], "name": row["name"], "address": row["agentIpAddress"], "state": row["state"]})
}

fn host_id(rancher: &Rancher, which: &str) -> Result<String, Refusal> {
    let all = hosts(rancher);
    let named = |row: &&Value| ["id", "name", "agentIpAddress"].iter().any(|field| text(row, field) == which);
    if let Some(row) = all.iter().find(named) {
        return Ok(text(row, "id").to_owned());
    }
    let known: Vec<&str> = all.iter().map(|row| text(row, "agentIpAddress")).collect();
    Err(Refusal(404, format!("there is no host {which:?}; there are: {}", known.join(", "))))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// What is to go wrong from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    chaos: Option<u64>,
    probability: Option<f64>,
    #[serde(default)]
    rules: Vec<WantedRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedRule {
    #[serde(default = "any_method")]
    method: String,
    #[serde(default = "any_path")]
    path: String,
    fault: WantedFault,
    times: Option<u64>,
    probability: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WantedFault {
    Status(u16),
    ProxyPage(u16),
    HangBeforeMs(u64),
    HangAfterMs(u64),
    DelayMs(u64),
    ResetBefore,
    ResetAfter,
    Truncated,
    CutBody,
    BytesPerSecond(u32),
}

impl Wanted {
    fn install(self, faults: &Faults) -> Result<(), Refusal> {
        let chances = self.rules.iter().filter_map(|rule| rule.probability).chain(self.probability);
        if let Some(wrong) = chances.into_iter().find(|chance| !(0.0..=1.0).contains(chance)) {
            return Err(Refusal(400, format!("a probability is between 0 and 1, not {wrong}")));
        }
        for rule in &self.rules {
            if let WantedFault::Status(status) | WantedFault::ProxyPage(status) = rule.fault
                && !(200..600).contains(&status)
            {
                return Err(Refusal(400, format!("a status is between 200 and 599, not {status}")));
            }
        }
        faults.clear();
        faults.set_chaos(self.chaos.map(|seed| {
            let chaos = Chaos::seeded(seed);
            match self.probability {
                Some(probability) => chaos.with_probability(probability),
                None => chaos,
            }
        }));
        for wanted in self.rules {
            let rule = Rule::always(Route::new(&wanted.method, &wanted.path), wanted.fault.into());
            let rule = rule.times(wanted.times.unwrap_or(u64::MAX));
            faults.add(rule.with_probability(wanted.probability.unwrap_or(1.0)));
        }
        Ok(())
    }
}

impl From<WantedFault> for Fault {
    fn from(wanted: WantedFault) -> Self {
        match wanted {
            WantedFault::Status(status) => Self::Status(status),
            WantedFault::ProxyPage(status) => Self::ProxyPage(status),
            WantedFault::HangBeforeMs(time) => Self::HangBefore(Duration::from_millis(time)),
            WantedFault::HangAfterMs(time) => Self::HangAfter(Duration::from_millis(time)),
            WantedFault::DelayMs(time) => Self::Delay(Duration::from_millis(time)),
            WantedFault::ResetBefore => Self::ResetBefore,
            WantedFault::ResetAfter => Self::ResetAfter,
            WantedFault::Truncated => Self::Truncated,
            WantedFault::CutBody => Self::CutBody,
            WantedFault::BytesPerSecond(bytes_per_second) => Self::SlowBody { bytes_per_second },
        }
    }
}

fn any_method() -> String {
    "*".to_owned()
}

fn any_path() -> String {
    "/**".to_owned()
}
