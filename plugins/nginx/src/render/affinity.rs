use std::fmt::Write;

use lb_provider::{CookieAffinity, CookieMode};

use crate::conf::{Conf, code, template};

const DEFAULT_COOKIE: &str = "lb-affinity";

/// What the balancer is told of a route's cookie; the error says why it cannot be kept.
pub(super) fn write(conf: &mut Conf, cookie: &CookieAffinity) -> Result<(), String> {
    let name = cookie.cookie.as_deref().unwrap_or(DEFAULT_COOKIE);
    check_name(name)?;
    let attributes = attributes(cookie)?;
    let options: Vec<_> =
        [("indirect", cookie.indirect), ("no-cache", cookie.no_cache), ("post-only", cookie.post_only)]
            .into_iter()
            .filter_map(|(option, is_set)| is_set.then_some(option))
            .collect();
    let options = options.join(" ");
    conf.directive("set", [code("$affinity_cookie"), template().text(name)]);
    conf.directive("set", [code("$affinity_attributes"), template().text(&attributes)]);
    conf.directive("set", [code("$affinity_options"), template().text(&options)]);
    Ok(())
}

fn attributes(cookie: &CookieAffinity) -> Result<String, String> {
    if cookie.mode != CookieMode::Insert {
        return Err(
            "the nginx provider adds a cookie of its own (mode `insert`); the modes `rewrite` and `prefix`, which \
                    change a cookie of the application, are not supported"
                .to_owned(),
        );
    }
    let path = cookie.path.as_deref().unwrap_or("/");
    if !path.starts_with('/') || path.chars().any(|character| character == ';' || !character.is_ascii_graphic()) {
        return Err(format!("`{}` cannot be the path of a cookie", path.escape_debug()));
    }
    let mut attributes = format!("; Path={path}");
    if let Some(domain) = &cookie.domain {
        let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if domain.is_empty() || !domain.bytes().all(is_domain) {
            return Err(format!("`{}` cannot be the domain of a cookie", domain.escape_debug()));
        }
        let _ = write!(attributes, "; Domain={domain}");
    }
    if let Some(seconds) = cookie.max_age {
        let _ = write!(attributes, "; Max-Age={seconds}");
    }
    if cookie.secure {
        attributes.push_str("; Secure");
    }
    attributes.push_str("; HttpOnly");
    Ok(attributes)
}

/// A token of RFC 9110.
fn check_name(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.len() <= 255 && name.bytes().all(is_token) {
        return Ok(());
    }
    Err(format!("`{}` cannot be the name of a cookie", name.escape_debug()))
}
