//! What the operator may set. The schema that `provider inspect` shows is made of this type and its comments.

use lb_provider::{JsonSchema, schemars};
use serde::{Deserialize, Serialize};

/// Settings of the my-lb provider.
//
// A key that is not known, or a value that cannot be used, is an error that names it.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(crate = "schemars")]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Whether routes.json is written for people, over many lines.
    pub(crate) indent: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { indent: true }
    }
}
