use lb_provider::{settings_schema, testing::check_settings};
use serde_json::Value;

use super::Settings;
use crate::Caddy;

#[test]
fn what_caddy_could_not_use_is_named() {
    let cases = [
        (r#"{"edge-admin-adress": ""}"#, "edge-admin-adress"),
        (r#"{"edge-admin-address": "localhost"}"#, "edge-admin-address"),
        (r#"{"edge-admin-address": "0.0.0.0:2119"}"#, "loopback"),
        (r#"{"edge-admin-address": "127.0.0.1:0"}"#, "loopback"),
        (r#"{"edge-admin-address": "127.0.0.1:{env.PORT}"}"#, "edge-admin-address"),
        (r#"{"listen-addresses": ["10.0.0.1", "{env.HOME}"]}"#, "listen-addresses[1]"),
        (r#"{"tries": 0}"#, "tries"),
        (r#"{"grace-period-seconds": -1}"#, "grace-period-seconds"),
    ];
    for (settings, word) in cases {
        let error = check_settings::<Caddy>(settings).unwrap_err();
        assert!(error.contains(word), "{settings}: {error}");
    }
    check_settings::<Caddy>(r#"{"edge-admin-address": "[::1]:2119", "listen-addresses": ["::1"]}"#).unwrap();
}

#[test]
fn the_schema_tells_every_key_and_its_default() {
    let schema: Value = serde_json::from_str(&settings_schema::<Settings>()).unwrap();
    let defaults =
        schema["properties"].as_object().unwrap().iter().map(|(key, of)| (key.clone(), of["default"].clone()));
    let defaults: Value = Value::Object(defaults.collect());
    let parsed: Settings = serde_json::from_value(defaults).unwrap();
    assert_eq!(format!("{parsed:?}"), format!("{:?}", Settings::default()));
    assert_eq!(schema["properties"].as_object().unwrap().len(), 8);
}
