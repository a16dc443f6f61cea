//! From HTTP to a websocket.

use hyper::header::{CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::Request;

/// Whether a request asks for a websocket.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    let is = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    headers.get_all(UPGRADE).iter().any(is)
}

/// The answer that grants it; `None` when the request lacks what a handshake needs.
pub(crate) fn accept(request: &Request) -> Option<hyper::Response<()>> {
    let key = request.header("Sec-WebSocket-Key")?;
    request.header("Sec-WebSocket-Version").filter(|version| version.trim() == "13")?;
    let mut response = hyper::Response::new(());
    *response.status_mut() = hyper::StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok()?;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Some(response)
}

/// Whether one of the `eventNames` covers `resource.change`.
pub(crate) fn wants_changes(request: &Request) -> bool {
    form_urlencoded::parse(request.query().as_bytes()).filter(|(name, _)| name == "eventNames").any(|(_, pattern)| {
        let pattern = pattern.split(';').next().unwrap_or_default();
        match pattern.split_once('*') {
            Some((start, _)) => "resource.change".starts_with(start),
            None => pattern == "resource.change",
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_cover_changes() {
        let wants = |query: &str| wants_changes(&Request::new("GET", &format!("/v2-beta/subscribe?{query}")));
        assert!(wants("eventNames=resource.change"));
        assert!(wants("eventNames=other&eventNames=resource.*"));
        assert!(wants("eventNames=resource.change;account=1a5"));
        assert!(!wants("eventNames=resource.created") && !wants("") && !wants("x=resource.change"));
    }

    #[test]
    fn a_handshake_needs_its_key_and_version() {
        let plain = Request::new("GET", "/v2-beta/subscribe").with_header("Upgrade", "websocket");
        assert!(accept(&plain).is_none());
        let keyed = plain.with_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert!(accept(&keyed).is_none());
        let response = accept(&keyed.with_header("Sec-WebSocket-Version", "13")).unwrap();
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
