use lb_provider::{
    Backend, BackendProtocol, ChangeKind, CookieAffinity, CookieMode, Listener, PathMatch, Policy, Route, RouteAction,
    testing::records::{self, backend, certificate, exact, object, passthrough, prefix, route, targets, virtual_host},
};
use serde_json::json;

use super::*;

fn listener(name: &str, port: u16, protocol: Protocol) -> Listener {
    Listener { sources: vec![object("Ingress", "web")], ..records::listener(name, port, protocol) }
}

fn change(listeners: Vec<Listener>, hosts: Vec<VirtualHost>) -> ChangeSet {
    let mut change = records::change(ChangeKind::Complete);
    change.load_balancer.owner = Some(object("Ingress", "web"));
    change.listeners.upsert = listeners;
    change.virtual_hosts.upsert = hosts;
    change.backends.upsert = vec![
        Backend { target_ports: vec![8080, 9090], ..backend("default/a/80", vec![]) },
        backend("default/b/80", vec![]),
    ];
    change
}

fn http() -> Vec<Listener> {
    vec![listener("http-80", 80, Protocol::Http)]
}

fn shown(plan: &Plan) -> Vec<String> {
    let rule = |rule: &Rule| {
        let (host, path) = (rule.hostname.as_deref().unwrap_or("*"), rule.path.as_deref().unwrap_or("/"));
        format!("{} {} {host}{path} {}:{}", rule.protocol, rule.source_port, rule.service, rule.target_port)
    };
    plan.rules.iter().map(rule).collect()
}

fn messages<'a>(plan: &'a Plan<'_>) -> Vec<&'a str> {
    plan.rejections.iter().map(|rejection| &*rejection.message).collect()
}

#[test]
fn rules_stand_in_match_order() {
    let routes = || vec![prefix("/foo/bar/", "default/a/80"), prefix("/", "default/a/80")];
    let hosts = vec![
        virtual_host("http-80", "*", routes()),
        virtual_host("http-80", "*.a.long.com", routes()),
        virtual_host("http-80", "*.b.com", routes()),
        virtual_host("http-80", "foo.com", routes()),
    ];
    let change = change(http(), hosts);
    let plan = plan(&change);
    let expected = ["foo.com", "*.a.long.com", "*.b.com", "*"]
        .map(|host| [format!("http 80 {host}/foo/bar service-a:8080"), format!("http 80 {host}/ service-a:8080")]);
    assert_eq!(shown(&plan), expected.concat());
    assert!(plan.rejections.is_empty());
    assert_eq!(plan.ports, [Port::same(80, Transport::Tcp)].into());
}

#[test]
fn weakness_19_a_port_that_is_not_known_leaves_out_its_rule_alone() {
    let routes = vec![prefix("/b", "default/b/80"), prefix("/", "default/a/80")];
    let change = change(http(), vec![virtual_host("http-80", "foo.com", routes)]);
    let plan = plan(&change);
    assert_eq!(shown(&plan), ["http 80 foo.com/ service-a:8080"]);
    assert_eq!(plan.without_port, ["default/b/80"].into());
    assert!(plan.rejections.is_empty());
}

#[test]
fn streams_and_passthrough_have_rules_of_their_own() {
    let tcp = Listener { targets: targets(&["default/a/80"]), ..listener("tcp-5432", 5432, Protocol::Tcp) };
    let udp = Listener { targets: targets(&["default/a/80"]), ..listener("udp-53", 53, Protocol::Udp) };
    let tls = listener("tls-443", 443, Protocol::Tls);
    let change = change(vec![tcp, udp, tls], vec![passthrough("tls-443", "foo.com", &["default/a/80"])]);
    let plan = plan(&change);
    let expected = ["tcp 5432 */ service-a:8080", "udp 53 */ service-a:8080", "sni 443 foo.com/ service-a:8080"];
    assert_eq!(shown(&plan), expected);
    let ports: Vec<_> = plan.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["53:53/udp", "443:443/tcp", "5432:5432/tcp"]);
}

#[test]
fn what_rancher_cannot_do_is_told_and_the_rest_is_served() {
    let mut secure = backend("default/s/80", vec![]);
    secure.protocol = BackendProtocol::Https;
    secure.target_ports = vec![8443];
    let routes = vec![
        exact("/exact", "default/a/80"),
        Route { method: Some("GET".to_owned()), ..prefix("/get", "default/a/80") },
        route(PathMatch::Prefix("/gone".to_owned()), RouteAction::Respond(503)),
        route(PathMatch::Prefix("/moved".to_owned()), RouteAction::Respond(410)),
        prefix("/secure", "default/s/80"),
        prefix("/", "default/a/80"),
    ];
    let odd = vec![
        listener("http-42", 42, Protocol::Http),
        Listener { proxy_protocol: true, ..listener("http-81", 81, Protocol::Http) },
        Listener { redirect_to_https: Some(443), ..listener("http-82", 82, Protocol::Http) },
    ];
    let hosts = vec![virtual_host("http-80", "foo.com", routes), virtual_host("http-42", "foo.com", vec![])];
    let mut change = change([http(), odd].concat(), hosts);
    change.backends.upsert.push(secure);
    let plan = plan(&change);
    assert_eq!(shown(&plan), ["http 80 foo.com/ service-a:8080"]);
    assert_eq!(plan.ports.len(), 1);
    let expected = [
        "Rancher keeps port 42 for its health checks; choose another one",
        "Rancher does not read the PROXY protocol; port 81 is not served",
        "Rancher does not redirect to HTTPS; port 82 is not served",
        "Rancher matches paths by prefix only; /exact is not served",
        "Rancher matches hosts and paths only, no methods, headers or queries; the route is not served",
        "Rancher forwards only; the route is not served",
        "Rancher speaks plain HTTP to default/s only; it is not served",
    ];
    assert_eq!(messages(&plan), expected);
    assert_eq!(plan.rejections[0].field, "metadata.annotations[\"http.port\"]");
    assert_eq!(plan.rejections[0].object.name, "web");
}

#[test]
fn weakness_06_every_host_has_its_certificate() {
    let secure = Listener { default_certificate: None, ..listener("https-443", 443, Protocol::Https) };
    let host = |name: &str, certificate: Option<&str>| VirtualHost {
        certificate: certificate.map(str::to_owned),
        ..virtual_host("https-443", name, vec![prefix("/", "default/a/80")])
    };
    let hosts =
        vec![host("a.com", Some("c1")), host("b.com", Some("c2")), host("c.com", None), host("d.com", Some("lost"))];
    let mut change = change(vec![secure], hosts);
    change.certificates.upsert =
        vec![certificate("c1", "one", ""), certificate("c2", "two", ""), certificate("c3", "three", "")];
    let plan = plan(&change);
    assert_eq!(shown(&plan), ["https 443 a.com/ service-a:8080", "https 443 b.com/ service-a:8080"]);
    assert_eq!(plan.default_certificate, Some("c1"));
    assert_eq!(plan.certificates.keys().copied().collect::<Vec<_>>(), ["c1", "c2"]);
    assert_eq!(
        messages(&plan),
        [
            "no certificate serves the host c.com; it is not served over TLS; name a Secret for it",
            "no certificate serves the host d.com; it is not served over TLS; name a Secret for it"
        ]
    );

    change.listeners.upsert[0].default_certificate = Some("c3".to_owned());
    let plan = super::plan(&change);
    assert_eq!(plan.default_certificate, Some("c3"));
    assert_eq!(plan.certificates.len(), 3);
    assert_eq!(plan.rules.len(), 3);

    // One that the controller made for itself would be uploaded anew at each start.
    change.certificates.upsert[2].sources.clear();
    let plan = super::plan(&change);
    assert_eq!(plan.default_certificate, Some("c1"));
    assert_eq!(plan.certificates.keys().copied().collect::<Vec<_>>(), ["c1", "c2"]);
}

#[test]
fn a_tls_port_without_any_certificate_is_not_opened() {
    let hosts = vec![virtual_host("https-443", "a.com", vec![prefix("/", "default/a/80")])];
    let change = change(vec![listener("https-443", 443, Protocol::Https)], hosts);
    let plan = plan(&change);
    assert!(plan.ports.is_empty());
    assert_eq!(plan.rejections.len(), 1);
}

#[test]
fn weakness_12_stickiness_is_one_policy_without_nulls() {
    let affinity = CookieAffinity {
        name: None,
        cookie: None,
        domain: Some("foo.com".to_owned()),
        path: None,
        mode: CookieMode::Insert,
        indirect: true,
        no_cache: false,
        post_only: false,
        max_age: None,
        secure: false,
    };
    let sticky = |path: &str, affinity: &CookieAffinity| Route {
        policies: vec![Policy::CookieAffinity(affinity.clone())],
        ..prefix(path, "default/a/80")
    };
    let other = CookieAffinity { cookie: Some("x".to_owned()), ..affinity.clone() };
    let routes =
        vec![sticky("/a", &affinity), sticky("/b", &affinity), sticky("/c", &other), prefix("/", "default/a/80")];
    let change = change(http(), vec![virtual_host("http-80", "*", routes)]);
    let plan = plan(&change);
    let expected = json!({
        "cookie": "LBSERVER", "domain": "foo.com", "mode": "insert", "indirect": true, "nocache": false, "postonly": false,
    });
    assert_eq!(json!(plan.stickiness), expected);
    assert_eq!(messages(&plan), ["Rancher has one affinity policy for a load balancer; this one is left out"]);
}
