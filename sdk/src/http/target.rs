use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path with query from its parts, each of them encoded: what stands in a part stays in that part. The elements `.` and
/// `..` mean what they mean in every URL; no grant allows them.
///
/// ```
/// use lb_provider::http::target;
///
/// assert_eq!(target(&["pools", "blue/green"], &[]), "/pools/blue%2Fgreen");
/// assert_eq!(target(&["pools"], &[("name", "a&b c"), ("limit", "10")]), "/pools?name=a%26b%20c&limit=10");
/// ```
pub fn target(path: &[&str], query: &[(&str, &str)]) -> String {
    let mut target = String::from(if path.is_empty() { "/" } else { "" });
    for element in path {
        target.push('/');
        target.extend(utf8_percent_encode(element, RESERVED));
    }
    for (index, (name, value)) in query.iter().enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.extend(utf8_percent_encode(name, RESERVED));
        target.push('=');
        target.extend(utf8_percent_encode(value, RESERVED));
    }
    target
}
