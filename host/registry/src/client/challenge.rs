use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::Url;

/// How a registry wants to be told who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// With a token that another server gives out.
    Bearer(TokenServer),
}

/// Where a token is to be had, and for what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenServer {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

impl Challenge {
    /// The first challenge that is understood.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        values.find_map(Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest)?;
        Some(Self::Bearer(TokenServer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        }))
    }
}

impl TokenServer {
    /// What to ask for. The registry at `base` chooses the server, so it must not lead the password out of TLS. `scope`
    /// is what we shall do in all; what the registry wants for one request may be less.
    pub(super) fn url(&self, base: &Url, scope: &str) -> Result<Url, String> {
        let realm = &self.realm;
        let mut url: Url = realm.parse().map_err(|_| format!("with a token server {realm:?} that is no URL"))?;
        let secure = url.scheme() == "https" || (url.scheme() == "http" && base.scheme() == "http");
        if !secure {
            return Err(format!("with a token server {realm:?} that is not reached by TLS, and is told nothing"));
        }
        let mut query = url.query_pairs_mut();
        if let Some(service) = &self.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", scope);
        if let Some(wanted) = self.scope.as_deref().filter(|wanted| !scope.starts_with(wanted)) {
            query.append_pair("scope", wanted);
        }
        drop(query);
        Ok(url)
    }
}

/// `name="value", name=value, ...` (RFC 9110, section 11.2); none if it is not.
fn parameters(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(parameters);
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = if let Some(quoted) = after.trim_start().strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = after.find(',').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        parameters.insert(name.trim().to_ascii_lowercase(), value);
        rest = after;
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Challenge, TokenServer};

    fn server(realm: &str, service: Option<&str>, scope: Option<&str>) -> TokenServer {
        let [service, scope] = [service, scope].map(|text| text.map(str::to_owned));
        TokenServer { realm: realm.to_owned(), service, scope }
    }

    fn url(registry: &str, server: &TokenServer) -> Result<String, String> {
        server.url(&registry.parse::<Url>().unwrap(), "repository:a:pull").map(|url| url.to_string())
    }

    #[test]
    fn a_token_is_asked_for_by_what_the_registry_says() {
        let says = server("https://t.example/token?x=y", Some("r"), Some("repository:b:pull,push"));
        let expected =
            "https://t.example/token?x=y&service=r&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull%2Cpush";
        assert_eq!(url("https://r.example", &says).unwrap(), expected);
        for scope in [None, Some("repository:a:pull")] {
            let server = server("https://t.example/token", None, scope);
            assert_eq!(
                url("https://r.example", &server).unwrap(),
                "https://t.example/token?scope=repository%3Aa%3Apull"
            );
        }
    }

    #[test]
    fn a_registry_does_not_lead_the_password_out_of_tls() {
        let plain = server("http://t.example/token", None, None);
        assert!(url("https://r.example", &plain).unwrap_err().contains("not reached by TLS"));
        assert!(url("http://127.0.0.1:5000", &plain).is_ok());
        for realm in ["file:///etc/passwd", "ftp://t.example", "token", ""] {
            assert!(url("http://127.0.0.1:5000", &server(realm, None, None)).is_err(), "{realm}");
        }
    }

    #[test]
    fn challenges_are_read() {
        assert_eq!(Challenge::parse("Basic realm=\"basic-realm\""), Some(Challenge::Basic));
        assert_eq!(
            Challenge::parse(r#"Bearer realm="https://t.example/token",service="r",scope="repository:a/b:pull,push""#),
            Some(Challenge::Bearer(server("https://t.example/token", Some("r"), Some("repository:a/b:pull,push"))))
        );
        assert_eq!(
            Challenge::parse(r#"bearer service=r , Realm="a\"b""#),
            Some(Challenge::Bearer(server("a\"b", Some("r"), None)))
        );
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for text in ["", "Negotiate", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"x", "Bearer realm"] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
