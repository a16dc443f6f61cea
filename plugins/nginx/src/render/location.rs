//! From routes in match order to locations, of which nginx takes an exact one first and the longest prefix else.

use std::collections::{BTreeMap, BTreeSet};

use lb_provider::{PathMatch, Route};

use super::{path, route};
use crate::{
    conf::{Conf, code, literal},
    rejections::Rejections,
};

/// What nginx matches and what answers; `None` is 404.
#[derive(Default)]
struct Locations<'a> {
    exact: BTreeMap<Vec<u8>, Option<Matched<'a>>>,
    /// Without a slash at the end.
    prefixes: BTreeMap<Vec<u8>, Matched<'a>>,
}

#[derive(Clone, Copy)]
struct Matched<'a> {
    route: &'a Route,
    /// How much of the path the route's prefix is, in bytes.
    length: usize,
}

/// Writes the locations of a server.
pub(super) fn write(conf: &mut Conf, routes: &[&Route], rejections: &mut Rejections) {
    let locations = Locations::new(routes, rejections);
    for (path, matched) in &locations.exact {
        write_one(conf, true, path, *matched, rejections);
    }
    for (path, matched) in &locations.prefixes {
        let with_slash = [path.as_slice(), b"/"].concat();
        write_one(conf, false, &with_slash, Some(*matched), rejections);
    }
    if !locations.prefixes.contains_key(b"".as_slice()) {
        write_one(conf, false, b"/", None, rejections);
    }
}

fn write_one(conf: &mut Conf, exact: bool, path: &[u8], matched: Option<Matched<'_>>, rejections: &mut Rejections) {
    let mut location = conf.nested();
    if let Some(matched) = matched {
        route::write_source(&mut location, matched.route);
    }
    let modifier = exact.then(|| code("="));
    location.block("location", modifier.into_iter().chain([literal(path)]), |location| match matched {
        Some(matched) => route::write(location, matched.route, matched.length, rejections),
        None => {
            location.directive("return", [code("404"), code(r#""404 page not found\n""#)]);
        }
    });
    if let (Err(error), Some(matched)) = (conf.append(location), matched) {
        rejections.push(&matched.route.source, format!("a path cannot be served: {error}"));
    }
}

impl<'a> Locations<'a> {
    /// Routes that an earlier one hides are left out: with nginx's own order they would not be hidden.
    fn new(routes: &[&'a Route], rejections: &mut Rejections) -> Self {
        let mut locations = Self::default();
        let mut seen = BTreeSet::new();
        for &route in routes {
            let (is_exact, path) = match understand(route) {
                Ok(understood) => understood,
                Err(reason) => {
                    rejections
                        .push(&route.source, format!("the path {} cannot be served: {reason}", spell(&route.path)));
                    continue;
                }
            };
            if prefixes_of(&path).any(|prefix| seen.contains(prefix)) {
                continue;
            }
            let matched = Matched { route, length: path.len() };
            locations.exact.entry(path.clone()).or_insert(Some(matched));
            if !is_exact {
                seen.insert(path.clone());
                locations.prefixes.insert(path, matched);
            }
        }
        // The root has a slash: there is no request for the empty path.
        locations.exact.remove(b"".as_slice());
        locations.add_bare_paths();
        locations
    }

    /// Where only `/foo/` is proxied, nginx answers `/foo` with a redirect to it unless that has a location of its own.
    fn add_bare_paths(&mut self) {
        let with_slash = self.exact.keys().filter(|path| path.len() > 1);
        let bare: Vec<_> = with_slash.filter_map(|path| path.strip_suffix(b"/")).map(<[u8]>::to_vec).collect();
        for path in bare {
            let matched = prefixes_of(&path).filter_map(|prefix| self.prefixes.get(prefix)).last().copied();
            self.exact.entry(path).or_insert(matched);
        }
    }
}

/// Whether the path is matched as a whole, and as what.
fn understand(route: &Route) -> Result<(bool, Vec<u8>), String> {
    if route.method.is_some() || !route.headers.is_empty() || !route.query_parameters.is_empty() {
        return Err("nginx chooses routes by host and path only, not by method, header or query".to_owned());
    }
    match &route.path {
        PathMatch::Exact(path) => Ok((true, path::normalise(path)?)),
        PathMatch::Prefix(path) => Ok((false, path::prefix(path::normalise(path)?))),
        PathMatch::Regex(_) => Err("regular expressions are not supported".to_owned()),
    }
}

fn spell(path: &PathMatch) -> String {
    let (PathMatch::Exact(path) | PathMatch::Prefix(path) | PathMatch::Regex(path)) = path;
    format!("`{}`", path.escape_debug().take(200).collect::<String>())
}

/// Every prefix by element that matches a path, from the root to the path itself.
fn prefixes_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(end, _)| end);
    ends.chain([path.len()]).map(|end| &path[..end])
}
