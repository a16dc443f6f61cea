//! What people want at the moment, drawn at random.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use fastrand::Rng;
use lb_tests::{
    certificates::{Certificate, self_signed},
    ingress,
    objects::{self, prefix},
};

/// Names of Ingresses.
const NAMES: [&str; 12] =
    ["ant", "bat", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "kite", "long-name-of-an-ingress"];
const HOSTS: [&str; 3] = ["one.test", "two.test", "three.test"];
const PATHS: [&str; 3] = ["/", "/cart", "/cart/items"];
/// Services, each on its own port behind.
pub(crate) const SERVICES: [(&str, u16); 3] = [("shop", 8080), ("blog", 8081), ("wiki", 8082)];
const SECRETS: [&str; 3] = ["tls-a", "tls-b", "tls-c"];
/// A label that needs nothing but to be stored.
const LABEL: &str = "io.rancher.season";
/// One that has Rancher place the containers anew. A wish only, so that there is always a host.
const WISH: (&str, &str) =
    ("io.rancher.scheduler.affinity.host_label_soft", "io.rancher.scheduler.affinity:host_label_soft");
/// One that Rancher lets nobody change on a service that exists.
const GLOBAL: &str = "io.rancher.scheduler.global";

/// All Ingresses and Secrets as they are in Kubernetes.
pub(crate) struct Wanted {
    /// By name.
    pub ingresses: BTreeMap<&'static str, Ingress>,
    /// By name; each is always there.
    pub secrets: BTreeMap<&'static str, Certificate>,
}

/// One Ingress.
#[derive(Clone)]
pub(crate) struct Ingress {
    name: &'static str,
    rules: BTreeMap<(&'static str, &'static str), (&'static str, u16)>,
    http: u16,
    https: u16,
    scale: u64,
    secret: Option<&'static str>,
    plain: bool,
    label: Option<String>,
    wish: Option<String>,
    global: bool,
}

impl Wanted {
    /// No Ingress yet.
    pub(crate) fn start() -> Result<Self> {
        let secrets = SECRETS.into_iter().map(|name| Ok((name, self_signed(&HOSTS)?)));
        Ok(Self { ingresses: BTreeMap::new(), secrets: secrets.collect::<Result<_>>()? })
    }

    /// The name of an Ingress that may be there.
    pub(crate) fn any(random: &mut Rng) -> &'static str {
        NAMES[random.usize(..NAMES.len())]
    }

    /// The name of one that is there.
    pub(crate) fn present(&self, random: &mut Rng) -> Option<&'static str> {
        random.choice(self.ingresses.keys().copied())
    }

    /// Makes an Ingress, or changes one thing of it.
    pub(crate) fn change(&mut self, name: &'static str, random: &mut Rng) -> &Ingress {
        let ingress = self.ingresses.entry(name).or_insert_with(|| Ingress::draw(name, random));
        ingress.change(random);
        ingress
    }

    /// Gives one of the Secrets another certificate.
    pub(crate) fn rotate(&mut self, random: &mut Rng) -> Result<&'static str> {
        let name = SECRETS[random.usize(..SECRETS.len())];
        self.secrets.insert(name, self_signed(&HOSTS)?);
        Ok(name)
    }

    /// The Secrets that Rancher has to hold the certificates of.
    pub(crate) fn used_secrets(&self) -> BTreeSet<&'static str> {
        self.ingresses.values().filter_map(|ingress| ingress.secret).collect()
    }
}

impl Ingress {
    fn draw(name: &'static str, random: &mut Rng) -> Self {
        let mut ingress = Self {
            name,
            rules: BTreeMap::new(),
            http: 0,
            https: 0,
            scale: 1,
            secret: None,
            plain: true,
            label: None,
            wish: None,
            global: false,
        };
        ingress.draw_rules(random);
        ingress.draw_ports(random);
        ingress.draw_tls(random);
        ingress
    }

    fn change(&mut self, random: &mut Rng) {
        match random.u8(..16) {
            0..5 => self.draw_rules(random),
            5..8 => self.draw_tls(random),
            8..10 => self.draw_ports(random),
            10..12 => self.scale = random.u64(1..=3),
            12..14 => self.label = random.bool().then(|| random.u8(..).to_string()),
            14 => self.wish = random.bool().then(|| format!("zone={}", random.u8(..))),
            _ => self.global = !self.global,
        }
    }

    fn draw_rules(&mut self, random: &mut Rng) {
        self.rules.clear();
        for _ in 0..random.usize(1..5) {
            let key = (HOSTS[random.usize(..HOSTS.len())], PATHS[random.usize(..PATHS.len())]);
            self.rules.insert(key, SERVICES[random.usize(..SERVICES.len())]);
        }
    }

    /// Nobody else's, so that a host is never full.
    fn draw_ports(&mut self, random: &mut Rng) {
        let place = NAMES.iter().zip(0..).find_map(|(name, place)| (*name == self.name).then_some(place));
        let first = 1000 + 20 * place.expect("the names of Ingresses are listed");
        self.http = first + random.u16(..5);
        self.https = first + 10 + random.u16(..5);
    }

    fn draw_tls(&mut self, random: &mut Rng) {
        self.secret = random.bool().then(|| SECRETS[random.usize(..SECRETS.len())]);
        self.plain = random.bool();
    }

    /// As Kubernetes takes it.
    pub(crate) fn object(&self) -> objects::Ingress {
        let mut object = ingress(self.name)
            .annotation("http.port", &self.http.to_string())
            .annotation("https.port", &self.https.to_string())
            .annotation("allow.http", &self.serves_plain().to_string())
            .annotation("scale", &self.scale.to_string());
        for host in HOSTS {
            let paths: Vec<_> = self.rules.iter().filter(|((of, _), _)| *of == host).collect();
            if !paths.is_empty() {
                object = object.rule(host, paths.into_iter().map(|((_, path), (service, _))| prefix(path, service)));
            }
        }
        if let Some(secret) = self.secret {
            object = object.tls(&HOSTS, secret);
        }
        let annotations = [(LABEL, &self.label), (WISH.0, &self.wish)];
        for (key, value) in annotations.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            object = object.annotation(key, value);
        }
        if self.global { object.annotation(GLOBAL, "true") } else { object }
    }

    /// The Secret of its certificate.
    pub(crate) fn secret(&self) -> Option<&'static str> {
        self.secret
    }

    /// How many instances; `None`: one on each host.
    pub(crate) fn scale(&self) -> Option<u64> {
        (!self.global).then_some(self.scale)
    }

    /// Without TLS nothing but plain HTTP is left to serve.
    fn serves_plain(&self) -> bool {
        self.plain || self.secret.is_none()
    }

    fn listeners(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let plain = self.serves_plain().then_some(("http", self.http));
        plain.into_iter().chain(self.secret.map(|_| ("https", self.https)))
    }

    /// The ports that are open to clients.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.listeners().map(|(_, port)| port).collect()
    }

    /// What is to be served, in any order.
    pub(crate) fn rules(&self) -> BTreeSet<String> {
        let rules = |(protocol, port): (&'static str, u16)| {
            self.rules.iter().map(move |((host, path), (service, behind))| {
                format!("{protocol}://{host}:{port}{path} -> {service}:{behind}")
            })
        };
        self.listeners().flat_map(rules).collect()
    }

    /// What each label of the containers that it decides has to be.
    pub(crate) fn labels(&self) -> [(&'static str, Option<&str>); 3] {
        let global = self.global.then_some("true");
        [(LABEL, self.label.as_deref()), (WISH.1, self.wish.as_deref()), (GLOBAL, global)]
    }
}
