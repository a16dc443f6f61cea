use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::one_line;

/// The largest configuration that is pushed or read, in bytes.
pub(crate) const MAX_PROPOSAL: usize = 64 << 10;

/// The configuration that the author of an artifact proposes: what stands in `nginx.yaml` beside a bundled `nginx.wasm`.
///
/// **It grants nothing.** The file beside a local component was put there by the operator; this one comes from whoever
/// may push to the registry. So [`Proposal::settings`] may be taken as defaults, for they only go back to the component
/// they came with, and everything else, `grants` and `limits`, is text to show: the operator copies what is right into
/// the configuration file. The sandbox refuses a component that imports what was not granted, with the same lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    text: String,
    settings: Value,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    #[serde(default)]
    settings: Option<Value>,
    #[serde(default, rename = "grants")]
    _grants: Option<IgnoredAny>,
    #[serde(default, rename = "limits")]
    _limits: Option<IgnoredAny>,
}

impl Proposal {
    /// Reads a configuration.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PROPOSAL {
            return Err(format!("it has {} bytes, of {MAX_PROPOSAL} at most", text.len()));
        }
        let configuration: Option<Configuration> = serde_saphyr::from_str(text).map_err(|error| first_line(&error))?;
        let settings = configuration.and_then(|configuration| configuration.settings);
        let settings = settings.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        if !settings.is_object() {
            return Err("`settings` must be a mapping of keys to values".to_owned());
        }
        Ok(Self { text: text.to_owned(), settings })
    }

    /// The settings it proposes, an object. They are for the component it came with and for no other.
    pub fn settings(&self) -> &Value {
        &self.settings
    }

    /// All of it as YAML, for people to read. Never to be taken as a configuration by itself: it comes from a stranger.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What is wrong and where, without the excerpt of the file that follows: the file may be a stranger's.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    one_line(text.lines().next().unwrap_or_default().trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::{MAX_PROPOSAL, Proposal};

    #[test]
    fn only_settings_can_be_taken_from_it() {
        let text = "settings: {workers: 2}\ngrants: {files: {path: /}}\nlimits: {wall-ms: 1}\n";
        let proposal = Proposal::read(text).unwrap();
        assert_eq!(proposal.settings(), &serde_json::json!({"workers": 2}));
        assert_eq!(proposal.text(), text);
        assert_eq!(Proposal::read("grants: {}").unwrap().settings(), &serde_json::json!({}));
        assert_eq!(Proposal::read("").unwrap().settings(), &serde_json::json!({}));
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        assert!(Proposal::read("settings: 5").unwrap_err().contains("mapping"));
        let unknown = Proposal::read("settings: {}\nsetings: {}").unwrap_err();
        assert!(unknown.starts_with("line 2 column 1") && unknown.contains("setings"), "{unknown}");
        assert!(!unknown.contains('\n'), "{unknown}");
        assert!(Proposal::read("- a").is_err());
        assert!(Proposal::read("settings: {a: &x [1], b: [*x").is_err());
        assert!(Proposal::read(&format!("# {}", "x".repeat(MAX_PROPOSAL))).unwrap_err().contains("bytes"));
    }
}
