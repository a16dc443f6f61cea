//! The schema of settings, made of the type that reads them.

use schemars::{JsonSchema, generate::SchemaSettings};

/// The JSON Schema (draft 2020-12) of a type, for [`Descriptor::settings_schema`]: what
/// `lb-controller provider inspect` shows as a table.
///
/// It follows the attributes of serde: names, `deny_unknown_fields`, and defaults if the type is `Serialize`. A documentation
/// comment is a description. Derive [`JsonSchema`](crate::JsonSchema) with `#[schemars(crate = "lb_provider::schemars")]`:
///
/// ```
/// use lb_provider::{JsonSchema, settings_schema};
/// use serde::{Deserialize, Serialize};
///
/// /// Settings of the provider.
/// #[derive(Debug, Deserialize, Serialize, JsonSchema)]
/// #[schemars(crate = "lb_provider::schemars")]
/// #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
/// struct Settings {
///     /// How many endpoints are tried for a request.
///     #[schemars(range(min = 1, max = 100))]
///     tries: u32,
/// }
///
/// impl Default for Settings {
///     fn default() -> Self {
///         Self { tries: 3 }
///     }
/// }
///
/// let schema: serde_json::Value = serde_json::from_str(&settings_schema::<Settings>()).unwrap();
/// assert_eq!(schema["additionalProperties"], false);
/// let tries = &schema["properties"]["tries"];
/// assert_eq!(tries["default"], 3);
/// assert_eq!(tries["maximum"], 100);
/// assert_eq!(tries["description"], "How many endpoints are tried for a request.");
/// ```
///
/// A range in the schema tells people; what refuses a value is the type's `Deserialize`.
///
/// [`Descriptor::settings_schema`]: crate::Descriptor::settings_schema
pub fn settings_schema<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value().to_string()
}
