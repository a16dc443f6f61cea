use serde_json::{Value, json};

use super::{Base, shown};
use crate::{configuration::HttpGrant, http::refusal::Reason};

fn base(grant: Value) -> Result<Base, String> {
    let grant: HttpGrant = serde_json::from_value(grant).unwrap();
    grant.validate("grants.http.api", "api").map_err(|error| error.to_string())?;
    Base::read("grants.http.api", &grant).map_err(|error| error.to_string())
}

fn resolved(base: &Base, target: &str) -> String {
    base.resolve(target).map_or_else(|refusal| format!("{}: {refusal}", refusal.reason), String::from)
}

#[test]
fn a_path_is_below_the_base() {
    let base = base(json!({ "base-url": "https://api.example.com:8443/v2-beta/" })).unwrap();
    for (target, url) in [
        ("/stacks", "https://api.example.com:8443/v2-beta/stacks"),
        ("/stacks/?name=a%20b&x=/../y", "https://api.example.com:8443/v2-beta/stacks/?name=a%20b&x=/../y"),
        ("", "https://api.example.com:8443/v2-beta"),
        ("/", "https://api.example.com:8443/v2-beta/"),
        ("?limit=3", "https://api.example.com:8443/v2-beta?limit=3"),
        ("/a%20b;v=1/c:d@e", "https://api.example.com:8443/v2-beta/a%20b;v=1/c:d@e"),
    ] {
        assert_eq!(resolved(&base, target), url, "{target}");
    }
}

#[test]
fn an_absolute_url_is_rebased_by_its_path() {
    let base = base(json!({ "base-url": "https://api.example.com/v2-beta" })).unwrap();
    for (target, url) in [
        ("https://api.example.com/v2-beta/stacks/1s1", "https://api.example.com/v2-beta/stacks/1s1"),
        ("http://10.0.0.1:8080/v2-beta/stacks?a=b", "https://api.example.com/v2-beta/stacks?a=b"),
        ("HTTP://api.example.com/v2-beta", "https://api.example.com/v2-beta"),
        ("http://api.example.com/v2-beta?limit=1", "https://api.example.com/v2-beta?limit=1"),
    ] {
        assert_eq!(resolved(&base, target), url, "{target}");
    }
    for target in [
        "https://api.example.com/v2-betas/stacks",
        "https://api.example.com/V2-beta/stacks",
        "https://api.example.com/v1/stacks",
        "https://api.example.com/",
        "https://api.example.com",
        "https://user:secret@api.example.com/v2-beta/stacks",
        "https://api.example.com\\@evil/v2-beta/stacks",
        "ftp://api.example.com/v2-beta/stacks",
        "//evil.example.com/v2-beta",
        "stacks",
        " /stacks",
    ] {
        let refusal = base.resolve(target).unwrap_err();
        assert_eq!(refusal.reason, Reason::Path, "{target}: {refusal}");
        assert!(!refusal.message.contains("secret"), "{refusal}");
    }
}

#[test]
fn no_spelling_leaves_the_base() {
    let base = base(json!({ "base-url": "https://api.example.com/v2-beta", "paths": ["/stacks", "/a b"] }));
    assert!(base.unwrap_err().contains("`grants.http.api.paths`"));
    let base =
        self::base(json!({ "base-url": "https://api.example.com/v2-beta", "paths": ["/stacks", "/s/%61"] })).unwrap();
    for target in [
        "/stacks/../settings",
        "/stacks/..",
        "/stacks/./x",
        "/stacks/%2e%2e/settings",
        "/stacks/%2E./settings",
        "/stacks/%252e%252e/settings",
        "/stacks/..;x=1/settings",
        "/stacks/%2e%2e%3bx/settings",
        "/stacks//x",
        "//stacks",
        "/stacks/a%2fb",
        "/stacks/a%2Fb",
        "/stacks/a%252fb",
        "/stacks/a%5cb",
        "/stacks\\..\\settings",
        "/stacks/a%00",
        "/stacks/a%0d%0ab",
        "/stacks/a\r\nHost: evil",
        "/stacks/a b",
        "/stacks/ä",
        "/stacks/a#b",
        "/stacks?a#b",
        "/stacks?a b",
        "/stacks?a\\b",
        "/stacks/%zz",
        "/stacks/%2",
        "/Stacks",
        "/stackspace",
        "/stack",
        "/",
        "",
        "/settings",
        "https://api.example.com/v2-beta/settings",
        "https://api.example.com/v2-beta/stacks/../settings",
    ] {
        let refusal = base.resolve(target).unwrap_err();
        assert_eq!(refusal.reason, Reason::Path, "{target}: {refusal}");
    }
    for target in ["/stacks", "/stacks/", "/stacks/1s1?action=x", "/%73tacks/1", "/s/a", "/stacks/100%25"] {
        assert!(base.resolve(target).is_ok(), "{target}: {}", resolved(&base, target));
    }
    let refusal = base.resolve(&format!("/stacks/{}", "x".repeat(20_000))).unwrap_err();
    assert_eq!(refusal.reason, Reason::Malformed);
}

#[test]
fn the_base_is_rewritten_once() {
    let read = |url: &str| {
        let rewrites = json!([
            { "match": "/schemas/?$", "replace": "" },
            { "match": "^/v1(/|$)", "replace": "/v2-beta$1" },
            { "match": "^/?$", "replace": "/v2-beta" },
        ]);
        base(json!({ "base-url": url, "base-url-rewrites": rewrites })).map(|base| base.url().to_string())
    };
    for (url, rewritten) in [
        ("http://rancher:8080", "http://rancher:8080/v2-beta"),
        ("http://rancher:8080/", "http://rancher:8080/v2-beta"),
        ("http://rancher:8080/v1", "http://rancher:8080/v2-beta"),
        ("http://rancher:8080/v1/schemas", "http://rancher:8080/v2-beta"),
        ("http://rancher:8080/v1/projects/1a5/schemas/", "http://rancher:8080/v2-beta/projects/1a5"),
        ("https://rancher/v2-beta/projects/1a5/", "https://rancher/v2-beta/projects/1a5"),
        (" https://rancher/v2-beta\n", "https://rancher/v2-beta"),
    ] {
        assert_eq!(read(url).unwrap(), rewritten, "{url}");
    }
}

#[test]
fn a_base_that_cannot_be_used_is_named_and_not_shown() {
    for (url, named) in [
        (json!("https://user:hunter2@api/v1"), "credentials"),
        (json!("https://hunter2@api/v1"), "credentials"),
        (json!("ftp://hunter2/v1"), "http or https"),
        (json!("hunter2"), "is no URL"),
        (json!("http://api/v1?key=hunter2"), "without `?`"),
        (json!("http://api/v1#hunter2"), "without `?`"),
        (json!("http://api//v1"), "`//`"),
        (json!(""), "is empty"),
        (json!({ "env": "LB_SANDBOX_NOT_SET" }), "the environment variable LB_SANDBOX_NOT_SET is not set"),
        (json!({ "file": "/nonexistent/url" }), "cannot read /nonexistent/url"),
    ] {
        let error = base(json!({ "base-url": url })).unwrap_err();
        assert!(error.starts_with("`grants.http.api.base-url`: ") && error.contains(named), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn of_a_target_its_path_is_shown() {
    assert_eq!(shown("https://user:secret@api/v1/x?token=secret#secret"), "/v1/x");
    assert_eq!(shown("/x\r\ny?secret"), "/x\\r\\ny");
    assert_eq!(shown("https://user:secret@api"), "");
    assert!(shown(&"/ä".repeat(1000)).len() <= 200);
}
