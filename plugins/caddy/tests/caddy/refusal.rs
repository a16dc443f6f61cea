//! What Caddy or the machine refuses, and what outlives a crash.

use std::{fs, net::TcpListener};

use lb_plugin_caddy::Caddy;
use lb_provider::{
    ChangeKind, ChangeSet, Error, Files as _, Host as _, Listener, Observed, Protocol, Readiness, Removal,
    testing::{
        apply,
        records::{backend, listener, object, prefix, virtual_host},
        remove,
    },
};

use crate::{
    client::get,
    data_plane::{DataPlane, complete, eventually, free_port, web},
    endpoints::Server,
};

fn web_on(port: u16, server: &Server) -> ChangeSet {
    web(port, vec![prefix("/", "default/web/80")], server)
}

fn seen(caddy: &DataPlane) -> Observed {
    let mut observed = caddy.observe();
    assert_eq!(observed.len(), 1);
    observed.remove(0)
}

#[test]
fn a_port_in_use_costs_its_listener_and_nothing_else() {
    for first in [true, false] {
        let server = Server::echo("web");
        let (free, taken) = (free_port(), free_port());
        let occupant = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let caddy = DataPlane::new();
        if !first {
            // With and without a Caddy that runs already.
            caddy.serve(web_on(free, &server));
        }
        let both = || {
            let mut change = web_on(free, &server);
            let asked =
                Listener { sources: vec![object("Ingress", "greedy")], ..listener("http-81", taken, Protocol::Http) };
            change.listeners.upsert.push(asked);
            change.virtual_hosts.upsert.push(virtual_host("http-81", "bar.com", vec![prefix("/", "default/web/80")]));
            change
        };
        let outcome = caddy.apply(both());
        assert_eq!(outcome.rejections.len(), 1, "{outcome:?}");
        assert_eq!(outcome.rejections[0].object, object("Ingress", "greedy"));
        let said = &outcome.rejections[0].message;
        assert!(said.contains(&taken.to_string()) && said.contains("address already in use"), "{said}");
        assert_eq!(outcome.readiness, Readiness::Pending(said.clone()));
        assert_eq!(get(free, "foo.com", "/").who(), "web");
        assert_eq!(seen(&caddy).drift.as_ref(), Some(said), "so that the host applies everything again");
        drop(occupant);
        caddy.serve(both());
        eventually("it is served once the port is free", || get(taken, "bar.com", "/").status == 200);
        assert_eq!(seen(&caddy).drift, None);
    }
}

#[test]
fn what_is_served_already_is_not_sent_again() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    caddy.serve(web_on(port, &server));
    assert_eq!(caddy.loads(), (1, 1));
    caddy.serve(web_on(port, &server));
    assert_eq!(caddy.loads(), (1, 1));
    assert_eq!(seen(&caddy).readiness, Readiness::Ready);
}

#[test]
fn caddy_comes_back_with_what_it_served() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    caddy.serve(web_on(port, &server));
    for service in ["edge", "router"] {
        caddy.host.services().stop(service).unwrap();
        assert_eq!(seen(&caddy).drift, Some(format!("Caddy does not run: {service}")));
        // As the host does by itself when it dies.
        caddy.host.services().start(service).unwrap();
        assert_eq!(get(port, "foo.com", "/").who(), "web");
        assert_eq!(seen(&caddy).drift, None);
    }
    assert_eq!(caddy.loads(), (1, 1));
}

#[test]
fn a_port_that_was_taken_while_caddy_was_down_does_not_keep_it_down() {
    let server = Server::echo("web");
    let (port, other) = (free_port(), free_port());
    let caddy = DataPlane::new();
    let both = || {
        let mut change = web_on(port, &server);
        change.listeners.upsert.push(listener("http-81", other, Protocol::Http));
        change
    };
    caddy.serve(both());
    caddy.host.services().stop("edge").unwrap();
    let _occupant = TcpListener::bind(("127.0.0.1", other)).unwrap();
    let outcome = caddy.apply(both());
    assert!(matches!(outcome.readiness, Readiness::Pending(_)), "{outcome:?}");
    assert_eq!(get(port, "foo.com", "/").who(), "web");
}

#[test]
fn a_change_that_was_cut_short_is_seen_and_made_again() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    caddy.serve(web_on(port, &server));
    // The next configuration was asked for, and then the host died.
    caddy.host.directory().put("state/edge", b"configuration-other").unwrap();
    assert_eq!(seen(&caddy).drift.as_deref(), Some("Caddy does not serve what was applied last: edge"));
    caddy.serve(web_on(port, &server));
    assert_eq!(seen(&caddy).drift, None);
    // What somebody else told Caddy is drift, too.
    let config = format!(r#"{{"admin": {{"listen": "{}"}}}}"#, caddy.admin);
    let request = lb_provider::Request {
        method: "POST".to_owned(),
        target: "/load".to_owned(),
        headers: [("origin", format!("http://{}", caddy.admin)), ("content-type", "application/json".to_owned())]
            .map(|(name, value)| (name.to_owned(), value.into_bytes()))
            .to_vec(),
        body: config.into_bytes(),
        timeout: None,
    };
    assert_eq!(crate::admin::forward(caddy.admin, &request).unwrap().status, 200);
    assert!(seen(&caddy).drift.is_some());
    caddy.serve(web_on(port, &server));
    assert_eq!(get(port, "foo.com", "/").who(), "web");
}

#[test]
fn a_moved_admin_endpoint_is_followed() {
    let server = Server::echo("web");
    let port = free_port();
    let mut caddy = DataPlane::new();
    caddy.serve(web_on(port, &server));
    let other = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    caddy.settings = caddy.settings.replace(&caddy.admin.to_string(), &other.to_string());
    let router = caddy.router;
    caddy
        .host
        .serve_http(move |grant, request| crate::admin::forward(if grant == "edge" { other } else { router }, request));
    caddy.serve(web_on(port, &server));
    assert_eq!(get(port, "foo.com", "/").who(), "web");
}

#[test]
fn a_base_url_that_is_not_the_admin_address_is_told() {
    let server = Server::echo("web");
    let caddy = DataPlane::new();
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    caddy.host.serve_http(move |_, request| crate::admin::forward(nobody, request));
    let error = caddy.try_apply(web_on(free_port(), &server)).unwrap_err();
    let Error::Unavailable(retry) = error else { panic!("{error:?}") };
    assert!(retry.message.contains("base-url") && retry.message.contains("admin addresses"), "{}", retry.message);
}

#[test]
fn an_admin_port_in_use_is_told() {
    let server = Server::echo("web");
    let caddy = DataPlane::new();
    let _occupant = TcpListener::bind(caddy.admin).unwrap();
    let error = caddy.try_apply(web_on(free_port(), &server)).unwrap_err();
    let Error::Denied(message) = error else { panic!("{error:?}") };
    assert!(
        message.contains(&caddy.admin.port().to_string()) && message.contains("address already in use"),
        "{message}"
    );
}

#[test]
fn nobody_else_gives_orders_from_a_browser() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    caddy.serve(web_on(port, &server));
    for header in ["", "Origin: http://evil.com\r\n", "Origin: null\r\n"] {
        let head = format!("GET /config/ HTTP/1.1\r\nHost: {}\r\n{header}", caddy.admin);
        assert_eq!(crate::client::request(caddy.admin.port(), &head, "").status, 403, "{header}");
    }
}

#[test]
fn one_directory_serves_one_load_balancer_until_it_is_removed() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    caddy.serve(web_on(port, &server));
    let mut other = web_on(port, &server);
    other.load_balancer.id = "other".to_owned();
    assert!(matches!(caddy.try_apply(other), Err(Error::Denied(message)) if message.contains("`lb`")));
    assert_eq!(remove::<Caddy>(&caddy.settings, "other", &caddy.host), Ok(Removal::Removed));
    assert!(caddy.is_running());
    for _ in 0..2 {
        assert_eq!(remove::<Caddy>(&caddy.settings, "lb", &caddy.host), Ok(Removal::Removed));
        assert!(!caddy.is_running());
        assert_eq!(caddy.observe(), []);
        assert_eq!(fs::read_dir(caddy.host.directory().path()).unwrap().count(), 0, "nothing is left behind");
    }
}

#[test]
fn a_difference_is_no_complete_change() {
    let caddy = DataPlane::new();
    let difference = ChangeSet { kind: ChangeKind::Incremental, ..complete(vec![], vec![], vec![]) };
    assert!(matches!(apply::<Caddy>(&caddy.settings, difference, &caddy.host), Err(Error::Denied(_))));
}

#[test]
fn many_hosts_are_served() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    let label = "a".repeat(61);
    let long = |number: usize| format!("{number:04}.{label}.{label}.{label}.{label}");
    let hosts = (0..600).map(|number| virtual_host("http-80", &long(number), vec![prefix("/", "default/web/80")]));
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        hosts.collect(),
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    assert_eq!(get(port, &long(599), "/").who(), "web");
    assert_eq!(get(port, &long(600), "/").status, 404);
}
