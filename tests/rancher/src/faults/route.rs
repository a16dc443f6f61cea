//! Which requests are meant.

use std::fmt;

use percent_encoding::percent_decode_str;

/// A method and a pattern of paths below the base, such as `POST` and `/loadbalancerservices`.
///
/// The pattern starts after `/v2-beta` and `/projects/<id>`, ignores case and a slash at the end, and knows two wildcards:
/// `*` stands for one element, `**` at the end for any number of elements. A query in the pattern has to be a part of
/// the request's: `/loadbalancerservices/*?action=remove`. A pattern without query matches whatever the query is.
#[derive(Clone, PartialEq, Eq)]
pub struct Route {
    method: Method,
    path: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Method {
    Any,
    Write,
    One(String),
}

impl Route {
    /// Requests with this method (`*`: any; `WRITE`: any but GET and HEAD) whose path fits the pattern.
    pub fn new(method: &str, path: &str) -> Self {
        let method = match method.to_ascii_uppercase().as_str() {
            "*" => Method::Any,
            "WRITE" => Method::Write,
            one => Method::One(one.to_owned()),
        };
        Self { method, path: path.to_owned() }
    }

    /// Every request.
    pub fn any() -> Self {
        Self::new("*", "/**")
    }

    /// Every request that may change something.
    pub fn writes() -> Self {
        Self::new("WRITE", "/**")
    }

    /// Whether a request with this method and target (path and query) is meant.
    pub fn matches(&self, method: &str, target: &str) -> bool {
        let method_fits = match &self.method {
            Method::Any => true,
            Method::Write => is_write(method),
            Method::One(one) => one.eq_ignore_ascii_case(method),
        };
        method_fits && self.fits(target)
    }

    fn fits(&self, target: &str) -> bool {
        let (pattern, wanted_query) = split(&self.path);
        let (path, query) = split(target);
        let path = below_base(path);
        let mut elements = path.iter();
        let mut pattern = pattern.split('/').filter(|element| !element.is_empty()).peekable();
        while let Some(wanted) = pattern.next() {
            if wanted == "**" && pattern.peek().is_none() {
                elements = [].iter();
                break;
            }
            let Some(element) = elements.next() else { return false };
            if wanted != "*" && !wanted.eq_ignore_ascii_case(element) {
                return false;
            }
        }
        elements.next().is_none() && has_pairs(query, wanted_query)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.method {
            Method::Any => "*",
            Method::Write => "WRITE",
            Method::One(one) => one,
        };
        write!(formatter, "{method} {}", self.path)
    }
}

/// Whether a method may change something.
pub(crate) fn is_write(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// The elements of a path after the version and the project, without escapes.
pub(crate) fn below_base(path: &str) -> Vec<String> {
    let mut elements: Vec<String> = path
        .split('/')
        .filter(|element| !element.is_empty())
        .map(|element| percent_decode_str(element).decode_utf8_lossy().into_owned())
        .collect();
    if elements.first().is_some_and(|first| matches!(first.to_ascii_lowercase().as_str(), "v1" | "v2-beta")) {
        elements.remove(0);
        let scoped = elements.first().is_some_and(|first| first.eq_ignore_ascii_case("projects"));
        if scoped && elements.len() > 2 {
            elements.drain(..2);
        }
    }
    elements
}

fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

fn has_pairs(query: &str, wanted: &str) -> bool {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    form_urlencoded::parse(wanted.as_bytes()).all(|pair| pairs.contains(&pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_and_the_case_do_not_matter() {
        let route = Route::new("GET", "/loadbalancerservices/*");
        for target in [
            "/v2-beta/loadBalancerServices/1s20",
            "/v2-beta/projects/1a5/loadbalancerservices/1s20/",
            "/v2-beta/projects/1a5/loadbalancerservices/1s20?include=stack",
        ] {
            assert!(route.matches("GET", target), "{target}");
            assert!(!route.matches("PUT", target), "{target}");
        }
        for target in
            ["/v2-beta/loadbalancerservices", "/v2-beta/stacks/1st7", "/v2-beta/loadbalancerservices/1s20/stack"]
        {
            assert!(!route.matches("GET", target), "{target}");
        }
    }

    #[test]
    fn a_query_in_the_pattern_has_to_be_there() {
        let route = Route::new("POST", "/loadbalancerservices/*?action=remove");
        assert!(route.matches("POST", "/v2-beta/loadbalancerservices/1s20/?action=remove"));
        assert!(!route.matches("POST", "/v2-beta/loadbalancerservices/1s20/?action=upgrade"));
        assert!(!route.matches("POST", "/v2-beta/loadbalancerservices/1s20"));
    }

    #[test]
    fn double_stars_take_the_rest() {
        assert!(Route::any().matches("GET", "/v2-beta"));
        assert!(Route::any().matches("DELETE", "/v2-beta/projects/1a5/stacks/1st7"));
        assert!(Route::new("*", "/stacks/**").matches("GET", "/v2-beta/stacks"));
        assert!(!Route::new("*", "/stacks/**").matches("GET", "/v2-beta/hosts"));
        assert!(Route::writes().matches("PUT", "/v2-beta/x") && !Route::writes().matches("GET", "/v2-beta/x"));
    }

    #[test]
    fn the_project_itself_is_below_the_base() {
        assert!(Route::new("GET", "/projects/*").matches("GET", "/v2-beta/projects/1a5"));
    }
}
