//! Which headers go out, and which come back.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::refusal::{Reason, Refusal};

/// Set by the host, or between two hops: nothing that a provider has a say in.
const RESERVED: [&str; 17] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-real-ip",
];

/// Tells of credentials.
const WITHHELD: [&str; 6] = [
    "authentication-info",
    "proxy-authenticate",
    "proxy-authentication-info",
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
];

const MAX_HEADERS: usize = 100;
const MAX_BYTES: usize = 64 << 10;

/// Whether only the host may set it.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    RESERVED.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

/// The headers that a provider wants, if it may set them. `own` is the one that carries the grant's credentials.
pub(crate) fn outgoing(headers: &[(String, Vec<u8>)], own: Option<&HeaderName>) -> Result<HeaderMap, Refusal> {
    let malformed = |message: String| Err(Refusal::new(Reason::Malformed, message));
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_BYTES {
        return malformed(format!("more than {MAX_HEADERS} headers, or than {MAX_BYTES} bytes of them"));
    }
    let mut checked = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return malformed(format!("`{}` is no name of a header", name.escape_debug()));
        };
        if is_reserved(&name) || own == Some(&name) {
            return Err(Refusal::new(Reason::Header, format!("the header `{name}` is set by the host alone")));
        }
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return malformed(format!("the header `{name}` has a value with control characters"));
        };
        checked.append(name, value);
    }
    Ok(checked)
}

/// What a provider sees of an answer's headers.
pub(crate) fn incoming(headers: &HeaderMap, own: Option<&HeaderName>) -> Vec<(String, Vec<u8>)> {
    let seen = headers.iter().filter(|(name, _)| !WITHHELD.contains(&name.as_str()) && own != Some(*name));
    seen.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{incoming, outgoing};
    use crate::http::refusal::Reason;

    fn refused(name: &str, value: &str) -> Option<Reason> {
        let own = HeaderName::from_static("x-api-key");
        let headers = [(name.to_owned(), value.as_bytes().to_vec())];
        outgoing(&headers, Some(&own)).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn what_the_host_sets_is_refused() {
        for name in [
            "Authorization",
            "HOST",
            "cookie",
            "Proxy-Authorization",
            "proxy-x",
            "Connection",
            "Content-Length",
            "Transfer-Encoding",
            "TE",
            "Upgrade",
            "X-Api-Key",
        ] {
            assert_eq!(refused(name, "x"), Some(Reason::Header), "{name}");
        }
        for (name, value) in [("a b", "x"), ("", "x"), ("x\n", "x"), ("x", "a\r\nhost: evil"), ("x", "a\0")] {
            assert_eq!(refused(name, value), Some(Reason::Malformed), "{name:?} {value:?}");
        }
        assert_eq!(refused("Content-Type", "application/json"), None);
        let many = vec![("x".to_owned(), Vec::new()); 101];
        assert!(outgoing(&many, None).is_err());
    }

    #[test]
    fn what_tells_of_credentials_is_withheld() {
        let mut headers = HeaderMap::new();
        for name in ["set-cookie", "www-authenticate", "authentication-info", "proxy-authenticate", "x-api-key", "etag"]
        {
            headers.append(name, HeaderValue::from_static("value"));
        }
        let seen = incoming(&headers, Some(&HeaderName::from_static("x-api-key")));
        assert_eq!(seen, [("etag".to_owned(), b"value".to_vec())]);
    }
}
