//! What a path names.

use percent_encoding::percent_decode_str;

use crate::discovery::{self, REVIEWS, Review};
use crate::kind::{self, Kind};

/// Something that is not a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Document {
    Health,
    Version,
    CoreVersions,
    Groups,
    Group(String),
    /// The resources of a group; the core group has an empty name.
    Resources(String),
    OpenApiIndex,
    OpenApi(String),
}

/// A collection, an object, or the status of one.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) kind: &'static Kind,
    /// `None`: all namespaces, or a kind without them.
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) status: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Target {
    Document(Document),
    Resource(Resource),
    Review(&'static Review),
    /// In a group that is there.
    NoSuchResource,
    NotFound,
}

impl Target {
    pub(super) fn parse(path: &str) -> Self {
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Document(Document::Health),
            ["version"] => Self::Document(Document::Version),
            ["api"] => Self::Document(Document::CoreVersions),
            ["apis"] => Self::Document(Document::Groups),
            ["openapi", "v3"] => Self::Document(Document::OpenApiIndex),
            ["openapi", "v3", "api", "v1"] => Self::Document(Document::OpenApi(String::new())),
            ["openapi", "v3", "apis", group, "v1"] => Self::Document(Document::OpenApi((*group).to_owned())),
            ["api", "v1"] => Self::Document(Document::Resources(String::new())),
            ["api", "v1", rest @ ..] => Self::resource("", rest),
            ["apis", group] => Self::Document(Document::Group((*group).to_owned())),
            ["apis", group, "v1"] => Self::Document(Document::Resources((*group).to_owned())),
            ["apis", group, "v1", rest @ ..] if discovery::groups().contains(group) => Self::resource(group, rest),
            _ => Self::NotFound,
        }
    }

    fn resource(group: &str, segments: &[&str]) -> Self {
        let (namespace, segments) = match segments {
            // `namespaces/NAME/status` is the status of a namespace, everything else below a namespace is in it.
            ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status"]) => (Some(*namespace), rest),
            segments => (None, segments),
        };
        let (plural, name, status) = match segments {
            [plural] => (*plural, None, false),
            [plural, name] => (*plural, Some((*name).to_owned()), false),
            [plural, name, "status"] => (*plural, Some((*name).to_owned()), true),
            _ => return Self::NoSuchResource,
        };
        if let ([_], Some(review)) =
            (segments, REVIEWS.iter().find(|review| review.group == group && review.plural == plural))
        {
            return Self::Review(review);
        }
        let Some(kind) = kind::find(group, "v1", plural) else { return Self::NoSuchResource };
        let named_without_namespace = kind.namespaced && namespace.is_none() && name.is_some();
        if (namespace.is_some() && !kind.namespaced) || named_without_namespace || (status && !kind.status) {
            return Self::NoSuchResource;
        }
        Self::Resource(Resource { kind, namespace: namespace.map(str::to_owned), name, status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        match Target::parse(path) {
            Target::Resource(Resource { kind, namespace, name, status }) => {
                format!("{} {namespace:?} {name:?} {status}", kind.plural)
            }
            Target::Document(document) => format!("{document:?}"),
            Target::Review(review) => review.plural.to_owned(),
            Target::NoSuchResource => "no such resource".to_owned(),
            Target::NotFound => "not found".to_owned(),
        }
    }

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/api/v1/services", "services None None false"),
            ("/api/v1/namespaces", "namespaces None None false"),
            ("/api/v1/namespaces/shop", r#"namespaces None Some("shop") false"#),
            ("/api/v1/namespaces/shop/status", r#"namespaces None Some("shop") true"#),
            ("/api/v1/namespaces/shop/services", r#"services Some("shop") None false"#),
            ("/api/v1/namespaces/shop/services/web/status", r#"services Some("shop") Some("web") true"#),
            ("/api/v1/namespaces/shop/secrets/s/status", "no such resource"),
            ("/api/v1/nodes/one", r#"nodes None Some("one") false"#),
            ("/api/v1/namespaces/shop/nodes", "no such resource"),
            ("/api/v1/services/web", "no such resource"),
            ("/apis/networking.k8s.io/v1/namespaces/a/ingresses/w%65b", r#"ingresses Some("a") Some("web") false"#),
            ("/apis/networking.k8s.io/v1/networkpolicies", "no such resource"),
            ("/apis/networking.k8s.io/v1beta1/ingresses", "not found"),
            ("/apis/batch/v1/jobs", "not found"),
            ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "selfsubjectaccessreviews"),
            ("/readyz/ping", "Health"),
            ("/apis/apps/v1", r#"Resources("apps")"#),
            ("/openapi/v3/api/v1", r#"OpenApi("")"#),
            ("/openapi/v2", "not found"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }
}
