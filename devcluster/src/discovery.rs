//! Which groups, versions and resources are served: the documents that clients read first.

use serde_json::{Value, json};

use crate::kind::{KINDS, Kind};

/// The version that the server says it is: one that `kubectl` of neighbouring releases takes without a warning.
const VERSION: (&str, &str, &str) = ("1", "33", "v1.33.0+lb-devcluster");
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS_VERBS: [&str; 3] = ["get", "patch", "update"];

/// A resource that is only asked, never stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Review {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
}

/// Who may do what: everybody, everything.
pub(crate) const REVIEWS: [Review; 2] = [
    Review { group: "authentication.k8s.io", kind: "SelfSubjectReview", plural: "selfsubjectreviews" },
    Review { group: "authorization.k8s.io", kind: "SelfSubjectAccessReview", plural: "selfsubjectaccessreviews" },
];

/// All groups but the core one, in order.
pub(crate) fn groups() -> Vec<&'static str> {
    let kinds = KINDS.iter().map(|kind| kind.group);
    let mut groups: Vec<&str> =
        kinds.chain(REVIEWS.iter().map(|review| review.group)).filter(|group| !group.is_empty()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn kinds_of(group: &str) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(move |kind| kind.group == group)
}

fn reviews_of(group: &str) -> impl Iterator<Item = &'static Review> {
    REVIEWS.iter().filter(move |review| review.group == group)
}

/// `/version`
pub(crate) fn version() -> Value {
    let (major, minor, version) = VERSION;
    json!({
        "major": major, "minor": minor, "gitVersion": version, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64"
    })
}

/// `/api`
pub(crate) fn core_versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    })
}

/// `/apis`
pub(crate) fn group_list() -> Value {
    let groups: Vec<Value> = groups().into_iter().map(group_entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`
pub(crate) fn group(name: &str) -> Option<Value> {
    groups().contains(&name).then(|| {
        let mut group = group_entry(name);
        group["kind"] = "APIGroup".into();
        group["apiVersion"] = "v1".into();
        group
    })
}

fn group_entry(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

/// `/api/v1` and `/apis/GROUP/v1`; the core group has an empty name.
pub(crate) fn resource_list(group: &str) -> Option<Value> {
    if !group.is_empty() && !groups().contains(&group) {
        return None;
    }
    let mut resources = Vec::new();
    for kind in kinds_of(group) {
        let mut resource = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": VERBS
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            resource["categories"] = json!(kind.categories);
        }
        resources.push(resource);
        if kind.status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": STATUS_VERBS
            }));
        }
    }
    for review in reviews_of(group) {
        resources.push(json!({
            "name": review.plural, "singularName": review.kind.to_lowercase(), "namespaced": false,
            "kind": review.kind, "verbs": ["create"]
        }));
    }
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}))
}

/// `/api` and `/apis` for clients that take everything at once, in version `v2` or `v2beta1` of the format.
pub(crate) fn aggregated(core: bool, version: &str) -> Value {
    let groups = if core { vec![""] } else { groups() };
    let items: Vec<Value> = groups.into_iter().map(aggregated_group).collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {},
        "items": items
    })
}

fn aggregated_group(group: &str) -> Value {
    let response_kind = |kind: &str| json!({"group": group, "version": "v1", "kind": kind});
    let kinds = kinds_of(group).map(|kind| {
        let scope = if kind.namespaced { "Namespaced" } else { "Cluster" };
        let mut resource = json!({
            "resource": kind.plural, "responseKind": response_kind(kind.kind), "scope": scope,
            "singularResource": kind.singular, "verbs": VERBS
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            resource["categories"] = json!(kind.categories);
        }
        if kind.status {
            let status =
                json!({"subresource": "status", "responseKind": response_kind(kind.kind), "verbs": STATUS_VERBS});
            resource["subresources"] = json!([status]);
        }
        resource
    });
    let reviews = reviews_of(group).map(|review| {
        json!({
            "resource": review.plural, "responseKind": response_kind(review.kind), "scope": "Cluster",
            "singularResource": review.kind.to_lowercase(), "verbs": ["create"]
        })
    });
    let resources: Vec<Value> = kinds.chain(reviews).collect();
    let metadata = if group.is_empty() {
        json!({"creationTimestamp": null})
    } else {
        json!({"name": group, "creationTimestamp": null})
    };
    json!({
        "metadata": metadata, "versions": [{"version": "v1", "resources": resources, "freshness": "Current"}]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_discovery_name_every_kind() {
        let mut listed = Vec::new();
        for group in std::iter::once("").chain(groups()) {
            for resource in resource_list(group).unwrap()["resources"].as_array().unwrap() {
                listed.push(resource["name"].as_str().unwrap().to_owned());
            }
        }
        let aggregated = [aggregated(true, "v2"), aggregated(false, "v2")];
        for kind in KINDS {
            assert!(listed.contains(&kind.plural.to_owned()), "{}", kind.plural);
            let found = aggregated.iter().flat_map(|list| list["items"].as_array().unwrap()).any(|item| {
                item["metadata"]["name"].as_str().unwrap_or_default() == kind.group
                    && item["versions"][0]["resources"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|resource| resource["resource"] == kind.plural)
            });
            assert!(found, "{}", kind.plural);
        }
        assert!(listed.contains(&"ingresses/status".to_owned()));
        assert!(!listed.contains(&"configmaps/status".to_owned()));
    }

    #[test]
    fn groups_that_are_not_there() {
        assert!(group("batch").is_none() && resource_list("batch").is_none());
        assert_eq!(group("apps").unwrap()["preferredVersion"]["groupVersion"], "apps/v1");
    }
}
