//! Names: DNS subdomains and labels, ports, qualified names; each check returns what is wrong.

use crate::kind::NameRule;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const STRICT_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                            alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or \
                            'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
                         '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used \
                         for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which \
                        must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric \
                        character (e.g. '*.example.com', regex used for validation is \
                        '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
                         with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                         validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                           '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
                           'my_value',  or '12345', regex used for validation is \
                           '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// What is wrong with the name of an object.
pub(crate) fn check_name(rule: NameRule, name: &str) -> Vec<String> {
    match rule {
        NameRule::Subdomain => subdomain(name),
        NameRule::Label => label(name),
        NameRule::StrictLabel => strict_label(name),
    }
}

fn too_long(value: &str, limit: usize) -> Option<String> {
    (value.len() > limit).then(|| format!("must be no more than {limit} characters"))
}

fn problems(too_long: Option<String>, fits: bool, rule: &str) -> Vec<String> {
    too_long.into_iter().chain((!fits).then(|| rule.to_owned())).collect()
}

/// Not empty, only `inner` characters, and alphanumeric at both ends.
fn is_word(text: &str, inner: impl Fn(u8) -> bool, edge: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    edge(*first) && edge(*last) && bytes.iter().all(|byte| inner(*byte))
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    is_word(text, |byte| is_lower(byte) || byte == b'-', is_lower)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

pub(super) fn label(name: &str) -> Vec<String> {
    problems(too_long(name, 63), is_label(name), LABEL)
}

pub(super) fn strict_label(name: &str) -> Vec<String> {
    let fits = is_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase());
    problems(too_long(name, 63), fits, STRICT_LABEL)
}

pub(super) fn subdomain(name: &str) -> Vec<String> {
    problems(too_long(name, 253), is_subdomain(name), SUBDOMAIN)
}

/// `*.example.com`
pub(super) fn wildcard(name: &str) -> Vec<String> {
    problems(too_long(name, 253), name.strip_prefix("*.").is_some_and(is_subdomain), WILDCARD)
}

/// `[prefix/]name`, as the keys of labels and annotations are.
pub(super) fn qualified(name: &str) -> Vec<String> {
    let (prefix, part) = match name.split_once('/') {
        None => (None, name),
        Some((prefix, part)) => (Some(prefix), part),
    };
    if part.contains('/') {
        return vec![format!(
            "a qualified name {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
            QUALIFIED.trim_start_matches("name part ")
        )];
    }
    let mut problems = Vec::new();
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => problems.extend(subdomain(prefix).into_iter().map(|problem| format!("prefix part {problem}"))),
        None => {}
    }
    if part.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    problems.extend(too_long(part, 63).map(|problem| format!("name part {problem}")));
    if !is_qualified_part(part) {
        problems.push(QUALIFIED.to_owned());
    }
    problems
}

fn is_qualified_part(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_alphanumeric();
    is_word(text, |byte| edge(byte) || b"-_.".contains(&byte), edge)
}

pub(super) fn label_value(value: &str) -> Vec<String> {
    problems(too_long(value, 63), value.is_empty() || is_qualified_part(value), LABEL_VALUE)
}

/// The name of a port, as Services and Ingress backends have it.
pub(super) fn port_name(name: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(name, 15).into_iter().collect();
    if !name.bytes().all(|byte| is_lower(byte) || byte == b'-') {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".to_owned());
    }
    if name.contains("--") {
        problems.push("must not contain consecutive hyphens".to_owned());
    }
    if name.starts_with('-') || name.ends_with('-') {
        problems.push("must not begin or end with a hyphen".to_owned());
    }
    problems
}

pub(super) fn port_number(port: i64) -> Vec<String> {
    if (1..=65_535).contains(&port) { Vec::new() } else { vec!["must be between 1 and 65535, inclusive".to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_rule() {
        for (rule, good, bad) in [
            (NameRule::Subdomain, &["a", "a.b-c", "1"][..], &["", "A", "a_b", "-a", "a.", "a..b"][..]),
            (NameRule::Label, &["a", "1-a"], &["a.b", "", "a-"]),
            (NameRule::StrictLabel, &["a", "a-1"], &["1a", "a.b"]),
        ] {
            for name in good {
                assert!(check_name(rule, name).is_empty(), "{name}");
            }
            for name in bad {
                assert_eq!(check_name(rule, name).len(), 1, "{name}");
            }
        }
        assert_eq!(check_name(NameRule::Label, &"a".repeat(64)), ["must be no more than 63 characters"]);
    }

    #[test]
    fn hosts_ports_and_labels() {
        assert!(wildcard("*.example.com").is_empty());
        assert!(!wildcard("*example.com").is_empty() && !wildcard("a.*.com").is_empty() && !wildcard("*").is_empty());
        assert!(port_name("http-1").is_empty());
        assert_eq!(port_name("123"), ["must contain at least one letter (a-z)"]);
        assert_eq!(port_name("-a--b").len(), 2);
        assert_eq!(port_number(0), ["must be between 1 and 65535, inclusive"]);
        assert!(qualified("example.com/My_Name").is_empty() && qualified("app").is_empty());
        assert!(!qualified("/x").is_empty() && !qualified("a/b/c").is_empty() && !qualified("x y").is_empty());
        assert!(label_value("").is_empty() && !label_value("a b").is_empty());
    }
}
