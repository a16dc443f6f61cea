use std::collections::BTreeMap;

use serde_json::Value;

/// Which frames wake.
pub(super) struct Filter(BTreeMap<String, Vec<Value>>);

impl Filter {
    pub(super) fn new(wake_on: &BTreeMap<String, Vec<Value>>) -> Self {
        Self(wake_on.clone())
    }

    /// Whether the text is JSON in which one of the wanted values stands at each pointer.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return false };
        self.0.iter().all(|(pointer, values)| frame.pointer(pointer).is_some_and(|value| values.contains(value)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::Filter;

    #[test]
    fn all_pointers_must_match_one_of_their_values() {
        let filter = Filter::new(&BTreeMap::from([
            ("/name".to_owned(), vec![json!("resource.change")]),
            ("/data/type".to_owned(), vec![json!("service"), json!("certificate"), json!(7)]),
        ]));
        let frame = |name: &str, kind: serde_json::Value| json!({ "name": name, "data": { "type": kind } }).to_string();
        assert!(filter.matches(&frame("resource.change", json!("service"))));
        assert!(filter.matches(&frame("resource.change", json!(7))));
        assert!(!filter.matches(&frame("resource.change", json!("Service"))));
        assert!(!filter.matches(&frame("ping", json!("service"))));
        assert!(!filter.matches(r#"{"name":"resource.change"}"#));
        assert!(!filter.matches("no JSON") && !filter.matches("") && !filter.matches("[]"));
        assert!(Filter::new(&BTreeMap::new()).matches("{}") && !Filter::new(&BTreeMap::new()).matches("ping"));
    }
}
