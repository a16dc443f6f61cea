//! Kubernetes manifests in files.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::Usage;

/// One object of a manifest, and the file it stands in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) file: PathBuf,
    pub(crate) object: Value,
}

impl Manifest {
    /// `Kind namespace/name`, for messages.
    pub(crate) fn label(&self) -> String {
        label(&self.object)
    }
}

/// `Kind namespace/name` of an object.
pub(crate) fn label(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (kind, name) = (text("/kind").unwrap_or("?"), text("/metadata/name").unwrap_or("?"));
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The manifest files below the paths that were given, in order.
pub(crate) fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |error: std::io::Error| Usage(format!("-f {}: {error}", path.display()));
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            let mut found = Vec::new();
            for entry in std::fs::read_dir(path).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                if is_manifest(&file) && file.is_file() {
                    found.push(file);
                }
            }
            found.sort();
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Whether a file of a directory is taken for a manifest; editors' temporary files are not.
fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(extension, Some("yaml" | "yml" | "json"))
}

/// The objects of one file: YAML documents or JSON, with `List`s taken apart.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<Manifest>> {
    let text = std::fs::read_to_string(file).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
    let mut manifests = Vec::new();
    for (index, document) in documents.into_iter().filter(|document| !document.is_null()).enumerate() {
        let objects = match document.get("kind").and_then(Value::as_str) {
            Some(kind) if kind.ends_with("List") => {
                document.get("items").and_then(Value::as_array).cloned().unwrap_or_default()
            }
            _ => vec![document],
        };
        for object in objects {
            let required = ["/apiVersion", "/kind", "/metadata/name"];
            if let Some(missing) = required.iter().find(|key| object.pointer(key).and_then(Value::as_str).is_none()) {
                let key = missing.trim_start_matches('/').replace('/', ".");
                return Err(Usage(format!("{}: document {}: {key} is missing", file.display(), index + 1)).into());
            }
            manifests.push(Manifest { file: file.to_owned(), object });
        }
    }
    Ok(manifests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> anyhow::Result<Vec<Manifest>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn documents_and_lists_are_taken_apart() {
        let one = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: b}}\n";
        let manifests = written(&format!("---\n{one}---\n{list}---\n")).unwrap();
        assert_eq!(manifests.iter().map(Manifest::label).collect::<Vec<_>>(), ["Namespace a", "Service b"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = written("kind: Service\nmetadata: {name: b}\n").unwrap_err().to_string();
        assert!(error.contains("a.yaml: document 1: apiVersion is missing"), "{error}");
    }
}
