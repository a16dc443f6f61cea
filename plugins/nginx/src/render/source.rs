//! The comment that says which object a part of the configuration came from, for people and for finding whom to blame.

use lb_provider::ObjectRef;
use serde_json::{Value, json};

use crate::conf::Conf;

const MARK: &str = "source ";

/// Writes one for each object.
pub(super) fn write<'a>(conf: &mut Conf, sources: impl IntoIterator<Item = &'a ObjectRef>) {
    for source in sources {
        conf.comment(format_args!("{MARK}{}", encode(source)));
    }
}

/// The lines as text, for files of another syntax that knows comments like these.
pub(super) fn lines(sources: &[ObjectRef]) -> Vec<u8> {
    let mut conf = Conf::default();
    write(&mut conf, sources);
    conf.finish().expect("comments can be written")
}

/// The object of a line, if it is such a comment.
pub(crate) fn parse(line: &str) -> Option<ObjectRef> {
    let value: Value = serde_json::from_str(line.trim_start().strip_prefix("# ")?.strip_prefix(MARK)?).ok()?;
    let field = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    Some(ObjectRef { kind: field("kind")?, namespace: field("namespace")?, name: field("name")?, uid: field("uid")? })
}

/// All the objects of a file, each once.
pub(crate) fn parse_all(text: &str) -> Vec<ObjectRef> {
    let mut objects: Vec<ObjectRef> = Vec::new();
    for object in text.lines().filter_map(parse) {
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    objects
}

/// In one line: JSON escapes line ends.
fn encode(source: &ObjectRef) -> Value {
    json!({ "kind": source.kind, "namespace": source.namespace, "name": source.name, "uid": source.uid })
}
