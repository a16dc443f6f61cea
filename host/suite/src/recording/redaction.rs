use base64::{Engine as _, prelude::BASE64_STANDARD};
use lb_sandbox::{
    ProviderConfiguration,
    configuration::{Credentials, ValueFrom},
};
use regex::bytes::Regex;
use zeroize::Zeroizing;

use crate::Error;

/// In the place of a private key.
const KEY: &[u8] = b"<private key>";
/// In the place of a credential.
const SECRET: &[u8] = b"<credential>";

/// Blots out what nobody else may read. What is short enough to stand in any text by chance is no secret.
pub(crate) struct Redaction {
    keys: Regex,
    secrets: Vec<Zeroizing<Vec<u8>>>,
}

const SHORTEST: usize = 6;

impl Redaction {
    /// Of the credentials that a configuration holds, and of private keys.
    pub(crate) fn new(configuration: &ProviderConfiguration) -> Result<Self, Error> {
        let mut redaction = Self::of_keys();
        for (name, grant) in &configuration.grants.http {
            let read =
                |value: &ValueFrom| value.read().map_err(|reason| Error::Credentials { grant: name.clone(), reason });
            match &grant.credentials {
                None => {}
                Some(Credentials::Basic(basic)) => {
                    let (username, password) = (read(&basic.username)?, read(&basic.password)?);
                    let pair = Zeroizing::new(format!("{}:{}", *username, *password));
                    redaction.add(BASE64_STANDARD.encode(pair.as_bytes()).as_bytes());
                    redaction.add(password.as_bytes());
                }
                Some(Credentials::Bearer(token)) => redaction.add(read(token)?.as_bytes()),
                Some(Credentials::Header(header)) => redaction.add(read(&header.value)?.as_bytes()),
            }
        }
        Ok(redaction)
    }

    /// Of private keys alone.
    pub(crate) fn of_keys() -> Self {
        // The lines may be broken by what JSON has for a line break.
        let keys =
            Regex::new(r"(?s-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?-----END [A-Z0-9 ]*PRIVATE KEY-----(\\n|\n)?")
                .expect("it is a regular expression");
        Self { keys, secrets: Vec::new() }
    }

    fn add(&mut self, secret: &[u8]) {
        if secret.len() >= SHORTEST {
            self.secrets.push(Zeroizing::new(secret.to_vec()));
        }
    }

    /// Without secrets.
    pub(crate) fn applied(&self, content: &[u8]) -> Vec<u8> {
        let mut content = self.keys.replace_all(content, KEY).into_owned();
        for secret in &self.secrets {
            while let Some(place) = content.windows(secret.len()).position(|window| window == secret.as_slice()) {
                content.splice(place..place + secret.len(), SECRET.iter().copied());
            }
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Redaction;

    #[test]
    fn keys_and_credentials_are_blotted_out() {
        let configuration = json!({ "grants": { "http": { "api": {
            "base-url": "http://api.test",
            "credentials": { "basic": { "username": "somebody", "password": "hunter22" } },
        } } } });
        let redaction = Redaction::new(&serde_json::from_value(configuration).unwrap()).unwrap();
        let key = "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEE\\n-----END EC PRIVATE KEY-----\\n";
        let text = format!(r#"{{"key":"{key}","password":"hunter22","basic":"c29tZWJvZHk6aHVudGVyMjI="}}"#);
        let redacted = String::from_utf8(redaction.applied(text.as_bytes())).unwrap();
        assert_eq!(redacted, r#"{"key":"<private key>","password":"<credential>","basic":"<credential>"}"#);
        let certificate = b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n\xff";
        assert_eq!(redaction.applied(certificate), certificate);
    }
}
