use futures::FutureExt as _;
use lb_sandbox::Error;
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    clause::{Check, Checked, Clause, Ended},
    schema,
};

/// A key that nobody has.
const UNKNOWN: &str = "key-that-nobody-knows";

pub(super) const CLAUSE: Clause = Clause {
    id: "check-settings",
    title: "settings that cannot be used are refused, by the name of the key",
    section: "provider.check-settings (wit/provider.wit)",
    contract: "Whether the settings can be used; the error text names the key. Uses no grant but `log`.",
    check: Check::Component(|bench| check(bench).boxed_local()),
};

async fn check(bench: &Bench) -> Checked {
    let (inspection, _) = bench.inspected()?;
    let given = &bench.options.configuration.settings;
    let verdict = async |settings: &Value| match inspection.check_settings(settings).await {
        Ok(()) => Ok(None),
        Err(Error::Settings { message, .. }) => Ok(Some(message)),
        Err(error) => Err(Ended::broken("an answer", format!("{error}, for the settings {settings}"))),
    };
    if let Some(message) = verdict(given).await? {
        return Err(Ended::broken("the configured settings can be used", message));
    }
    let with = |key: &str, value: Value| {
        let mut settings = given.clone();
        settings[key] = value;
        settings
    };
    let Ok(schema) = schema::parse(&inspection.descriptor.settings_schema) else {
        return Err(Ended::skipped("the schema of the settings cannot be read"));
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let wrong = properties.into_iter().flatten();
    let wrong = wrong.filter_map(|(key, schema)| Some((key.as_str(), schema::wrong_value(schema)?)));
    for (key, value) in wrong.chain([(UNKNOWN, json!(true))]) {
        let expected = format!("the settings {{\"{key}\": {value}}} are refused");
        match verdict(&with(key, value)).await? {
            None => return Err(Ended::broken(expected, "they can be used")),
            Some(message) if !message.contains(key) => {
                let came = format!("refused, but {key} is not named: {message}");
                return Err(Ended::broken(format!("{expected} by an error that names the key"), came));
            }
            Some(_) => {}
        }
    }
    for settings in [json!([]), json!("text"), json!(null)] {
        if verdict(&settings).await?.is_none() {
            return Err(Ended::broken(format!("the settings {settings} are refused: they are no object"), "taken"));
        }
    }
    Ok(())
}
