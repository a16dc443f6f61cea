//! What the operator may set. `settings.json` says what each key means.

use serde::Deserialize;

/// The settings. A key that is not known, or a value that cannot be used, is an error that names it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    pub(crate) indent: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { indent: true }
    }
}

/// JSON Schema of the settings.
pub(crate) const SCHEMA: &str = include_str!("settings.json");
