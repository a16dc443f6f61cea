//! Paths as Caddy matches them: percent-decoded, with single slashes and without dot segments.

use lb_provider::PathMatch;
use percent_encoding::percent_decode_str;

use crate::text::Expression;

/// The expression for a path, none if it matches all; the error says why it cannot be matched.
pub(super) fn expression(path: &PathMatch) -> Result<Option<Expression>, String> {
    let refused = |path: &str, reason| format!("the path `{}` cannot be matched: {reason}", path.escape_debug());
    match path {
        PathMatch::Exact(path) => {
            normalise(path).map(|path| Some(Expression::exactly(&path))).map_err(|reason| refused(path, reason))
        }
        PathMatch::Prefix(path) => {
            let prefix = normalise(path).map_err(|reason| refused(path, reason))?;
            let prefix = prefix.trim_end_matches('/');
            Ok((!prefix.is_empty()).then(|| Expression::elements(prefix)))
        }
        PathMatch::Regex(path) => Err(refused(path, "the Caddy provider knows no regular expressions in paths")),
    }
}

/// Decodes and normalises a path the way Caddy does with a request's.
fn normalise(path: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| "it is not UTF-8 text")?;
    if decoded.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    let elements = decoded.strip_prefix('/').ok_or("it does not begin with `/`")?;
    let mut kept: Vec<&str> = Vec::new();
    for element in elements.split('/') {
        match element {
            "" | "." => {}
            ".." => _ = kept.pop().ok_or("it leads above the root")?,
            element => kept.push(element),
        }
    }
    let ends_with_slash = decoded.ends_with('/') && !kept.is_empty();
    Ok(format!("/{}{}", kept.join("/"), if ends_with_slash { "/" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_matched_as_caddy_sees_it() {
        let cases = [
            ("/", Ok("/")),
            ("//a//b/", Ok("/a/b/")),
            ("/a/./b/../c", Ok("/a/c")),
            ("/a%20b/caf%C3%A9%7Bx%7D", Ok("/a b/caf\u{e9}{x}")),
            ("/a%2Fb", Ok("/a/b")),
            ("/100%", Ok("/100%")),
            ("a", Err("it does not begin with `/`")),
            ("/..", Err("it leads above the root")),
            ("/a%0a", Err("it holds a control character")),
            ("/%FF", Err("it is not UTF-8 text")),
        ];
        for (path, expected) in cases {
            assert_eq!(normalise(path).as_deref(), expected.as_deref(), "{path}");
        }
    }

    #[test]
    fn the_prefix_of_everything_needs_no_expression() {
        for path in ["/", "//", "/."] {
            assert_eq!(expression(&PathMatch::Prefix(path.to_owned())), Ok(None));
        }
        let foo = expression(&PathMatch::Prefix("/foo/".to_owned()));
        assert_eq!(foo, Ok(Some(Expression::elements("/foo"))));
    }
}
