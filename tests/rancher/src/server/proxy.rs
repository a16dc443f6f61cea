//! What stands between the clients and the server.

use crate::Request;

/// What stands between the clients and the server. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// The host that the server is told, so that links name it and not the one that clients reach.
    pub link_host: Option<String>,
    /// Whether TLS ends at the proxy and nobody tells the server: links are `http`.
    pub http_links: bool,
    /// Whether the path of each request reaches the server in lower case.
    pub lower_case: bool,
}

impl Proxy {
    /// The request as the server sees it; `tls`: the client came by HTTPS.
    pub(super) fn forward(&self, request: &Request, tls: bool) -> Request {
        let mut request = request.clone();
        if self.lower_case {
            let path = request.path().len();
            request.target[..path].make_ascii_lowercase();
        }
        if let Some(host) = &self.link_host {
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Host"));
            request.headers.push(("Host".to_owned(), host.clone()));
        }
        if tls && !self.http_links && request.header("X-Forwarded-Proto").is_none() {
            request.headers.push(("X-Forwarded-Proto".to_owned(), "https".to_owned()));
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request::new("GET", "/v2-beta/loadBalancerServices?name=Web").with_header("host", "h:8080")
    }

    #[test]
    fn without_a_proxy_a_request_arrives_as_it_was_sent() {
        assert_eq!(Proxy::default().forward(&request(), false), request());
    }

    #[test]
    fn only_the_path_is_lowered() {
        let proxy = Proxy { lower_case: true, ..Proxy::default() };
        assert_eq!(proxy.forward(&request(), false).target, "/v2-beta/loadbalancerservices?name=Web");
    }

    #[test]
    fn another_host_takes_the_place_of_the_real_one() {
        let proxy = Proxy { link_host: Some("other".to_owned()), ..Proxy::default() };
        assert_eq!(proxy.forward(&request(), false).headers, [("Host".to_owned(), "other".to_owned())]);
    }

    #[test]
    fn the_server_hears_of_tls_unless_the_proxy_keeps_it() {
        let told = |proxy: Proxy| proxy.forward(&request(), true).header("x-forwarded-proto").map(str::to_owned);
        assert_eq!(told(Proxy::default()).as_deref(), Some("https"));
        assert_eq!(told(Proxy { http_links: true, ..Proxy::default() }), None);
    }
}
