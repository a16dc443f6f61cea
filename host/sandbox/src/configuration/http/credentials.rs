use serde::Deserialize;

use super::ValueFrom;

/// What proves to an API who asks. Never shown: not in logs, errors, `Debug`, nor to the provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Kinds")]
pub enum Credentials {
    /// `Authorization: Basic`.
    Basic(Basic),
    /// `Authorization: Bearer` with this token.
    Bearer(ValueFrom),
    /// A header of another name.
    Header(Header),
}

/// Where one configuration is laid over another, there may be more than one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Kinds {
    basic: Option<Basic>,
    bearer: Option<ValueFrom>,
    header: Option<Header>,
}

impl TryFrom<Kinds> for Credentials {
    type Error = &'static str;

    fn try_from(kinds: Kinds) -> Result<Self, Self::Error> {
        match kinds {
            Kinds { basic: Some(basic), bearer: None, header: None } => Ok(Self::Basic(basic)),
            Kinds { basic: None, bearer: Some(token), header: None } => Ok(Self::Bearer(token)),
            Kinds { basic: None, bearer: None, header: Some(header) } => Ok(Self::Header(header)),
            Kinds { .. } => {
                Err("credentials must have one of `basic`, `bearer` and `header`; take the others away with null")
            }
        }
    }
}

/// A user and a password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Basic {
    /// Who asks; without `:`.
    pub username: ValueFrom,
    /// What only that user knows.
    pub password: ValueFrom,
}

/// A header that proves who asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Header {
    /// Its name, for example `X-Api-Key`.
    pub name: String,
    /// All of its value.
    pub value: ValueFrom,
}
