//! Links are absolute and follow the request: whatever host it named, they name.

use crate::http::Request;

/// Where the links of one answer start.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    origin: String,
    prefix: String,
}

impl Links {
    /// Links for a request whose scope has this path prefix, such as `/v2-beta/projects/1a5`.
    pub(crate) fn new(request: &Request, public_url: Option<&str>, prefix: &str) -> Self {
        Self {
            origin: public_url.map_or_else(|| origin(request), |url| url.trim_end_matches('/').to_owned()),
            prefix: prefix.to_owned(),
        }
    }

    /// The absolute link of a path below the scope.
    pub(crate) fn to(&self, path: &str) -> String {
        format!("{}{}/{path}", self.origin, self.prefix)
    }

    /// The absolute link of a path and query from the root.
    pub(crate) fn absolute(&self, target: &str) -> String {
        format!("{}{target}", self.origin)
    }
}

fn origin(request: &Request) -> String {
    let scheme = request.header("X-Forwarded-Proto").unwrap_or("http");
    let host = request.header("X-Forwarded-Host").or_else(|| request.header("Host")).unwrap_or("localhost:8080");
    match request.header("X-Forwarded-Port") {
        Some(port) if !host.contains(':') && !matches!((scheme, port), ("http", "80") | ("https", "443")) => {
            format!("{scheme}://{host}:{port}")
        }
        _ => format!("{scheme}://{host}"),
    }
}
