//! The annotation `io.rancher.stickiness.policy`: session affinity by cookie, in lines `key: value`.

use super::{host::Host, notice::quote};
use crate::types::{CookieAffinity, CookieMode};

const LONGEST_VALUE: usize = 253;

/// Reads the annotation. The error names the line, counted from 1.
pub(super) fn parse(text: &str) -> Result<CookieAffinity, String> {
    let mut affinity = CookieAffinity {
        name: None,
        cookie: None,
        domain: None,
        path: None,
        mode: CookieMode::Insert,
        indirect: false,
        no_cache: false,
        post_only: false,
        max_age: None,
        secure: false,
    };
    let mut seen = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        let (key, value) =
            line.split_once(':').ok_or_else(|| format!("line {number} is not of the form `key: value`"))?;
        let (key, value) = (key.trim(), value.trim());
        if seen.contains(&key) {
            return Err(format!("line {number} gives the key {} a second time", quote(key)));
        }
        seen.push(key);
        set(&mut affinity, key, value).map_err(|error| format!("line {number}: {error}"))?;
    }
    if affinity.cookie.is_none() && affinity.mode != CookieMode::Insert {
        return Err(String::from("the modes rewrite and prefix need the key `cookie`, the cookie of the application"));
    }
    Ok(affinity)
}

fn set(affinity: &mut CookieAffinity, key: &str, value: &str) -> Result<(), String> {
    let expected = |what: &str| Err(format!("the value {} of `{key}` must be {what}", quote(value)));
    let boolean = || match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => expected("true or false").map(|()| false),
    };
    match key {
        "name" | "cookie" | "domain" | "mode" | "indirect" | "nocache" | "postonly" => {}
        _ => {
            let known = "name, cookie, domain, mode, indirect, nocache, postonly";
            return Err(format!("unknown key {}; the keys are {known}", quote(key)));
        }
    }
    if value.is_empty() || value.len() > LONGEST_VALUE || value.chars().any(char::is_control) {
        return expected("1 to 253 bytes without control characters");
    }
    match key {
        "name" => affinity.name = Some(value.to_owned()),
        "cookie" if value.bytes().all(is_token) => affinity.cookie = Some(value.to_owned()),
        "cookie" => return expected("a cookie name (an RFC 6265 token)"),
        // A leading dot is how RFC 2109 wrote it, and is ignored by RFC 6265.
        "domain" => match Host::parse(value.strip_prefix('.').unwrap_or(value)) {
            Ok(host) if !host.is_wildcard() => affinity.domain = Some(host.to_string()),
            _ => return expected("a DNS name"),
        },
        "mode" => {
            affinity.mode = match value {
                "insert" => CookieMode::Insert,
                "rewrite" => CookieMode::Rewrite,
                "prefix" => CookieMode::Prefix,
                _ => return expected("insert, rewrite or prefix"),
            }
        }
        "indirect" => affinity.indirect = boolean()?,
        "nocache" => affinity.no_cache = boolean()?,
        _ => affinity.post_only = boolean()?,
    }
    Ok(())
}

/// `token` of RFC 9110, which a cookie's name is.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_read() {
        let text = "name: policy\ncookie: sessionid\r\n\n  domain: .Foo.com\nmode:prefix\nindirect: true\nnocache: true\npostonly: true";
        let expected = CookieAffinity {
            name: Some(String::from("policy")),
            cookie: Some(String::from("sessionid")),
            domain: Some(String::from("foo.com")),
            path: None,
            mode: CookieMode::Prefix,
            indirect: true,
            no_cache: true,
            post_only: true,
            max_age: None,
            secure: false,
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn an_error_names_the_line_and_what_is_expected() {
        for (text, part) in [
            ("mode: insert\nnonsense", "line 2 is not of the form `key: value`"),
            ("\n\ncolour: red", "line 3: unknown key \"colour\""),
            ("name: a\nname: b", "line 2 gives the key \"name\" a second time"),
            ("name:", "line 1: the value \"\" of `name` must be 1 to 253 bytes"),
            ("indirect: yes", "line 1: the value \"yes\" of `indirect` must be true or false"),
            ("mode: sticky", "insert, rewrite or prefix"),
            ("cookie: a;b", "RFC 6265"),
            ("cookie: a b", "RFC 6265"),
            ("domain: not a name", "a DNS name"),
            ("domain: *.foo.com", "a DNS name"),
            ("name: a\u{7}b", "\"a\\u{7}b\""),
            ("mode: rewrite", "need the key `cookie`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }
}
