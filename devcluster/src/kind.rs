//! The table of kinds: everything that differs from one resource to the next and is no behaviour of its own.

use std::fmt::Write as _;

/// What a name of this kind must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// DNS subdomain of RFC 1123: labels with dots.
    Subdomain,
    /// One DNS label of RFC 1123.
    Label,
    /// One DNS label of RFC 1035: starts with a letter.
    StrictLabel,
}

/// One resource, as one group and version serves it.
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "one flag for each thing in which real resources differ, and Kubernetes calls it kind"
)]
#[derive(Debug)]
pub(crate) struct Kind {
    /// Empty for the core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    /// The resource's name in URLs. Kinds with the same plural share one collection of objects.
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) namespaced: bool,
    /// Whether `.../status` is served.
    pub(crate) status: bool,
    /// Whether `metadata.generation` counts changes of what is neither metadata nor status.
    pub(crate) generation: bool,
    pub(crate) name: NameRule,
    /// Whether PUT creates what does not exist.
    pub(crate) put_creates: bool,
    /// Whether PUT without a resource version replaces whatever is there.
    pub(crate) unconditional: bool,
    /// Whether DELETE answers with the object rather than a Status.
    pub(crate) delete_returns_object: bool,
}

const fn core(kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
    Kind {
        group: "",
        version: "v1",
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &[],
        namespaced: true,
        status: false,
        generation: false,
        name: NameRule::Subdomain,
        put_creates: false,
        unconditional: true,
        delete_returns_object: false,
    }
}

const fn grouped(group: &'static str, kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
    Kind { group, ..core(kind, plural, singular) }
}

/// Every kind that is served, grouped as discovery lists them.
pub(crate) static KINDS: &[Kind] = &[
    Kind { short_names: &["cm"], ..core("ConfigMap", "configmaps", "configmap") },
    Kind { short_names: &["ep"], put_creates: true, ..core("Endpoints", "endpoints", "endpoints") },
    Kind { short_names: &["ev"], put_creates: true, ..core("Event", "events", "event") },
    Kind {
        short_names: &["ns"],
        namespaced: false,
        status: true,
        name: NameRule::Label,
        ..core("Namespace", "namespaces", "namespace")
    },
    Kind { short_names: &["no"], namespaced: false, status: true, ..core("Node", "nodes", "node") },
    Kind {
        short_names: &["po"],
        categories: &["all"],
        status: true,
        delete_returns_object: true,
        ..core("Pod", "pods", "pod")
    },
    core("Secret", "secrets", "secret"),
    Kind {
        short_names: &["sa"],
        delete_returns_object: true,
        ..core("ServiceAccount", "serviceaccounts", "serviceaccount")
    },
    Kind {
        short_names: &["svc"],
        categories: &["all"],
        status: true,
        name: NameRule::StrictLabel,
        put_creates: true,
        delete_returns_object: true,
        ..core("Service", "services", "service")
    },
    Kind {
        short_names: &["deploy"],
        categories: &["all"],
        status: true,
        generation: true,
        ..grouped("apps", "Deployment", "deployments", "deployment")
    },
    Kind { put_creates: true, unconditional: false, ..grouped("coordination.k8s.io", "Lease", "leases", "lease") },
    Kind { generation: true, ..grouped("discovery.k8s.io", "EndpointSlice", "endpointslices", "endpointslice") },
    Kind { short_names: &["ev"], put_creates: true, ..grouped("events.k8s.io", "Event", "events", "event") },
    Kind {
        namespaced: false,
        generation: true,
        ..grouped("networking.k8s.io", "IngressClass", "ingressclasses", "ingressclass")
    },
    Kind {
        short_names: &["ing"],
        status: true,
        generation: true,
        ..grouped("networking.k8s.io", "Ingress", "ingresses", "ingress")
    },
];

/// The kind that is served under this group, version and plural.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// The kind that a manifest with this `apiVersion` and `kind` is of.
pub(crate) fn find_by_name(api_version: &str, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.kind == name && kind.api_version() == api_version)
}

impl Kind {
    /// `v1` or `networking.k8s.io/v1`.
    pub(crate) fn api_version(&self) -> String {
        let mut text = String::with_capacity(self.group.len() + self.version.len() + 1);
        if !self.group.is_empty() {
            write!(text, "{}/", self.group).expect("writing to a string");
        }
        text.push_str(self.version);
        text
    }

    /// `services` or `ingresses.networking.k8s.io`, as error messages name a resource.
    pub(crate) fn qualified_plural(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether objects are stored as another version and converted on the way: `events.k8s.io` is a view of core events.
    pub(crate) fn is_event_view(&self) -> bool {
        self.group == "events.k8s.io"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_share_a_collection() {
        for kind in KINDS {
            let same: Vec<_> = KINDS.iter().filter(|other| other.plural == kind.plural).collect();
            assert_eq!(same.len(), if kind.plural == "events" { 2 } else { 1 }, "{}", kind.plural);
        }
    }

    #[test]
    fn kinds_are_found_by_url_and_by_manifest() {
        let ingress = find("networking.k8s.io", "v1", "ingresses").unwrap();
        assert!(std::ptr::eq(ingress, find_by_name("networking.k8s.io/v1", "Ingress").unwrap()));
        assert_eq!(ingress.qualified_plural(), "ingresses.networking.k8s.io");
        assert_eq!(find("", "v1", "services").unwrap().api_version(), "v1");
        assert!(find("networking.k8s.io", "v1beta1", "ingresses").is_none());
    }
}
