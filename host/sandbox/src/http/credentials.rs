use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use zeroize::Zeroizing;

use crate::configuration::{Basic, Credentials, Header, InvalidConfiguration, ValueFrom};

/// The header that proves to the API who asks. Environment variables are read once, files for every use, so that a
/// rotated secret is used at once.
pub(crate) struct Authentication {
    header: HeaderName,
    scheme: Scheme,
}

enum Scheme {
    Basic(Basic),
    Bearer(ValueFrom),
    Plain(ValueFrom),
}

impl Authentication {
    /// Checks that everything is there. `key` is the path of `credentials` in the configuration.
    pub(crate) fn read(key: &str, credentials: &Credentials) -> Result<Self, InvalidConfiguration> {
        let pinned = |field: &str, value: &ValueFrom| {
            value.pinned().map_err(|message| InvalidConfiguration::new(format!("{key}.{field}"), message))
        };
        let (header, scheme) = match credentials {
            Credentials::Basic(Basic { username, password }) => {
                let basic = Basic {
                    username: pinned("basic.username", username)?,
                    password: pinned("basic.password", password)?,
                };
                (AUTHORIZATION, Scheme::Basic(basic))
            }
            Credentials::Bearer(token) => (AUTHORIZATION, Scheme::Bearer(pinned("bearer", token)?)),
            Credentials::Header(Header { name, value }) => {
                let wrong = |message: String| InvalidConfiguration::new(format!("{key}.header.name"), message);
                let header = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| wrong(format!("`{}` is no name of a header", name.escape_debug())))?;
                if header != AUTHORIZATION && super::headers::is_reserved(&header) {
                    return Err(wrong(format!("`{header}` is set by the host itself")));
                }
                (header, Scheme::Plain(pinned("header.value", value)?))
            }
        };
        let authentication = Self { header, scheme };
        authentication.value().map_err(|message| InvalidConfiguration::new(key, message))?;
        Ok(authentication)
    }

    /// Which header it is.
    pub(crate) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Its value as it is now. The error never holds what was read.
    pub(crate) fn value(&self) -> Result<HeaderValue, String> {
        let text = match &self.scheme {
            Scheme::Basic(Basic { username, password }) => {
                let (username, password) = (username.read()?, password.read()?);
                if username.contains(':') {
                    return Err("the user name must not hold `:`".to_owned());
                }
                let pair = Zeroizing::new(format!("{}:{}", *username, *password));
                Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(pair.as_bytes()))))
            }
            Scheme::Bearer(token) => Zeroizing::new(format!("Bearer {}", *token.read()?)),
            Scheme::Plain(value) => value.read()?,
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| "the credentials hold a character that no header may".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authentication").field("header", &self.header).finish_non_exhaustive()
    }
}
