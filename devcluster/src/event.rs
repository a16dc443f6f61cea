//! Events have two faces: `v1`, as they are stored here, and `events.k8s.io/v1`, with other names for the same fields.

use serde_json::{Map, Value};

/// Field of `events.k8s.io/v1`, field of `v1`. All others have the same name in both.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// From `events.k8s.io/v1` to `v1`.
pub(crate) fn to_core(event: Value) -> Value {
    rename(event, |field| NAMES.iter().find(|(view, _)| *view == field).map(|(_, core)| *core))
}

/// From `v1` to `events.k8s.io/v1`.
pub(crate) fn to_view(event: Value) -> Value {
    rename(event, |field| NAMES.iter().find(|(_, core)| *core == field).map(|(view, _)| *view))
}

fn rename(event: Value, renamed: impl Fn(&str) -> Option<&'static str>) -> Value {
    match event {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(field, value)| match renamed(&field) {
                Some(name) => (name.to_owned(), value),
                None => (field, value),
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_and_back_again() {
        let view = json!({
            "metadata": {"name": "e"}, "regarding": {"name": "web"}, "note": "said", "reason": "Sync",
            "reportingController": "c", "deprecatedCount": 1
        });
        let core = to_core(view.clone());
        assert_eq!(
            core,
            json!({
                "metadata": {"name": "e"}, "involvedObject": {"name": "web"}, "message": "said", "reason": "Sync",
                "reportingComponent": "c", "count": 1
            })
        );
        assert_eq!(to_view(core), view);
    }
}
