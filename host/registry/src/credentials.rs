//! Who asks a registry: the `auths` of a docker `config.json`.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::header::HeaderValue;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::Error;

/// A user of one registry.
pub(crate) struct Credential {
    user: String,
    password: Zeroizing<String>,
    /// The file, for messages.
    from: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("user", &self.user).field("from", &self.from).finish_non_exhaustive()
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "as {:?} of {}", self.user, self.from)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Login {
    #[serde(default, deserialize_with = "secret")]
    auth: Option<Zeroizing<String>>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<Zeroizing<String>>,
    #[serde(default, deserialize_with = "secret")]
    identitytoken: Option<Zeroizing<String>>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(Zeroizing::new))
}

impl Credential {
    /// The credential that a file holds for a registry; none if the file does not know the registry.
    pub(crate) fn find(path: &Path, registry: &str) -> Result<Option<Self>, Error> {
        let wrong = |reason: String| Error::Configuration { path: path.to_owned(), reason };
        let text = fs::read(path).map(Zeroizing::new);
        let text = text.map_err(|error| wrong(format!("the file of registry credentials cannot be read: {error}")))?;
        // The error's own text may quote a credential.
        let config: DockerConfig = serde_json::from_slice(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            wrong(format!("it is no docker config.json: line {line}, column {column} is not as it should be"))
        })?;
        let DockerConfig { auths, creds_store, mut cred_helpers } = config;
        let helper = cred_helpers.remove(registry).or(creds_store);
        let login = auths.into_iter().find(|(key, _)| is_key_of(key, registry)).map(|(_, login)| login);
        match login.map(|login| login.read(path)).transpose() {
            Ok(Some(Some(credential))) => Ok(Some(credential)),
            Ok(_) => match helper {
                Some(helper) => Err(wrong(format!(
                    "the credential for {registry} is kept by the helper {helper:?}, which is not run. Log in where no \
                     helper is set, or write `auth` for {registry} into `auths`"
                ))),
                None => Ok(None),
            },
            Err(reason) => Err(wrong(format!("`auths` for {registry}: {reason}"))),
        }
    }

    /// The value of `Authorization` for a registry or a token server that asks for user and password.
    pub(crate) fn basic(&self) -> HeaderValue {
        let plain = Zeroizing::new(format!("{}:{}", self.user, *self.password));
        let encoded = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(plain.as_bytes())));
        let mut value = HeaderValue::from_str(&encoded).expect("base64 may stand in a header");
        value.set_sensitive(true);
        value
    }
}

impl Login {
    /// An entry without any content is what `docker login` leaves where a helper keeps the credential.
    fn read(self, path: &Path) -> Result<Option<Credential>, &'static str> {
        let from = path.display().to_string();
        if self.identitytoken.is_some_and(|token| !token.is_empty()) {
            return Err("an identity token is not supported; log in with a user name and an access token");
        }
        if let Some(auth) = self.auth.filter(|auth| !auth.is_empty()) {
            let wrong = "`auth` is not the base64 of user:password";
            let plain = Zeroizing::new(BASE64_STANDARD.decode(auth.trim()).map_err(|_| wrong)?);
            let plain = std::str::from_utf8(&plain).map_err(|_| wrong)?;
            let (user, password) = plain.split_once(':').ok_or(wrong)?;
            // `docker login` pads with zeroes.
            let password = Zeroizing::new(password.trim_end_matches('\0').to_owned());
            return Ok(Some(Credential { user: user.to_owned(), password, from }));
        }
        match (self.username, self.password) {
            (Some(user), Some(password)) if user.contains(':') => {
                drop(password);
                Err("`username` has a colon in it")
            }
            (Some(user), Some(password)) => Ok(Some(Credential { user, password, from })),
            (None, None) => Ok(None),
            _ => Err("`username` and `password` go together"),
        }
    }
}

/// Keys are host names; older ones are URLs, as `https://index.docker.io/v1/`.
fn is_key_of(key: &str, registry: &str) -> bool {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    if !matches!(path.trim_end_matches('/'), "" | "v1" | "v2") {
        return false;
    }
    let hub = matches!(host, "index.docker.io" | "registry-1.docker.io");
    host.eq_ignore_ascii_case(registry) || (hub && registry == "docker.io")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::{Engine as _, prelude::BASE64_STANDARD};

    use super::Credential;

    fn find(text: &str, registry: &str) -> Result<Option<Credential>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Credential::find(file.path(), registry).map_err(|error| error.to_string())
    }

    fn user(text: &str, registry: &str) -> Option<(String, String)> {
        let credential = find(text, registry).unwrap()?;
        Some((credential.user.clone(), credential.password.as_str().to_owned()))
    }

    #[test]
    fn a_registry_is_found_by_name_with_port() {
        let auth = BASE64_STANDARD.encode("robot:a:b");
        let text = format!(
            r#"{{"auths": {{"registry.example": {{"auth": "{auth}"}}, "r:5000": {{"username": "u", "password": "p"}}}}}}"#
        );
        assert_eq!(user(&text, "registry.example"), Some(("robot".to_owned(), "a:b".to_owned())));
        assert_eq!(user(&text, "r:5000"), Some(("u".to_owned(), "p".to_owned())));
        assert_eq!(user(&text, "r"), None);
        assert_eq!(user(&text, "evil-registry.example"), None);
        assert_eq!(user("{}", "registry.example"), None);
    }

    #[test]
    fn docker_hub_is_found_by_its_old_key() {
        let auth = BASE64_STANDARD.encode("me:secret\0\0");
        let text = format!(r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}}}}}}"#);
        assert_eq!(user(&text, "docker.io"), Some(("me".to_owned(), "secret".to_owned())));
        assert_eq!(user(&text, "registry.example"), None);
    }

    #[test]
    fn a_key_with_a_path_is_for_less_than_the_registry() {
        let text = r#"{"auths": {"registry.example/team": {"username": "u", "password": "p"}}}"#;
        assert_eq!(user(text, "registry.example"), None);
    }

    #[test]
    fn what_cannot_be_used_is_told_without_what_is_secret() {
        for (text, expected) in [
            (r#"{"auths": {"r": {"auth": "hunter2"}}}"#, "base64"),
            (r#"{"auths": {"r": {"password": "hunter2"}}}"#, "go together"),
            (r#"{"auths": {"r": {"username": "a:b", "password": "hunter2"}}}"#, "colon"),
            (r#"{"auths": {"r": {"identitytoken": "hunter2"}}}"#, "identity token"),
            (r#"{"auths": {"r": {}}, "credsStore": "desktop"}"#, "\"desktop\""),
            (r#"{"credHelpers": {"r": "ecr-login"}}"#, "\"ecr-login\""),
            (r#"{"auths": {"r": "hunter2"}}"#, "line 1"),
            ("auths: hunter2", "no docker config.json"),
        ] {
            let error = find(text, "r").unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let text = r#"{"auths": {"r": {"username": "robot", "password": "hunter2"}}}"#;
        let credential = find(text, "r").unwrap().unwrap();
        let shown = format!("{credential} {credential:?} {:?}", credential.basic());
        assert!(shown.contains("robot") && !shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&BASE64_STANDARD.encode("robot:hunter2")), "{shown}");
    }
}
