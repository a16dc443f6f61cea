//! Creation, by POST, by an apply of something new, or by a PUT that creates.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Cluster, Write, Written, namespace_not_found, new_uid, now, undecodable};
use crate::kind;
use crate::object::{self, Key, Object, text};
use crate::ownership::Managers;
use crate::schema::object_type;
use crate::status::Status;
use crate::store::Lost;
use crate::{defaults, validation};

/// Names that are generated are cut so that the suffix fits into a label.
const GENERATED_PREFIX: usize = 58;
const SUFFIX: usize = 5;
/// Characters of generated names: none that could spell a word.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

impl Cluster {
    /// Creates `body`, an object of `write.kind`, in `namespace` (empty for cluster-wide kinds).
    pub(crate) fn create(&self, write: &Write, namespace: &str, body: Value) -> Result<Written, Status> {
        let mut warnings = Vec::new();
        let object = write.decode(body, &mut warnings).map_err(|error| undecodable(write.kind, &error))?;
        let writer = write.writer();
        let managed = |object: &Value| {
            let mut managers = Managers::default();
            managers.update(&writer, &object_type(write.kind.kind), &json!({}), object);
            managers
        };
        let object = self.create_decoded(write, namespace, object, managed)?;
        Ok(Written { object, created: true, warnings })
    }

    pub(super) fn create_decoded(
        &self,
        write: &Write,
        namespace: &str,
        mut object: Value,
        managed: impl Fn(&Value) -> Managers,
    ) -> Result<Arc<Object>, Status> {
        let kind = write.kind;
        check_namespace(kind, &mut object, namespace)?;
        if kind.namespaced {
            self.check_living_namespace(write, namespace, &object)?;
        }
        if !object::metadata(&object, "resourceVersion").is_empty() {
            return Err(Status::internal("resourceVersion should not be set on objects to be created"));
        }
        let generated = object::name(&object).is_empty() && !object::metadata(&object, "generateName").is_empty();
        loop {
            if generated {
                let name = generate_name(object::metadata(&object, "generateName"));
                object::set_metadata(&mut object, "name", Some(name.into()));
            }
            let prepared = self.prepare(write, object.clone(), &managed)?;
            let key = Key::new(namespace, object::name(&prepared));
            if write.dry_run {
                return match self.store.get(kind, &key) {
                    Some(_) => Err(Status::already_exists(kind, &key.name)),
                    None => Ok(Arc::new(Object::new(prepared, 0))),
                };
            }
            match self.store.put(kind, key.clone(), None, prepared) {
                Ok(object) => return Ok(object),
                Err(Lost::Changed) if generated => {}
                Err(Lost::Changed) => return Err(Status::already_exists(kind, &key.name)),
                Err(lost) => return Err(Self::refusal(lost, kind, &key)),
            }
        }
    }

    fn prepare(&self, write: &Write, mut object: Value, managed: impl Fn(&Value) -> Managers) -> Result<Value, Status> {
        let kind = write.kind;
        let metadata = object::metadata_mut(&mut object);
        for field in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "generation"] {
            metadata.remove(field);
        }
        metadata.insert("uid".to_owned(), new_uid().into());
        metadata.insert("creationTimestamp".to_owned(), now().into());
        if kind.generation {
            metadata.insert("generation".to_owned(), 1.into());
        }
        // Nodes register themselves with their status; everything else starts without one.
        if kind.kind != "Node"
            && let Value::Object(fields) = &mut object
        {
            fields.remove("status");
        }
        if kind.kind == "Ingress" {
            self.admit_default_class(&mut object);
        }
        let managers = managed(&object);
        defaults::fill(kind, &mut object, None, &self.addresses);
        let errors = validation::check(kind, &object, None);
        if !errors.is_empty() {
            return Err(Status::invalid(kind, object::name(&object), &errors));
        }
        managers.write(&mut object);
        Ok(object)
    }

    fn check_living_namespace(&self, write: &Write, namespace: &str, object: &Value) -> Result<(), Status> {
        let namespaces = kind::find("", "v1", "namespaces").expect("namespaces are in the table of kinds");
        match self.store.get(namespaces, &Key::new("", namespace)) {
            None => Err(namespace_not_found(namespace)),
            Some(found) if object::is_terminating(&found.value) => {
                Err(Status::namespace_terminating(write.kind, object::name(object), namespace))
            }
            Some(_) => Ok(()),
        }
    }

    /// An Ingress without a class gets the newest that is marked default, as the admission plugin does it.
    fn admit_default_class(&self, ingress: &mut Value) {
        let annotated = !ingress["metadata"]["annotations"][CLASS_ANNOTATION].is_null();
        if annotated || ingress.pointer("/spec/ingressClassName").is_some() {
            return;
        }
        let classes =
            kind::find("networking.k8s.io", "v1", "ingressclasses").expect("classes are in the table of kinds");
        let newest = self
            .store
            .snapshot(classes, None)
            .objects
            .into_iter()
            .filter(|class| class.value["metadata"]["annotations"][DEFAULT_CLASS] == "true")
            .max_by_key(|class| text(&class.value, "/metadata/creationTimestamp").to_owned());
        if let (Some(class), Some(spec)) = (newest, ingress.get_mut("spec").and_then(Value::as_object_mut)) {
            spec.insert("ingressClassName".to_owned(), object::name(&class.value).into());
        }
    }
}

/// The namespace of the body is that of the URL, or absent.
pub(super) fn check_namespace(kind: &kind::Kind, object: &mut Value, namespace: &str) -> Result<(), Status> {
    let named = object::metadata(object, "namespace");
    if !named.is_empty() && named != namespace {
        let detail = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(detail));
    }
    let namespace = kind.namespaced.then(|| namespace.into());
    object::set_metadata(object, "namespace", namespace);
    Ok(())
}

fn generate_name(prefix: &str) -> String {
    let mut end = prefix.len().min(GENERATED_PREFIX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let suffix = (0..SUFFIX).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())]));
    prefix[..end].chars().chain(suffix).collect()
}
