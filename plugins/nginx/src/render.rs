//! From a change-set to the files that nginx reads. Pure: the same input gives the same bytes.

mod affinity;
mod backend;
mod certificate;
mod host;
mod listener;
mod location;
mod main;
mod path;
mod route;
mod source;
mod stream;

use std::collections::{BTreeMap, BTreeSet};

use lb_provider::{ChangeKind, ChangeSet, HostService, Protocol};

use crate::{
    exclusions::Exclusions,
    names::{
        HTTP_HOSTS, HTTP_LISTENERS, STREAM, STREAM_HOSTS, STREAM_LISTENERS, STREAM_MODULES, any_host_file,
        backend_conf, digest, host_file, listener_digest,
    },
    plan::Plan,
    settings::Settings,
};

pub(crate) use backend::render as backend;
pub(crate) use source::{parse as parse_source, parse_all as parse_sources};

/// What the change does to the tree, without what nginx refused.
pub(crate) fn plan(settings: &Settings, change: &ChangeSet, exclusions: &Exclusions) -> Plan {
    let mut plan = Plan::new(change.kind == ChangeKind::Complete);
    main::write(&mut plan, settings);
    certificates(&mut plan, change, exclusions);
    backends(&mut plan, change);
    listeners(&mut plan, settings, change, exclusions);
    virtual_hosts(&mut plan, change, exclusions);
    plan
}

/// The files that follow from which others are in the tree: every HTTP port has a host for unknown names, and ports that
/// are not HTTP need modules of nginx.
pub(crate) fn derived(settings: &Settings, tree: &BTreeSet<&str>) -> BTreeMap<String, Vec<u8>> {
    let mut derived = BTreeMap::new();
    for listener in names_in(tree, HTTP_LISTENERS).filter_map(|name| name.strip_suffix(".listen")) {
        let path = format!("{HTTP_HOSTS}/{}", any_host_file(listener));
        if !tree.contains(path.as_str()) {
            derived.insert(path, host::not_found(listener));
        }
    }
    if names_in(tree, STREAM_LISTENERS).next().is_some() {
        derived.extend(main::stream(settings).map(|(path, content)| (path.to_owned(), content)));
    }
    derived
}

/// The virtual hosts whose port is not there because nginx cannot open it.
pub(crate) fn orphans<'a>(tree: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let is_orphan = |path: &&str| {
        let listener = path.strip_prefix(HTTP_HOSTS).and_then(|name| name.get(1..33));
        listener.is_some_and(|listener| !tree.contains(format!("{HTTP_LISTENERS}/{listener}.listen").as_str()))
    };
    tree.iter().copied().filter(is_orphan).collect()
}

/// Whether a file is there only if it is derived.
pub(crate) fn is_derived(path: &str) -> bool {
    path == STREAM || path == STREAM_MODULES
}

/// The names of the files in a directory of the tree.
fn names_in<'a>(tree: &'a BTreeSet<&str>, directory: &'static str) -> impl Iterator<Item = &'a str> {
    tree.iter().filter_map(move |path| path.strip_prefix(directory)?.strip_prefix('/'))
}

fn certificates(plan: &mut Plan, change: &ChangeSet, exclusions: &Exclusions) {
    for id in &change.certificates.remove {
        plan.remove_certificate(&digest(id));
    }
    for certificate in &change.certificates.upsert {
        if !exclusions.certificates.contains(&digest(&certificate.id)) {
            certificate::write(plan, certificate);
        }
    }
    // Named by hosts and so still there, but without the certificate.
    for digest in &exclusions.certificates {
        plan.remove_certificate(digest);
        certificate::write_refused(plan, digest);
    }
}

fn backends(plan: &mut Plan, change: &ChangeSet) {
    change.backends.remove.iter().for_each(|id| plan.remove(backend_conf(id)));
    change.backends.upsert.iter().for_each(|backend| plan.put(backend_conf(&backend.id), backend::render(backend)));
}

fn listeners(plan: &mut Plan, settings: &Settings, change: &ChangeSet, exclusions: &Exclusions) {
    for digest in change.listeners.remove.iter().map(digest).chain(exclusions.listeners.iter().cloned()) {
        plan.remove_http_listener(&digest);
        plan.remove_stream_listener(&digest);
    }
    for listener in &change.listeners.upsert {
        let digest = digest(&listener.name);
        let is_http = matches!(listener.protocol, Protocol::Http | Protocol::Https);
        // Its protocol may have been another one.
        if is_http {
            plan.remove_stream_listener(&digest);
        } else {
            plan.remove_http_listener(&digest);
        }
        if exclusions.listeners.contains(&digest) || (exclusions.stream && !is_http) {
            plan.remove_stream_listener(&digest);
        } else if is_http {
            listener::write(plan, settings, listener, &exclusions.addresses);
        } else {
            stream::write_listener(plan, settings, listener, &exclusions.addresses);
        }
    }
}

fn virtual_hosts(plan: &mut Plan, change: &ChangeSet, exclusions: &Exclusions) {
    for id in &change.virtual_hosts.remove {
        let file = host_file(id);
        plan.remove(format!("{HTTP_HOSTS}/{file}"));
        plan.remove(format!("{STREAM_HOSTS}/{file}"));
    }
    for path in &exclusions.hosts {
        plan.remove(path.clone());
    }
    for virtual_host in &change.virtual_hosts.upsert {
        let file = host_file(&virtual_host.id);
        if exclusions.listeners.contains(&listener_digest(&virtual_host.id)) {
            continue;
        }
        match &virtual_host.service {
            HostService::Routes(routes) => {
                let path = format!("{HTTP_HOSTS}/{file}");
                plan.remove(path.clone());
                if !exclusions.hosts.contains(&path) {
                    let is_excluded = |uid: &str| exclusions.routes.contains(&(path.clone(), uid.to_owned()));
                    let routes: Vec<_> = routes.iter().filter(|route| !is_excluded(&route.source.uid)).collect();
                    host::write(plan, path.clone(), virtual_host, &routes);
                }
            }
            HostService::Passthrough(targets) => {
                let path = format!("{STREAM_HOSTS}/{file}");
                plan.remove(path.clone());
                if !exclusions.hosts.contains(&path) && !exclusions.stream {
                    stream::write_host(plan, path, virtual_host, targets);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
