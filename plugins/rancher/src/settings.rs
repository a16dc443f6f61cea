//! What the operator may set. The schema of the descriptor is made of these types and their comments.

use lb_provider::{JsonSchema, schemars};
use serde::{Deserialize, Serialize};

/// Settings of the Rancher provider.
//
// All have defaults, and a value that Rancher could not use is an error that names the key.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(crate = "schemars")]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The stack that new load balancers are put into. It is made if it is not there.
    #[schemars(with = "String", regex(pattern = "^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$"))]
    pub(crate) stack: StackName,
    /// The image of the load balancers, for example `rancher/lb-service-haproxy:v0.9.14`. A changed one upgrades those that
    /// exist. Without it, new load balancers get what the server's setting `lb.instance.image` says, and those that exist
    /// keep theirs.
    #[schemars(with = "Option<String>")]
    pub(crate) image: Option<Image>,
    /// Whether the name that Rancher's external DNS gave a load balancer is published beside its addresses.
    pub(crate) publish_fqdn: bool,
    /// Whether load balancers that the original controller made for an Ingress are taken over in place. Those that were,
    /// stay ours.
    pub(crate) adopt: bool,
    /// The word between namespace and name in the names that the original gave: its RANCHER_LB_SEPARATOR.
    #[schemars(with = "String", regex(pattern = "^[a-zA-Z0-9-]+$"))]
    pub(crate) legacy_separator: Separator,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stack: StackName("kubernetes-ingress-lbs".to_owned()),
            image: None,
            publish_fqdn: false,
            adopt: true,
            legacy_separator: Separator("rancherlb".to_owned()),
        }
    }
}

/// A name that Rancher takes for a stack.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct StackName(pub(crate) String);

impl TryFrom<String> for StackName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let inner = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if inner && (1..=63).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') {
            return Ok(Self(name));
        }
        Err(format!("`{name}` is no name of a stack: 1 to 63 letters, digits and inner dashes"))
    }
}

/// A Docker image, without the `docker:` that Rancher writes before it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Image(pub(crate) String);

impl TryFrom<String> for Image {
    type Error = String;

    fn try_from(image: String) -> Result<Self, String> {
        let name = image.strip_prefix("docker:").unwrap_or(&image);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("`{image}` is no image, such as `rancher/lb-service-haproxy:v0.9.14`"));
        }
        Ok(Self(name.to_owned()))
    }
}

/// The word in the middle of the original's names.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Separator(pub(crate) String);

impl TryFrom<String> for Separator {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(Self(word));
        }
        Err(format!("`{word}` is no separator: letters, digits and dashes"))
    }
}

#[cfg(test)]
mod tests {
    use lb_provider::{settings_schema, testing::check_settings};
    use serde_json::{Value, json};

    use super::*;
    use crate::Rancher;

    #[test]
    fn the_schema_tells_every_key_with_its_default() {
        let schema: Value = serde_json::from_str(&settings_schema::<Settings>()).unwrap();
        let keys = schema["properties"].as_object().unwrap();
        let defaults: serde_json::Map<_, _> =
            keys.iter().map(|(key, property)| (key.clone(), property["default"].clone())).collect();
        let told: Settings = serde_json::from_value(defaults.into()).unwrap();
        assert_eq!(format!("{told:?}"), format!("{:?}", Settings::default()));
        // The error for an unknown key names all that are known.
        let known = check_settings::<Rancher>(r#"{ "nonsense": 1 }"#).unwrap_err();
        for key in keys.keys() {
            assert!(known.contains(&format!("`{key}`")), "{key}: {known}");
        }
        assert_eq!(known.matches('`').count() / 2, keys.len() + 2, "{known}");
        assert_eq!(check_settings::<Rancher>("{}"), Ok(()));
    }

    #[test]
    fn a_value_that_rancher_could_not_use_is_an_error_that_names_the_key() {
        for (settings, part) in [
            (json!({ "stack": "a_b" }), "`stack`: `a_b` is no name of a stack"),
            (json!({ "stack": "" }), "`stack`: `` is no name of a stack"),
            (json!({ "image": "docker:" }), "`image`: `docker:` is no image"),
            (json!({ "image": "a b" }), "`image`: `a b` is no image"),
            (json!({ "legacy-separator": "" }), "`legacy-separator`: `` is no separator"),
            (json!({ "adopt": "yes" }), "`adopt`: invalid type"),
        ] {
            let error = check_settings::<Rancher>(&settings.to_string()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
