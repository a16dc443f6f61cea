//! Settings: read-only here, their names are their ids, and lists of them know no filter.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Options;
use crate::link::Links;

/// One setting.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: Option<String>,
    /// Whether the keys of a project may see it.
    pub(crate) public: bool,
}

/// Name of the setting with the image of load balancers.
pub(crate) const IMAGE: &str = "lb.instance.image";

/// The settings of a fresh server.
pub(crate) fn initial(options: &Options) -> BTreeMap<String, Setting> {
    let public = |value: &str| Setting { value: Some(value.to_owned()), public: true };
    let hidden = |value: &str| Setting { value: Some(value.to_owned()), public: false };
    [
        ("api.host", public("")),
        (IMAGE, Setting { value: options.image.clone(), public: true }),
        ("rancher.server.version", public("v1.6.30")),
        ("registry.default", Setting { value: options.default_registry.clone(), public: true }),
        ("main_loop.delay", hidden("30")),
    ]
    .into_iter()
    .map(|(name, setting)| (name.to_owned(), setting))
    .collect()
}

/// A setting as a resource.
pub(crate) fn render(name: &str, setting: &Setting, links: &Links) -> Value {
    json!({
        "id": name, "type": "activeSetting", "baseType": "setting", "name": name,
        "value": setting.value, "activeValue": setting.value, "inDb": false, "source": "Code Packaged Defaults",
        "links": { "self": links.to(&format!("settings/{name}")) }, "actions": {},
    })
}
