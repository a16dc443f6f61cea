//! Media types: what a client accepts, and how a body is to be read.

use http::header::ACCEPT;
use serde_json::Value;

use super::Call;
use crate::kind::Kind;
use crate::schema;
use crate::status::Status;

const BODY_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The form in which objects go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole objects.
    Object,
    /// For people, in this version of `meta.k8s.io`.
    Table(&'static str),
    /// Only metadata, in this version of `meta.k8s.io`.
    Metadata(&'static str),
}

impl Call {
    /// The first form of objects that the client accepts.
    pub(super) fn form(&self) -> Result<Form, Status> {
        self.accepted(|convert_to, group, version| match (convert_to, group) {
            ("", _) => Some(Form::Object),
            ("Table", "meta.k8s.io") => meta_version(version).map(Form::Table),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io") => {
                meta_version(version).map(Form::Metadata)
            }
            _ => None,
        })
    }

    /// The version of aggregated discovery that the client accepts, or `None` for the older documents.
    pub(super) fn discovery_version(&self) -> Result<Option<&'static str>, Status> {
        self.accepted(|convert_to, group, version| match (convert_to, group, version) {
            ("", ..) => Some(None),
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some(Some("v2")),
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1") => Some(Some("v2beta1")),
            _ => None,
        })
    }

    /// Goes through the media ranges in order; `choose` gets the `as`, `g` and `v` of those that are JSON.
    fn accepted<T>(&self, choose: impl Fn(&str, &str, &str) -> Option<T>) -> Result<T, Status> {
        let accept = match self.header(ACCEPT) {
            "" => "*/*",
            accept => accept,
        };
        let mut ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            if !matches!(parts.next(), Some("application/json" | "application/*" | "*/*")) {
                return None;
            }
            let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
            let parameter = |name: &str| {
                parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value).unwrap_or_default()
            };
            choose(parameter("as"), parameter("g"), parameter("v"))
        });
        ranges.next().ok_or_else(Status::not_acceptable)
    }

    /// The body of a request that carries an object with the type `kind` of the schema.
    pub(super) fn object(&self, kind: &str) -> Result<Value, Status> {
        match self.content_type() {
            "application/json" => serde_json::from_slice(&self.body).map_err(|error| unreadable(kind, &error)),
            "application/yaml" => yaml(&self.body).map_err(|error| unreadable(kind, &error)),
            "application/vnd.kubernetes.protobuf" => {
                schema::decode_protobuf(kind, &self.body).map_err(|error| unreadable(kind, &error))
            }
            _ => Err(Status::unsupported_media_type(BODY_TYPES)),
        }
    }
}

pub(super) fn yaml(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

fn unreadable(kind: &str, error: &impl std::fmt::Display) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; parse error: {error}"
    ))
}

fn meta_version(version: &str) -> Option<&'static str> {
    match version {
        "v1" => Some("v1"),
        "v1beta1" => Some("v1beta1"),
        _ => None,
    }
}

/// The default field manager of a client: its user agent up to the slash.
pub(super) fn manager_of(user_agent: &str) -> String {
    user_agent.split('/').next().unwrap_or_default().chars().take(128).collect()
}

/// The name of the list of a kind.
pub(super) fn list_kind(kind: &Kind) -> String {
    format!("{}List", kind.kind)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use serde_json::json;

    use super::super::query::Query;
    use super::*;

    fn call(header: http::HeaderName, value: &str, body: &str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(header, value.parse().unwrap());
        Call { method: Method::GET, query: Query::default(), headers, body: Bytes::from(body.to_owned()) }
    }

    #[test]
    fn the_first_acceptable_form_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        for (accept, expected) in [
            (kubectl, Some(Form::Table("v1"))),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Some(Form::Metadata("v1"))),
            ("application/vnd.kubernetes.protobuf, */*", Some(Form::Object)),
            ("application/json;as=Other;g=x;v=y,application/json", Some(Form::Object)),
            ("application/vnd.kubernetes.protobuf", None),
            ("text/html", None),
        ] {
            assert_eq!(call(ACCEPT, accept, "").form().ok(), expected, "{accept}");
        }
        let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert_eq!(call(ACCEPT, discovery, "").discovery_version().unwrap(), Some("v2"));
        assert_eq!(call(ACCEPT, "application/json", "").discovery_version().unwrap(), None);
    }

    #[test]
    fn bodies_are_json_or_yaml() {
        use http::header::CONTENT_TYPE;
        assert_eq!(
            call(CONTENT_TYPE, "application/json; charset=utf-8", r#"{"a":1}"#).object("X").unwrap(),
            json!({"a": 1})
        );
        assert_eq!(call(CONTENT_TYPE, "application/yaml", "a: [1, b]").object("X").unwrap(), json!({"a": [1, "b"]}));
        assert_eq!(call(CONTENT_TYPE, "text/plain", "a").object("X").unwrap_err().code, 415);
        let refused = call(CONTENT_TYPE, "application/json", "{").object("Ingress").unwrap_err();
        assert!(refused.message.starts_with("the object provided is unrecognized (must be of type Ingress)"));
        assert_eq!(refused.code, 400);
    }

    #[test]
    fn the_manager_is_the_start_of_the_user_agent() {
        assert_eq!(manager_of("kubectl/v1.32 (linux)"), "kubectl");
        assert_eq!(manager_of(""), "");
    }
}
