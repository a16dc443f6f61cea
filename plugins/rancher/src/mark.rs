//! Who owns what: the external id, which Rancher never lets anyone change, and the mark in the metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The key of `metadata` that is ours. Other keys belong to others and are kept.
pub(crate) const KEY: &str = "lb-controller";
const VERSION: u32 = 1;
const SCHEME: &str = "lb-controller://";

/// The external id of what this controller makes for the object with this UID, or for the certificate of this digest.
pub(crate) fn external_id(controller: &str, suffix: &str) -> String {
    format!("{SCHEME}{controller}/{suffix}")
}

/// What follows the controller in an external id of ours; `None` if it is somebody else's. A controller may have a name
/// that another one's begins with, so that a suffix holds no slash.
pub(crate) fn suffix<'a>(controller: &str, external_id: &'a str) -> Option<&'a str> {
    let suffix = external_id.strip_prefix(SCHEME)?.strip_prefix(controller)?.strip_prefix('/')?;
    (!suffix.is_empty() && !suffix.contains('/')).then_some(suffix)
}

/// What a load balancer must tell of itself, since nothing else remembers it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mark {
    pub(crate) version: u32,
    /// The controller that owns it. For one that was adopted, this alone says so.
    pub(crate) controller: String,
    /// `<namespace>/<name>` of the Ingress.
    pub(crate) load_balancer: String,
    pub(crate) owner_uid: String,
    /// Digest of what was applied, in its normal form.
    pub(crate) digest: String,
    /// The labels that we set, and so may remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
    /// The scale that the Ingress asked for. Without one, Rancher's users may scale as they like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scale: Option<u32>,
    /// The image that the settings asked for; Rancher may show it with a registry before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    /// The upgrade to what was applied is ours, and ours to finish.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) upgrade: bool,
    /// UIDs of the Services that Rancher did not know yet; their rules were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<String>,
    /// Digests of the certificates that it was given, by Rancher's ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) certificates: BTreeMap<String, String>,
}

impl Mark {
    pub(crate) fn new(controller: &str, load_balancer: &str, owner_uid: &str) -> Self {
        Self {
            version: VERSION,
            controller: controller.to_owned(),
            load_balancer: load_balancer.to_owned(),
            owner_uid: owner_uid.to_owned(),
            ..Self::default()
        }
    }

    /// The mark in a load balancer's metadata. One that cannot be read is none: it is written anew.
    pub(crate) fn read(metadata: &Map<String, Value>) -> Option<Self> {
        let mark: Self = serde_json::from_value(metadata.get(KEY)?.clone()).ok()?;
        (mark.version == VERSION).then_some(mark)
    }

    /// The metadata with this mark in it; all else stays.
    pub(crate) fn write(&self, metadata: &Map<String, Value>) -> Map<String, Value> {
        let mut metadata = metadata.clone();
        let mark = serde_json::to_value(self).expect("a mark holds strings and numbers only");
        metadata.insert(KEY.to_owned(), mark);
        metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_external_id_is_ours_or_not() {
        let id = external_id("uid/lb", "42");
        assert_eq!(id, "lb-controller://uid/lb/42");
        assert_eq!(suffix("uid/lb", &id), Some("42"));
        // A controller whose name another one's begins with.
        assert_eq!(suffix("uid", &id), None);
        assert_eq!(suffix("uid/lb", "lb-controller://uid/lb"), None);
        assert_eq!(suffix("uid/lb", "lb-controller://uid/lb/"), None);
        assert_eq!(suffix("uid/lb", "lb-controller://uid/lb-2/42"), None);
        assert_eq!(suffix("uid/lb", "kubernetes-ingress-lbs://uid/lb/42"), None);
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_leaves_the_rest_alone() {
        let others: Map<_, _> = [("theirs".to_owned(), json!({ "nested": [1, null] }))].into_iter().collect();
        let mark = Mark { scale: Some(2), labels: vec!["a".to_owned()], ..Mark::new("c", "default/web", "uid") };
        let written = mark.write(&others);
        assert_eq!(Mark::read(&written), Some(mark));
        assert_eq!(written["theirs"], others["theirs"]);
        assert_eq!(Mark::read(&others), None);
    }

    #[test]
    fn what_is_no_mark_is_none() {
        for value in [json!(null), json!("x"), json!({ "version": 2 }), json!({}), json!({ "version": 1, "labels": 3 })]
        {
            let metadata = [(KEY.to_owned(), value)].into_iter().collect();
            assert_eq!(Mark::read(&metadata), None);
        }
    }
}
