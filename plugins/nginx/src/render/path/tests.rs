use super::*;

fn normal(path: &str) -> Result<String, String> {
    normalise(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn paths_are_what_nginx_makes_of_them() {
    let cases = [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("//a///b//", "/a/b/"),
        ("/a/./b", "/a/b"),
        ("/a/.", "/a/"),
        ("/a/b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/%61%2f%2F%2e%2e/b", "/b"),
        ("/a%20b%7B", "/a b{"),
        ("/caf%C3%A9", "/café"),
        ("/...", "/..."),
        ("/a+b", "/a+b"),
    ];
    for (path, expected) in cases {
        assert_eq!(normal(path).as_deref(), Ok(expected), "{path}");
    }
    assert_eq!(normalise("/%ff"), Ok(vec![b'/', 0xff]));
}

#[test]
fn paths_that_no_request_has_are_errors() {
    for path in ["", "a", "/..", "/a/../..", "/%", "/%4", "/%zz", "/%00", "/%0a", "/a\nb", "/%7f"] {
        assert!(normal(path).is_err(), "{path:?}");
    }
}

#[test]
fn a_slash_at_the_end_means_nothing_to_a_prefix() {
    for (path, expected) in [("/", ""), ("/a", "/a"), ("/a/", "/a")] {
        assert_eq!(prefix(path.into()), expected.as_bytes());
    }
}
