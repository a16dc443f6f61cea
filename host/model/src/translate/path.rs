//! Paths: which are taken, their canonical form, and their order.

use std::cmp::Reverse;

use crate::types::PathMatch;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    #[error("must be Exact, Prefix or ImplementationSpecific")]
    Type,
    #[error("must start with `/`")]
    NotAbsolute,
    #[error("holds a character that a URI path does not have (or a quote); percent-encode it")]
    Character,
    #[error("has a `%` that two hexadecimal digits do not follow")]
    Encoding,
    #[error("holds an encoded control character, `/` or `\\`, which proxies and applications read differently")]
    Encoded,
    #[error("has an empty element (`//`), which proxies and applications read differently")]
    EmptyElement,
    #[error("has an element `.` or `..`, which proxies and applications read differently")]
    DotElement,
}

/// Reads a path of an Ingress. Percent-encoded characters that need no encoding are decoded, hexadecimal digits become
/// upper case (RFC 3986, 6.2.2), and a prefix loses its trailing `/`, so that equal paths are equal text.
pub(super) fn parse(path: &str, path_type: &str) -> Result<PathMatch, PathError> {
    match path_type {
        "Exact" => canonical(path).map(PathMatch::Exact),
        "" | "ImplementationSpecific" if path.is_empty() => Ok(root()),
        "" | "ImplementationSpecific" | "Prefix" => canonical(path).map(prefix),
        _ => Err(PathError::Type),
    }
}

/// The prefix that every path has.
pub(super) fn root() -> PathMatch {
    PathMatch::Prefix(String::from("/"))
}

/// Sorts routes: Exact before Prefix, more elements first, then more bytes, then by bytes.
pub(super) fn order(path: &PathMatch) -> impl Ord + use<'_> {
    let (kind, text) = spelled(path);
    let elements = text.split('/').filter(|element| !element.is_empty()).count();
    (kind, Reverse(elements), Reverse(text.len()), text)
}

/// A path for messages: its type and its text.
pub(super) fn describe(path: &PathMatch) -> (&'static str, &str) {
    match spelled(path) {
        (0, text) => ("Exact", text),
        (1, text) => ("Prefix", text),
        (_, text) => ("Regex", text),
    }
}

fn spelled(path: &PathMatch) -> (u8, &str) {
    match path {
        PathMatch::Exact(text) => (0, text),
        PathMatch::Prefix(text) => (1, text),
        PathMatch::Regex(text) => (2, text),
    }
}

fn prefix(mut path: String) -> PathMatch {
    if path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    PathMatch::Prefix(path)
}

fn canonical(path: &str) -> Result<String, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    let mut text = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => push_decoded(&mut text, decode(bytes.next(), bytes.next()).ok_or(PathError::Encoding)?)?,
            b'/' => text.push('/'),
            _ if is_unreserved(byte) || b"!$&()*+,;=:@".contains(&byte) => text.push(char::from(byte)),
            _ => return Err(PathError::Character),
        }
    }
    if text.contains("//") {
        return Err(PathError::EmptyElement);
    }
    if text.split('/').any(|element| element == "." || element == "..") {
        return Err(PathError::DotElement);
    }
    Ok(text)
}

fn push_decoded(text: &mut String, byte: u8) -> Result<(), PathError> {
    if byte.is_ascii_control() || byte == b'/' || byte == b'\\' {
        return Err(PathError::Encoded);
    }
    if is_unreserved(byte) {
        text.push(char::from(byte));
    } else {
        text.push('%');
        text.push_str(&hex::encode_upper([byte]));
    }
    Ok(())
}

fn decode(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice([high?, low?], &mut byte).ok()?;
    Some(byte[0])
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_lose_their_trailing_slash_and_exact_paths_keep_it() {
        assert_eq!(parse("/foo/", "Prefix"), Ok(PathMatch::Prefix(String::from("/foo"))));
        assert_eq!(parse("/foo/", "Exact"), Ok(PathMatch::Exact(String::from("/foo/"))));
        assert_eq!(parse("/", "Prefix"), Ok(root()));
        assert_eq!(parse("", "ImplementationSpecific"), Ok(root()));
        assert_eq!(parse("/a", ""), Ok(PathMatch::Prefix(String::from("/a"))));
    }

    #[test]
    fn equal_paths_become_equal_text() {
        assert_eq!(parse("/%7euser/%41%2d", "Exact"), Ok(PathMatch::Exact(String::from("/~user/A-"))));
        assert_eq!(parse("/caf%c3%a9/%20%2C", "Exact"), Ok(PathMatch::Exact(String::from("/caf%C3%A9/%20%2C"))));
    }

    #[test]
    fn what_may_be_read_in_two_ways_is_refused() {
        use PathError::{Character, DotElement, EmptyElement, Encoded, Encoding, NotAbsolute};
        for (path, error) in [
            ("", NotAbsolute),
            ("foo", NotAbsolute),
            ("*", NotAbsolute),
            ("/a b", Character),
            ("/a\nb", Character),
            ("/\u{0}", Character),
            ("/\u{7f}", Character),
            ("/é", Character),
            ("/\"", Character),
            ("/'", Character),
            ("/`", Character),
            ("/{", Character),
            ("/}", Character),
            ("/\\", Character),
            ("/<", Character),
            ("/>", Character),
            ("/^", Character),
            ("/|", Character),
            ("/?a", Character),
            ("/#a", Character),
            ("/[a]", Character),
            ("/%", Encoding),
            ("/%4", Encoding),
            ("/%zz", Encoding),
            ("/%+1", Encoding),
            ("/%00", Encoded),
            ("/%0a", Encoded),
            ("/%7F", Encoded),
            ("/a%2fb", Encoded),
            ("/a%5Cb", Encoded),
            ("//", EmptyElement),
            ("/a//b", EmptyElement),
            ("/.", DotElement),
            ("/a/./b", DotElement),
            ("/a/..", DotElement),
            ("/../a", DotElement),
            ("/%2e%2E/a", DotElement),
        ] {
            assert_eq!(parse(path, "Exact"), Err(error), "{path:?}");
            assert_eq!(parse(path, "Prefix"), Err(error), "{path:?}");
        }
        assert_eq!(parse("/a", "Regex"), Err(PathError::Type));
        for path in ["/...", "/.a", "/a..b", "/a;b=c,d", "/@:$&()*+!", "/%27%22", "/%FF"] {
            assert_eq!(parse(path, "Exact"), Ok(PathMatch::Exact(path.to_owned())));
        }
    }

    #[test]
    fn exact_comes_first_then_the_longer_path() {
        let exact = |path: &str| PathMatch::Exact(path.to_owned());
        let prefix = |path: &str| PathMatch::Prefix(path.to_owned());
        let mut paths = [
            root(),
            prefix("/b"),
            prefix("/a"),
            prefix("/a/b"),
            prefix("/longest"),
            exact("/a"),
            exact("/a/b"),
            exact("/"),
        ];
        paths.sort_by(|left, right| order(left).cmp(&order(right)));
        let expected = [
            exact("/a/b"),
            exact("/a"),
            exact("/"),
            prefix("/a/b"),
            prefix("/longest"),
            prefix("/a"),
            prefix("/b"),
            root(),
        ];
        assert_eq!(paths, expected);
    }
}
