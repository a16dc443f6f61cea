//! What a subscriber is sent.

use serde_json::{Map, Value, json};

use crate::{Change, Rancher, Subscriber};

/// Keys of a frame that this server never fills.
const NULLS: [&str; 9] = [
    "previousIds",
    "previousNames",
    "publisher",
    "replyTo",
    "transitioning",
    "transitioningInternalMessage",
    "transitioningMessage",
    "transitioningProgress",
    "timeoutMillis",
];

pub(super) enum Frame {
    Ping,
    Change(Change),
    Logout,
}

impl Frame {
    /// The message, with the resource as it is now.
    pub(super) fn render(&self, rancher: &Rancher, subscriber: &Subscriber, nulls: bool) -> Value {
        let (name, id, resource_type, data) = match self {
            Self::Logout => return json!({"name": "logout"}),
            Self::Ping => ("ping", None, None, json!({"options": {}, "resources": []})),
            Self::Change(change) => {
                let data =
                    rancher.read(subscriber, change).map_or(Value::Null, |resource| json!({"resource": resource}));
                ("resource.change", Some(&change.id), Some(&change.resource_type), data)
            }
        };
        let mut frame = Map::new();
        if nulls {
            frame.extend(NULLS.iter().map(|key| ((*key).to_owned(), Value::Null)));
        }
        frame.insert("id".to_owned(), unique_id().into());
        frame.insert("name".to_owned(), name.into());
        frame.insert("resourceId".to_owned(), json!(id));
        frame.insert("resourceType".to_owned(), json!(resource_type));
        frame.insert("data".to_owned(), data);
        frame.insert("time".to_owned(), rancher.now().as_millisecond().into());
        frame.into()
    }
}

/// A random UUID.
fn unique_id() -> String {
    let number = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{number:032x}");
    let [first, second, third, fourth, last] =
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    format!("{first}-{second}-{third}-{fourth}-{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_uuids() {
        let id = unique_id();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        assert_ne!(id, unique_id());
    }
}
