use serde::Deserialize;

use super::settings;
use crate::{ChangeSet, Descriptor, Error, Host, Observed, Outcome, Provider, Removal, testing::TestHost};

struct Strict;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    #[serde(default)]
    ports: Vec<u16>,
}

impl Provider for Strict {
    type Settings = Settings;

    fn describe() -> Descriptor {
        unimplemented!("not called")
    }
    fn apply(_: &Settings, _: ChangeSet, _: &impl Host) -> Result<Outcome, Error> {
        unimplemented!("not called")
    }
    fn remove(_: &Settings, _: &str, _: &impl Host) -> Result<Removal, Error> {
        unimplemented!("not called")
    }
    fn observe(settings: &Settings, _: &impl Host) -> Result<Vec<Observed>, Error> {
        assert_eq!(settings.ports, [80]);
        Ok(vec![])
    }
}

fn refused(json: &str) -> String {
    settings::<Strict>(json).unwrap_err()
}

#[test]
fn errors_name_the_key() {
    assert_eq!(refused(r#"{"ports": [80, "x"]}"#), r#"settings: `ports[1]`: invalid type: string "x", expected u16"#);
    assert_eq!(refused(r#"{"port": 80}"#), "settings: `port`: unknown field `port`, expected `ports`");
    assert_eq!(refused("[]"), "settings: must be an object");
    assert!(refused("{").starts_with("settings: EOF while parsing"), "{}", refused("{"));
}

#[test]
fn settings_reach_the_provider_and_bad_ones_are_for_the_operator() {
    let host = TestHost::default();
    assert_eq!(super::observe::<Strict>(r#"{"ports": [80]}"#, &host), Ok(vec![]));
    let error = super::observe::<Strict>(r#"{"ports": 80}"#, &host).unwrap_err();
    assert!(matches!(error, Error::Denied(message) if message.contains("`ports`")));
}
