//! A project with a stack, a target and a key, and short ways to ask.

use std::time::Duration;

use lb_rancher_double::{Host, Key, KeyKind, Options, Rancher, Request, Response};
use serde_json::{Value, json};

pub(crate) const PROJECT: &str = "1a5";
pub(crate) const BASE: &str = "/v2-beta/projects/1a5";

pub(crate) struct Scene {
    pub(crate) rancher: Rancher,
    pub(crate) key: Key,
    pub(crate) stack: String,
    pub(crate) target: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let rancher = Rancher::new(options);
        let key = rancher.add_key(KeyKind::Environment { project: PROJECT.to_owned() });
        let stack = rancher.add_stack(PROJECT, "lbs", None);
        let target = rancher.add_kubernetes_service(PROJECT, "uid-web", "default", "web");
        rancher.advance(Duration::from_mins(1));
        Self { rancher, key, stack, target }
    }

    pub(crate) fn add_host(&self, address: &str) -> String {
        let host = Host { name: address.to_owned(), addresses: vec![address.to_owned()], ..Host::default() };
        self.rancher.add_host(PROJECT, host)
    }

    pub(crate) fn send(&self, method: &str, target: &str, body: Option<&Value>) -> Response {
        let request = Request::new(method, target).with_key(&self.key).with_header("Host", "h:8080");
        self.rancher.handle(&body.map_or(request.clone(), |body| request.with_json(body)))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", &format!("{BASE}{path}"), None);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.json());
        answer.json()
    }

    pub(crate) fn ids(&self, path: &str) -> Vec<String> {
        let list = self.get(path);
        list["data"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", &format!("{BASE}{path}"), Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Response {
        self.send("PUT", &format!("{BASE}{path}"), Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Response {
        self.send("DELETE", &format!("{BASE}{path}"), None)
    }

    pub(crate) fn action(&self, path: &str, action: &str, body: &Value) -> Response {
        self.post(&format!("{path}/?action={action}"), body)
    }

    /// Expects a 422 with this code and field.
    #[track_caller]
    pub(crate) fn refuses(answer: &Response, code: &str, field: &str) {
        let body = answer.json();
        assert_eq!((answer.status, &body["code"], &body["fieldName"]), (422, &json!(code), &json!(field)), "{body}");
        assert_eq!(body["type"], "error");
    }

    pub(crate) fn balancer(&self, name: &str) -> Value {
        json!({
            "name": name, "stackId": self.stack, "startOnCreate": true,
            "launchConfig": { "imageUuid": "docker:rancher/lb-service-haproxy:v0.9.14", "ports": ["80:80"] },
            "lbConfig": { "portRules": [self.rule()] },
        })
    }

    pub(crate) fn rule(&self) -> Value {
        json!({ "sourcePort": 80, "targetPort": 8080, "serviceId": self.target, "hostname": "a.example" })
    }

    /// Creates a load balancer, which is then `registering`; gives its path.
    pub(crate) fn create(&self, body: &Value) -> String {
        let answer = self.post("/loadBalancerServices", body);
        assert_eq!(answer.status, 201, "{}", answer.json());
        format!("/loadbalancerservices/{}", answer.json()["id"].as_str().unwrap())
    }

    /// Creates a load balancer and lets the clock run until it is settled.
    pub(crate) fn active(&self, name: &str) -> String {
        let path = self.create(&self.balancer(name));
        self.settle();
        assert_eq!(self.state(&path), "active");
        path
    }

    pub(crate) fn state(&self, path: &str) -> String {
        self.get(path)["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn settle(&self) {
        self.seconds(60);
    }

    pub(crate) fn seconds(&self, seconds: u64) {
        self.rancher.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn millis(&self, millis: u64) {
        self.rancher.advance(Duration::from_millis(millis));
    }
}

/// The id at the end of a path.
pub(crate) fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}
