//! Where a request may go: below the base, and nowhere else, however it is spelled.

use percent_encoding::percent_decode_str;
use url::Url;

use super::refusal::{Reason, Refusal};
use crate::{
    configuration::{HttpGrant, InvalidConfiguration},
    line::printable,
};

/// The longest target, in bytes.
const MAX_TARGET: usize = 16 << 10;

/// The base URL of a grant, and what of it is granted.
#[derive(Debug)]
pub(crate) struct Base {
    url: Url,
    /// Without `/` at its end.
    path: String,
    /// `None`: everything below the base.
    prefixes: Option<Vec<Elements>>,
}

impl Base {
    /// Reads the base URL and rewrites its path. `key` is the path of the grant in the configuration.
    pub(crate) fn read(key: &str, grant: &HttpGrant) -> Result<Self, InvalidConfiguration> {
        let invalid = |message: String| InvalidConfiguration::new(format!("{key}.base-url"), message);
        let text = grant.base_url.read().map_err(invalid)?;
        // The text itself is not shown: whoever writes a password into it shall not find it in a log.
        let mut url = Url::parse(text.trim()).map_err(|error| {
            invalid(format!("is no URL ({error}); write it as in https://rancher.example.com/v2-beta"))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(format!("has the scheme {}; must be http or https", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(format!("holds user information; move it to `{key}.credentials`")));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("must end with the path, without `?` and `#`".to_owned()));
        }
        let mut path = url.path().to_owned();
        for rewrite in &grant.base_url_rewrites {
            path = rewrite.pattern.replace(&path, rewrite.replace.as_str()).into_owned();
        }
        path.truncate(path.trim_end_matches('/').len());
        check(&path)
            .map_err(|refusal| invalid(format!("has a path that cannot be used after the rewrites: {refusal}")))?;
        url.set_path(&path);
        let prefixes = grant.paths.as_ref().map(|paths| {
            let elements = paths.iter().map(|path| Elements::of(path).expect("checked with the configuration"));
            elements.collect()
        });
        Ok(Self { url, path, prefixes })
    }

    /// The base itself.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The URL of a target, if it is granted.
    pub(crate) fn resolve(&self, target: &str) -> Result<Url, Refusal> {
        let below = self.below(target)?;
        let (path, _) = split(below);
        let elements = Elements::of(path).map_err(|reason| Refusal::new(Reason::Path, format!("the path {reason}")))?;
        if let Some(prefixes) = &self.prefixes
            && !prefixes.iter().any(|prefix| elements.starts_with(prefix))
        {
            return Err(Refusal::new(Reason::Path, "the path is not among those granted (`paths`)"));
        }
        self.join(below)
    }

    /// The URL of a path that the operator configured, whatever the provider may ask for.
    pub(crate) fn join(&self, below: &str) -> Result<Url, Refusal> {
        check(below)?;
        let (path, query) = split(below);
        let path = format!("{}{path}", self.path);
        let mut url = self.url.clone();
        url.set_path(&path);
        url.set_query(query);
        // What was checked is what is asked for.
        if url.path() != if path.is_empty() { "/" } else { &path } {
            return Err(Refusal::new(Reason::Path, "the path is not in its normal form"));
        }
        Ok(url)
    }

    /// Path and query below the base. An absolute URL is taken by these alone: a server behind a proxy knows its own
    /// scheme, host and port wrongly.
    fn below<'a>(&self, target: &'a str) -> Result<&'a str, Refusal> {
        if target.len() > MAX_TARGET {
            return Err(Refusal::new(Reason::Malformed, format!("the target is longer than {MAX_TARGET} bytes")));
        }
        let Some(rest) = after_scheme(target) else {
            if target.is_empty() || target.starts_with(['/', '?']) {
                return Ok(target);
            }
            return Err(Refusal::new(
                Reason::Path,
                "the target is neither a path that starts with `/` nor an http URL",
            ));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(Refusal::new(Reason::Path, "the URL holds user information"));
        }
        match path.strip_prefix(self.path.as_str()) {
            Some(below) if below.is_empty() || below.starts_with(['/', '?']) => Ok(below),
            _ => Err(Refusal::new(Reason::Path, "the URL does not lie below the base URL")),
        }
    }
}

/// The decoded elements of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elements(Vec<Vec<u8>>);

impl Elements {
    /// Splits a path. Fails with what could make a server see another path than is checked here.
    pub(crate) fn of(path: &str) -> Result<Self, String> {
        if path.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(relative) = path.strip_prefix('/') else { return Err("does not start with `/`".to_owned()) };
        if let Some(character) = path.chars().find(|character| !is_path_character(*character)) {
            return Err(format!("holds `{}`, which must be percent-encoded", character.escape_default()));
        }
        let mut elements: Vec<Vec<u8>> = Vec::new();
        let mut parts = relative.split('/').peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            if part.is_empty() {
                if is_last {
                    break;
                }
                return Err("holds `//`".to_owned());
            }
            elements.push(decode(part)?);
        }
        Ok(Self(elements))
    }

    fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }
}

/// Whether path and query are well-formed and stay below where they start.
pub(crate) fn check(target: &str) -> Result<(), Refusal> {
    let (path, query) = split(target);
    Elements::of(path).map_err(|reason| Refusal::new(Reason::Path, format!("the path {reason}")))?;
    let wrong = |character: &char| !character.is_ascii_graphic() || matches!(character, '#' | '\\' | '"' | '<' | '>');
    match query.unwrap_or_default().chars().find(wrong) {
        None => Ok(()),
        Some(character) => {
            let character = character.escape_default();
            Err(Refusal::new(Reason::Path, format!("the query holds `{character}`, which must be percent-encoded")))
        }
    }
}

/// What of a target may be shown: its path.
pub(crate) fn shown(target: &str) -> String {
    const SHOWN: usize = 200;
    let rest = match after_scheme(target) {
        Some(rest) => &rest[rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())..],
        None => target,
    };
    let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    printable(&path[..path.floor_char_boundary(SHOWN)])
}

fn split(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// RFC 3986: `pchar`, `/`, and `%` of an encoded byte.
fn is_path_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(character)
}

/// One element, decoded once; refused if it means something else to a server that decodes more often, or that cuts
/// parameters off (`..;x`).
fn decode(part: &str) -> Result<Vec<u8>, String> {
    let bytes = part.as_bytes();
    let is_encoded = |position: usize| {
        bytes.get(position + 1..position + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if (0..bytes.len()).any(|position| bytes[position] == b'%' && !is_encoded(position)) {
        return Err("holds a `%` without two hexadecimal digits".to_owned());
    }
    let once: Vec<u8> = percent_decode_str(part).collect();
    let mut decoded = bytes.to_vec();
    loop {
        let name = decoded.split(|byte| *byte == b';').next().unwrap_or_default();
        if name == b"." || name == b".." {
            return Err("holds `.` or `..`".to_owned());
        }
        if decoded.iter().any(|byte| matches!(byte, b'/' | b'\\') || byte.is_ascii_control()) {
            return Err("holds an encoded `/`, `\\` or control character".to_owned());
        }
        let next: Vec<u8> = percent_encoding::percent_decode(&decoded).collect();
        if next == decoded {
            return Ok(once);
        }
        decoded = next;
    }
}

#[cfg(test)]
mod tests;
