use super::*;

const HOSTILE: [&str; 8] = [
    "{env.PATH}",
    "\\{env.PATH}",
    "a}b",
    "*",
    "\",\"@id\":\"admin",
    "$1(.*)|[^x]+\\E",
    "{http.request.uri}",
    "caf\u{e9}\u{1f980}\u{0}\n",
];

#[test]
fn no_text_is_more_than_letters_in_an_expression() {
    for text in HOSTILE {
        let Expression(written) = Expression::exactly(text);
        let inner = written.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).unwrap();
        // Only code points and plain characters are left.
        for part in inner.split("\\x{").skip(1) {
            let (digits, rest) = part.split_once('}').unwrap();
            assert!(u32::from_str_radix(digits, 16).is_ok(), "{written}");
            assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte)), "{written}");
        }
        assert!(written.is_ascii(), "{written}");
    }
    assert_eq!(Expression::elements("/a.b").0, "^/a\\x{2E}b(?:/|$)");
}

#[test]
fn no_text_is_a_placeholder_in_a_template() {
    assert_eq!(Template::text("{env.PATH}").0, "\\{env.PATH\\}");
    assert_eq!(Template::text("\\{a").0, "\\\\{a");
    assert_eq!(Template::text("a\\}b").0, "a\\}b", "without an opening brace nothing is replaced");
}

#[test]
fn names_that_caddy_would_read_otherwise_are_none() {
    for host in HOSTILE.into_iter().chain(["", "a..b", ".a", "a.", "A.com", "a b", "192.0.2.1/8", "[::1]"]) {
        assert!(HostName::of(&HostMatch::Exact(host.to_owned())).is_err(), "{host}");
        assert!(HostName::of(&HostMatch::Wildcard(host.to_owned())).is_err(), "{host}");
    }
    assert_eq!(HostName::of(&HostMatch::Wildcard("a.com".to_owned())), Ok(Some(HostName("*.a.com".to_owned()))));
    for name in HOSTILE.into_iter().chain(["", "X-*", "a b", "a:b"]) {
        assert!(HeaderName::of(name).is_err(), "{name}");
        assert!(Method::of(name).is_err(), "{name}");
        assert!(Block::of(name).is_err(), "{name}");
    }
    for block in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "{http.request.remote}/8"] {
        assert!(Block::of(block).is_err(), "{block}");
    }
    let written =
        [Block::of("10.1.2.3/8"), Block::of("fd00::1")].map(|block| serde_json::to_value(block.unwrap()).unwrap());
    assert_eq!(written, ["10.1.2.3/8", "fd00::1/128"]);
}
