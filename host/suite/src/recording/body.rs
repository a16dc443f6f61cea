use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is sent or answered, as readable as it can be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// JSON.
    Json(Value),
    /// Other text.
    Text(String),
    /// What is no text.
    Base64(String),
}

impl Body {
    /// Of bytes that hold no secret any more.
    pub(crate) fn of(content: &[u8]) -> Self {
        if content.is_empty() {
            return Self::Empty;
        }
        if let Ok(value) = serde_json::from_slice(content) {
            return Self::Json(value);
        }
        match std::str::from_utf8(content) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(content)),
        }
    }

    /// As bytes again. What is not valid Base64 is sent as it is written.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Base64(text) => BASE64_STANDARD.decode(text).unwrap_or_else(|_| text.clone().into_bytes()),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// Where another one differs, a line each.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        match (self, other) {
            (one, other) if one == other => Vec::new(),
            (Self::Json(one), Self::Json(other)) => {
                let mut lines = Vec::new();
                compare(one, other, "", &mut lines);
                lines
            }
            (one, other) => vec![format!("{} became {}", one.shown(), other.shown())],
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Empty => "nothing".to_owned(),
            Self::Json(value) => short(&value.to_string()),
            Self::Text(text) => short(&format!("{text:?}")),
            Self::Base64(text) => format!("{} bytes", text.len() * 3 / 4),
        }
    }
}

/// What a line has room for.
fn short(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn compare(one: &Value, other: &Value, place: &str, lines: &mut Vec<String>) {
    match (one, other) {
        (one, other) if one == other => {}
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in one {
                match other.get(key) {
                    Some(other) => compare(value, other, &format!("{place}/{key}"), lines),
                    None => lines.push(format!("{place}/{key}: {} is missing", short(&value.to_string()))),
                }
            }
            for (key, value) in other.iter().filter(|(key, _)| !one.contains_key(*key)) {
                lines.push(format!("{place}/{key}: {} is new", short(&value.to_string())));
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(one, other, &format!("{place}/{index}"), lines);
            }
        }
        (one, other) => {
            lines.push(format!("{place}: {} became {}", short(&one.to_string()), short(&other.to_string())));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Body;

    #[test]
    fn a_body_comes_back_as_it_was() {
        for content in [&b""[..], b"{\"a\":[1,null]}", b"a=b&c", b"\xff\x00"] {
            let body = Body::of(content);
            assert_eq!(body.bytes(), content);
            assert_eq!(serde_json::from_value::<Body>(serde_json::to_value(&body).unwrap()).unwrap(), body);
        }
    }

    #[test]
    fn differences_are_told_with_their_place() {
        let one = Body::of(br#"{"a": 1, "b": {"c": [1, 2]}, "d": "x"}"#);
        let other = Body::Json(json!({"a": 1, "b": {"c": [1, 3]}, "e": true}));
        assert_eq!(one.differences(&other), ["/b/c/1: 2 became 3", "/d: \"x\" is missing", "/e: true is new"]);
        assert_eq!(Body::Empty.differences(&Body::of(b"x")), ["nothing became \"x\""]);
        assert!(one.differences(&one).is_empty());
    }
}
