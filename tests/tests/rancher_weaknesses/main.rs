//! Each weakness of the original Rancher provider has a test here that it would have failed; what it did stands in a
//! comment at the top of the test.

mod content;
mod creation;
mod failures;
mod lifecycle;
mod ownership;
mod strangers;
mod targets;

use lb_tests::{ingress, objects::Ingress, prefix};

/// The one rule of [`web`].
const WEB: &str = "http://web.test:80/ -> shop:8080";

/// An Ingress named `web` with one rule, to the Service `shop`.
fn web() -> Ingress {
    ingress("web").rule("web.test", [prefix("/", "shop")])
}

/// An Ingress with one rule to `shop`, on a port of its own, so that its load balancer fits on any host.
fn beside(name: &str, port: u16) -> Ingress {
    ingress(name).annotation("http.port", &port.to_string()).rule(&format!("{name}.test"), [prefix("/", "shop")])
}

/// What [`beside`] is to serve.
fn rule_beside(name: &str, port: u16) -> String {
    format!("http://{name}.test:{port}/ -> shop:8080")
}
