//! Whatever happens in a cluster, step by step comes to the same as all at once.

mod random;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lb_model::{
    cluster::{Change, NamespacedName},
    tables::{Configuration, Table, Tables},
    translate::{Notice, NoticeKind, Options, Translator, Updated},
    types::{Descriptor, Feature, HostService, Protocol, RouteAction, Scope},
};

use self::{random::Random, world::World};
use crate::manifest::{FEATURES, descriptor, options};

const RUNS: u64 = 10;
const STEPS: usize = 120;

/// All that a translator says.
#[derive(Debug, PartialEq)]
struct Spoken {
    load_balancers: BTreeMap<String, (Configuration, Vec<NamespacedName>)>,
    notices: BTreeMap<NamespacedName, Vec<Notice>>,
    owned: BTreeMap<NamespacedName, String>,
    stream_problems: Vec<String>,
}

fn listen(translator: &Translator, names: &[NamespacedName]) -> Spoken {
    let load_balancers = translator.load_balancers().map(|id| {
        let ingresses = translator.ingresses(id).cloned().collect();
        (id.to_owned(), (translator.desired(id).unwrap().clone(), ingresses))
    });
    let notices = names.iter().map(|name| (name.clone(), translator.notices(name).to_vec()));
    let owned = names.iter().filter_map(|name| Some((name.clone(), translator.load_balancer_of(name)?.to_owned())));
    Spoken {
        load_balancers: load_balancers.collect(),
        notices: notices.collect(),
        owned: owned.collect(),
        stream_problems: translator.stream_problems().to_vec(),
    }
}

/// What an update must have told of.
fn difference(before: &Spoken, after: &Spoken) -> Updated {
    fn keys<K: Ord + Clone, V: PartialEq>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>) -> BTreeSet<K> {
        before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
    }
    let mut ingresses = keys(&before.notices, &after.notices);
    ingresses.extend(keys(&before.owned, &after.owned));
    Updated { load_balancers: keys(&before.load_balancers, &after.load_balancers), ingresses, held: BTreeSet::new() }
}

/// Returns the sorts of notice that were given.
fn run(seed: u64, options: &Options, descriptor: &Arc<Descriptor>) -> BTreeSet<NoticeKind> {
    let mut random = Random::new(seed);
    let mut world = World::new();
    let mut translator = Translator::new(options.clone(), descriptor.clone());
    let mut first = translator.update(&world.cluster, [Change::Everything]);
    let mut before = listen(&translator, &world.ingress_names);
    assert_eq!(first.load_balancers, before.load_balancers.keys().cloned().collect(), "the first update tells of all");
    first.load_balancers.clear();
    assert_eq!(first, Updated::default());
    let mut applied: BTreeMap<String, Configuration> = BTreeMap::new();
    let mut told = BTreeSet::new();

    for step in 0..STEPS {
        let changes: Vec<_> = (0..=random.below(3)).map(|_| world.change(&mut random)).collect();
        let updated = translator.update(&world.cluster, changes.clone());
        let after = listen(&translator, &world.ingress_names);

        let mut scratch = Translator::new(options.clone(), descriptor.clone());
        scratch.update(&world.cluster, [Change::Everything]);
        let expected = listen(&scratch, &world.ingress_names);
        assert_eq!(after, expected, "seed {seed}, step {step}, after {changes:?}");
        assert_eq!(updated, difference(&before, &after), "seed {seed}, step {step}, after {changes:?}");
        let again = translator.update(&world.cluster, [Change::Everything]);
        assert_eq!(again, Updated::default(), "seed {seed}, step {step}: nothing changed");

        for (id, (configuration, _)) in &after.load_balancers {
            check(configuration);
            if let Some((old, _)) = before.load_balancers.get(id) {
                check_kept(old, configuration);
            }
            let applied = applied.entry(id.clone()).or_insert_with(|| {
                let load_balancer = configuration.load_balancer.clone();
                Configuration { load_balancer, tables: Tables::default() }
            });
            let change = configuration.changes_since(applied);
            if let Some(change) = change {
                applied.absorb(change);
            }
            assert_eq!(applied, configuration, "seed {seed}, step {step}: the difference does not lead there");
        }
        applied.retain(|id, _| after.load_balancers.contains_key(id));
        told.extend(after.notices.values().flatten().map(|notice| notice.kind));
        before = after;
    }
    told
}

/// What holds of any tables.
fn check(configuration: &Configuration) {
    let tables = &configuration.tables;
    let mut backends = BTreeSet::new();
    let mut certificates = BTreeSet::new();
    for (name, listener) in &tables.listeners {
        assert_eq!(*name, listener.name);
        backends.extend(listener.targets.iter().map(|target| &target.backend));
        certificates.extend(&listener.default_certificate);
    }
    let tcp = tables.listeners.values().filter(|listener| listener.protocol != Protocol::Udp);
    let ports: Vec<_> = tcp.map(|listener| listener.port).collect();
    assert_eq!(ports.len(), ports.iter().collect::<BTreeSet<_>>().len(), "a port is open twice");
    for (id, host) in &tables.virtual_hosts {
        assert_eq!(*id, host.id);
        let listener = tables.listeners.get(&host.listener).expect("the listener is there");
        certificates.extend(&host.certificate);
        if listener.protocol == Protocol::Https {
            assert!(host.certificate.is_some() || listener.default_certificate.is_some(), "{id} has no certificate");
        } else {
            assert_eq!(host.certificate, None);
        }
        match &host.service {
            HostService::Passthrough(targets) => backends.extend(targets.iter().map(|target| &target.backend)),
            HostService::Routes(routes) => {
                for (index, route) in routes.iter().enumerate() {
                    assert!(routes[..index].iter().all(|other| other.path != route.path), "{id} has a path twice");
                    match &route.action {
                        RouteAction::Forward(targets) => backends.extend(targets.iter().map(|target| &target.backend)),
                        other => assert_eq!(*other, RouteAction::Respond(503)),
                    }
                }
            }
        }
    }
    assert_eq!(backends, tables.backends.keys().collect(), "the backends in use are those in the table");
    assert_eq!(certificates, tables.certificates.keys().collect(), "the certificates in use are those in the table");
    assert!(tables.backends.iter().all(|(id, backend)| *id == backend.id));
    assert!(tables.certificates.iter().all(|(id, certificate)| *id == certificate.id));
}

/// Equal records are the same allocations before and after.
fn check_kept(before: &Configuration, after: &Configuration) {
    fn kept<T: PartialEq>(before: &Table<T>, after: &Table<T>) {
        for (key, new) in after {
            let same = before.get(key).is_none_or(|old| old != new || Arc::ptr_eq(old, new));
            assert!(same, "{key} is equal and was allocated anew");
        }
    }
    kept(&before.tables.listeners, &after.tables.listeners);
    kept(&before.tables.virtual_hosts, &after.tables.virtual_hosts);
    kept(&before.tables.backends, &after.tables.backends);
}

#[test]
fn step_by_step_is_all_at_once_for_a_shared_load_balancer() {
    let descriptor = descriptor(Scope::PerClass, FEATURES.to_vec(), vec![String::from("io.rancher.")]);
    let mut told = BTreeSet::new();
    for seed in 0..RUNS {
        let options = Options { watch_without_class: seed % 2 == 0, streams: World::streams(), ..options() };
        told.extend(run(seed, &options, &descriptor));
    }
    assert_eq!(told.len(), 4, "the world is too tame, it gave only {told:?}");
}

#[test]
fn step_by_step_is_all_at_once_with_a_default_certificate() {
    let descriptor = descriptor(Scope::PerClass, FEATURES.to_vec(), Vec::new());
    let default = World::new().default_certificate();
    for seed in 100..100 + RUNS {
        let options = Options { default_certificate: Some(default.clone()), ..options() };
        run(seed, &options, &descriptor);
    }
}

#[test]
fn step_by_step_is_all_at_once_for_load_balancers_of_their_own() {
    let prefixes = vec![String::from("io.rancher."), String::from("config")];
    let descriptor = descriptor(Scope::PerObject, FEATURES.to_vec(), prefixes);
    for seed in 200..200 + RUNS {
        run(seed, &options(), &descriptor);
    }
}

#[test]
fn step_by_step_is_all_at_once_for_a_provider_that_can_little() {
    for seed in 300..300 + RUNS {
        let mut random = Random::new(seed);
        let features: Vec<Feature> = FEATURES.into_iter().filter(|_| random.below(2) == 0).collect();
        let scope = if seed % 2 == 0 { Scope::PerClass } else { Scope::PerObject };
        run(seed, &Options { streams: World::streams(), ..options() }, &descriptor(scope, features, Vec::new()));
    }
}
