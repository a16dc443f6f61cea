//! Settings: the schema, made of the type that reads them, and what types are often made of.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::{Deserialize, Serialize};

/// The JSON Schema (draft 2020-12) of a type, for [`Descriptor::settings_schema`]: what
/// `lb-controller provider inspect` shows as a table.
///
/// It follows the attributes of serde: names, `deny_unknown_fields`, and defaults if the type is `Serialize`. A documentation
/// comment is a description. Derive [`JsonSchema`](crate::JsonSchema) with `#[schemars(crate = "lb_provider::schemars")]`:
///
/// ```
/// use lb_provider::{JsonSchema, Within, settings_schema};
/// use serde::{Deserialize, Serialize};
///
/// /// Settings of the provider.
/// #[derive(Debug, Deserialize, Serialize, JsonSchema)]
/// #[schemars(crate = "lb_provider::schemars")]
/// #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
/// struct Settings {
///     /// How many endpoints are tried for a request.
///     tries: Within<1, 100>,
/// }
///
/// impl Default for Settings {
///     fn default() -> Self {
///         Self { tries: Within::new(3) }
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
/// What refuses a value is the type's `Deserialize`; a range that stands in an attribute alone only tells people.
///
/// [`Descriptor::settings_schema`]: crate::Descriptor::settings_schema
pub fn settings_schema<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value().to_string()
}

/// A number from `MIN` to `MAX`; any other is an error that says so.
///
/// ```
/// use lb_provider::Within;
///
/// const TRIES: Within<1, 100> = Within::new(3);
/// assert_eq!(TRIES.get(), 3);
/// let error = serde_json::from_str::<Within<1, 100>>("0").unwrap_err();
/// assert!(error.to_string().contains("0 is not from 1 to 100"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct Within<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Within<MIN, MAX> {
    /// A default.
    ///
    /// # Panics
    /// If it is not within; at compile time in a constant.
    pub const fn new(number: u64) -> Self {
        assert!(MIN <= number && number <= MAX, "the default is not within the range");
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<u64> for Within<MIN, MAX> {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(format!("{number} is not from {MIN} to {MAX}"))
    }
}

impl<const MIN: u64, const MAX: u64> From<Within<MIN, MAX>> for u64 {
    fn from(number: Within<MIN, MAX>) -> Self {
        number.0
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Within<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("From{MIN}To{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}
