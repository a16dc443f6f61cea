//! Certificates: named for their Secrets, rotated, shared, and removed.

use lb_provider::{
    Certificate, ChangeSet, Error, Protocol, Readiness, VirtualHost,
    testing::records::{self, prefix},
};
use serde_json::json;

use crate::world::{Changes, Refusal, World, listener, named, simple};

/// A Secret with a certificate and its key.
pub(crate) struct Tls {
    pub(crate) record: Certificate,
    pub(crate) key: String,
}

impl Tls {
    pub(crate) fn reveal(&self, world: &World) {
        world.host.add_key(&self.record.id, &self.key);
    }
}

/// The content of a Secret in one of its versions.
pub(crate) fn tls(secret: &str, version: u32) -> Tls {
    let signed = rcgen::generate_simple_self_signed(vec![format!("{secret}.example.com")]).unwrap();
    let id = format!("{version:0>32}{:0>32}", hex::encode(secret));
    Tls { record: records::certificate(&id, secret, &signed.cert.pem()), key: signed.signing_key.serialize_pem() }
}

/// An Ingress that serves these hosts over TLS.
pub(crate) fn secured(hosts: &[(&str, &Tls)]) -> ChangeSet {
    secured_as("web", hosts)
}

fn secured_as(name: &str, hosts: &[(&str, &Tls)]) -> ChangeSet {
    let mut change = named(name).backends(&[("a", 8080)]);
    change.listeners.upsert = vec![listener("https-443", 443, Protocol::Https, name)];
    for (host, tls) in hosts {
        let certificate = Some(tls.record.id.clone());
        let routes = vec![prefix("/", "default/a/80")];
        change = change.virtual_host(VirtualHost { certificate, ..records::virtual_host("https-443", host, routes) });
        if !change.certificates.upsert.contains(&tls.record) {
            change.certificates.upsert.push(tls.record.clone());
        }
    }
    change
}

fn world(secrets: &[&Tls]) -> World {
    let world = World::new();
    world.know(&["a"]);
    for tls in secrets {
        tls.reveal(&world);
    }
    world
}

fn names(world: &World) -> Vec<String> {
    let mut names: Vec<_> =
        world.rancher.certificates().iter().map(|each| each["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn pass(world: &World, minutes: u64) {
    world.rancher.advance(std::time::Duration::from_secs(minutes * 60));
}

#[test]
fn weakness_06_each_secret_is_one_certificate_and_hosts_choose_by_sni() {
    let (one, two) = (tls("one", 1), tls("two", 1));
    let world = world(&[&one, &two]);
    let change = secured(&[("a.com", &one), ("b.com", &two), ("c.com", &one)]);
    assert_eq!(world.converge(&change).readiness, Readiness::Ready);
    assert_eq!(
        names(&world),
        ["lb-controller/test-cluster/lb/default/one", "lb-controller/test-cluster/lb/default/two"]
    );
    let id = |tls: &Tls| {
        let all = world.rancher.certificates();
        all.iter().find(|each| each["cert"].as_str().unwrap().trim() == tls.record.chain.trim()).unwrap()["id"].clone()
    };
    let service = world.only();
    assert_eq!(service["lbConfig"]["defaultCertificateId"], id(&one));
    assert_eq!(service["lbConfig"]["certificateIds"], json!([id(&two)]));
    assert_eq!(world.rules().len(), 3);
    assert!(world.rules().iter().all(|rule| rule["protocol"] == "https" && rule["sourcePort"] == 443));
}

#[test]
fn weakness_06_a_changed_secret_is_rotated_in_place() {
    let (old, new) = (tls("one", 1), tls("one", 2));
    let world = world(&[&old, &new]);
    world.converge(&secured(&[("a.com", &old)]));
    let before = world.rancher.certificates().remove(0);
    world.converge(&secured(&[("a.com", &new)]));
    let after = world.rancher.certificates();
    assert_eq!(after.len(), 1);
    assert_eq!(after[0]["id"], before["id"]);
    assert_eq!(after[0]["key"], new.key.as_str());
    assert_eq!(after[0]["cert"].as_str().unwrap().trim(), new.record.chain.trim());
}

#[test]
fn weakness_06_a_certificate_is_removed_when_nothing_uses_it_and_not_before() {
    let (one, two) = (tls("one", 1), tls("two", 1));
    let world = world(&[&one, &two]);
    world.converge(&secured(&[("a.com", &one), ("b.com", &two)]));
    world.converge(&secured_as("other", &[("a.com", &one)]));
    pass(&world, 11);
    world.observe();
    assert_eq!(world.rancher.certificates().len(), 2);
    // The other one still uses the first.
    world.converge(&simple());
    world.observe();
    world.settle();
    assert_eq!(names(&world), ["lb-controller/test-cluster/lb/default/one"]);
    world.converge_removal("default/other");
    world.observe();
    world.settle();
    assert_eq!(names(&world), [""; 0]);
}

#[test]
fn weakness_06_a_certificate_that_was_just_made_is_kept() {
    let one = tls("one", 1);
    let world = world(&[&one]);
    // Its load balancer is not made: the apply is cut short.
    world.refuse(Refusal { request: "POST /loadbalancerservices", status: 500, stored: false });
    assert!(world.apply(&secured(&[("a.com", &one)])).is_err());
    pass(&world, 9);
    world.observe();
    assert_eq!(world.rancher.certificates().len(), 1);
    pass(&world, 2);
    world.observe();
    world.settle();
    assert!(world.rancher.certificates().is_empty());
}

#[test]
fn certificates_of_others_are_never_removed() {
    let one = tls("one", 1);
    let world = world(&[&one]);
    world.converge(&secured(&[("a.com", &one)]));
    world.host.set_controller("test-cluster");
    pass(&world, 60);
    world.observe();
    world.host.set_controller("test-cluster/lb/x");
    world.observe();
    world.settle();
    assert_eq!(world.rancher.certificates().len(), 1);
}

#[test]
fn a_certificate_that_was_changed_in_rancher_is_put_right() {
    let one = tls("one", 1);
    let world = world(&[&one]);
    let change = secured(&[("a.com", &one)]);
    world.converge(&change);
    let id = world.rancher.certificates()[0]["id"].as_str().unwrap().to_owned();
    let theirs = format!("lb-controller://test-cluster/lb/{}", "0".repeat(64));
    world.rancher.edit(&id, &json!({ "description": theirs }));
    let holds = format!("the certificate {id} holds something else");
    assert_eq!(world.observe()[0].drift, Some(holds));
    world.converge(&change);
    assert_eq!(world.rancher.certificates().len(), 1);
    world.rancher.remove(&id);
    world.settle();
    assert_eq!(world.observe()[0].drift, Some(format!("the certificate {id} is gone")));
    world.converge(&change);
    assert_ne!(world.rancher.certificates()[0]["id"], id.as_str());
}

/// What the controller hands over for a host without a Secret.
fn with_default(mut change: ChangeSet, default: &Tls) -> ChangeSet {
    change.listeners.upsert[0].default_certificate = Some(default.record.id.clone());
    change.certificates.upsert.push(default.record.clone());
    change
}

#[test]
fn a_restart_with_another_self_signed_default_writes_nothing() {
    let (one, mut before, mut after) = (tls("one", 1), tls("before", 1), tls("after", 1));
    before.record.sources.clear();
    after.record.sources.clear();
    let world = world(&[&one, &before, &after]);
    world.converge(&with_default(secured(&[("a.com", &one)]), &before));
    assert_eq!(names(&world), ["lb-controller/test-cluster/lb/default/one"]);
    let count = world.count();
    world.apply(&with_default(secured(&[("a.com", &one)]), &after)).unwrap();
    world.observe();
    assert_eq!(world.writes_since(count), [""; 0]);
}

#[test]
fn a_host_without_a_secret_is_not_served_with_the_self_signed_default() {
    let mut default = tls("default", 1);
    default.record.sources.clear();
    let world = world(&[&default]);
    let mut change = with_default(secured(&[("a.com", &default)]), &default);
    change.virtual_hosts.upsert[0].certificate = None;
    let Err(Error::Invalid(rejections)) = world.apply(&change) else { panic!("it is refused") };
    let messages: Vec<_> = rejections.iter().map(|rejection| &*rejection.message).collect();
    assert_eq!(messages[0], "no certificate serves the host a.com; it is not served over TLS; name a Secret for it");
    assert!(messages[1].starts_with("there is no port to serve"), "{messages:?}");
    assert!(world.rancher.load_balancers().is_empty() && world.rancher.certificates().is_empty());
}

#[test]
fn the_operators_default_and_an_ingress_with_a_later_version_of_its_secret_leave_each_other_alone() {
    let (at_start, now, own) = (tls("wildcard", 1), tls("wildcard", 2), tls("own", 1));
    let world = world(&[&at_start, &now, &own]);
    let defaulted = with_default(secured_as("defaulted", &[("a.com", &own)]), &at_start);
    let naming = with_default(secured(&[("b.com", &now)]), &at_start);
    world.converge(&defaulted);
    world.converge(&naming);
    let count = world.count();
    world.apply(&defaulted).unwrap();
    world.apply(&naming).unwrap();
    assert_eq!(world.writes_since(count), [""; 0]);
    let prefix = "lb-controller/test-cluster/lb";
    let expected = ["default-certificate/default/wildcard", "default/own", "default/wildcard"];
    assert_eq!(names(&world), expected.map(|name| format!("{prefix}/{name}")));
    let drifts: Vec<_> = world.observe().into_iter().map(|observed| observed.drift).collect();
    assert_eq!(drifts, [None, None]);
}

#[test]
fn what_rancher_does_not_take_is_told_to_its_secret_and_the_rest_is_served() {
    let one = tls("one", 1);
    let mut bad = tls("bad", 1);
    bad.record.chain = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let world = world(&[&one, &bad]);
    let outcome = world.apply(&secured(&[("a.com", &one), ("b.com", &bad)])).unwrap();
    assert_eq!(outcome.rejections.len(), 1);
    let rejection = &outcome.rejections[0];
    assert_eq!((&*rejection.object.kind, &*rejection.object.name), ("Secret", "bad"));
    assert!(rejection.message.starts_with("Rancher does not take this certificate (InvalidFormat)"), "{rejection:?}");
    let hosts: Vec<_> = world.rules().iter().map(|rule| rule["hostname"].clone()).collect();
    assert_eq!(hosts, ["a.com"]);
    world.settle();
    assert_eq!(world.observe()[0].drift, None);
}

#[test]
fn two_ingresses_may_share_a_secret() {
    let one = tls("one", 1);
    let world = world(&[&one]);
    for name in ["x", "y"] {
        world.converge(&secured_as(name, &[("a.com", &one)]));
    }
    assert_eq!(world.rancher.certificates().len(), 1);
}

#[test]
fn no_key_is_in_a_log_an_error_or_a_read() {
    let one = tls("one", 1);
    let secret = one.key.lines().nth(1).unwrap().to_owned();
    let world = world(&[&one]);
    let change = secured(&[("a.com", &one)]);
    let mut words = vec![];
    for status in [401, 403, 404, 405, 409, 422, 500, 503] {
        for request in ["POST /certificates", "POST /loadbalancerservices"] {
            world.refuse(Refusal { request, status, stored: false });
            words.push(format!("{:?}", world.apply(&change)));
        }
    }
    world.converge(&change);
    world.rancher.edit(world.rancher.certificates()[0]["id"].as_str().unwrap(), &json!({ "cert": "x" }));
    for status in [401, 404, 409, 422, 500] {
        world.refuse(Refusal { request: "PUT /certificates", status, stored: false });
        words.push(format!("{:?}", world.apply(&change)));
    }
    words.extend(world.host.logged().iter().map(|line| format!("{line:?}")));
    assert!(words.iter().all(|line| !line.contains(&secret)), "{words:#?}");
    for (_, request) in world.host.requests() {
        let holds = String::from_utf8_lossy(&request.body).contains(&secret);
        assert!(!holds || request.target.starts_with("/certificates"), "{}", request.target);
    }
}

#[test]
fn a_key_that_is_known_no_more_is_waited_for() {
    let one = tls("one", 1);
    let world = world(&[]);
    let error = world.apply(&secured(&[("a.com", &one)])).unwrap_err();
    assert!(matches!(&error, Error::Unavailable(retry) if retry.message.contains("private key")), "{error:?}");
    assert!(world.rancher.load_balancers().is_empty());
}
