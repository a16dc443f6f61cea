use lb_provider::{settings_schema, testing::check_settings};
use serde_json::{Value, json};

use super::*;
use crate::Nginx;

fn refused(settings: &Value) -> String {
    check_settings::<Nginx>(&settings.to_string()).unwrap_err()
}

#[test]
fn everything_has_a_default() {
    assert_eq!(check_settings::<Nginx>("{}"), Ok(()));
}

#[test]
fn the_schema_tells_every_key_with_its_default() {
    let schema: Value = serde_json::from_str(&settings_schema::<Settings>()).unwrap();
    let keys = schema["properties"].as_object().unwrap();
    let defaults: serde_json::Map<_, _> =
        keys.iter().map(|(key, property)| (key.clone(), property["default"].clone())).collect();
    let told: Settings = serde_json::from_value(defaults.into()).unwrap();
    assert_eq!(format!("{told:?}"), format!("{:?}", Settings::default()));
    // The error for an unknown key names all that are known.
    let known = refused(&json!({ "nonsense": 1 }));
    for key in keys.keys() {
        assert!(known.contains(&format!("`{key}`")), "{key}: {known}");
    }
    assert_eq!(known.matches('`').count() / 2, keys.len() + 2, "{known}");
}

#[test]
fn a_value_that_nginx_could_not_use_is_an_error_that_names_the_key() {
    let cases = [
        (json!({ "listen-addresses": [] }), "`listen-addresses`: must name at least one address"),
        (json!({ "listen-addresses": ["0.0.0.0", "x"] }), "`listen-addresses[1]`: `x` is not an IPv4 or IPv6 address"),
        (json!({ "listen-addresses": ["::", "[::]"] }), "`listen-addresses`: names `[::]` twice"),
        (json!({ "worker-processes": "many" }), "`worker-processes`: `many` is neither `auto` nor a number"),
        (json!({ "worker-processes": 0 }), "`worker-processes`: 0 is not from 1 to 1024"),
        (json!({ "worker-processes": true }), "`worker-processes`: expected `auto` or a number"),
        (json!({ "worker-connections": 1 }), "`worker-connections`: 1 is not from 64 to 1000000"),
        (json!({ "worker-connections": -1 }), "`worker-connections`: invalid value"),
        (json!({ "modules-directory": "modules" }), "`modules-directory`: `modules` is not an absolute path"),
        (json!({ "modules-directory": "/a$b" }), "`modules-directory`: `$` may not stand in a path"),
        (json!({ "modules-directory": "/a\nb" }), "`modules-directory`: `\\n` may not stand in a path"),
        (json!({ "lua-package-path": "/lua" }), "`lua-package-path`: `/lua` is not an absolute path with a `?`"),
        (json!({ "user": "root; daemon on" }), "`user`: `root; daemon on` is not an account name"),
        (json!({ "access-log": "stdout" }), "`access-log`: `stdout` is not an absolute path, nor `off`"),
        (json!({ "access-log": "/dev/stdout" }), "`access-log`: `/dev/stdout` would make nginx wait"),
        (json!({ "tries": "3" }), "`tries`: invalid type: string"),
    ];
    for (settings, part) in cases {
        let error = refused(&settings);
        assert!(error.contains(part), "{error}");
    }
}
