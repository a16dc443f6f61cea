use super::*;
use crate::patch::Patch;

fn cluster() -> Arc<Cluster> {
    Cluster::new(100).0
}

fn write(group: &str, plural: &str) -> Write {
    let kind = kind::find(group, "v1", plural).unwrap();
    let manager = "test".to_owned();
    Write { kind, status: false, manager, dry_run: false, validation: FieldValidation::Warn }
}

fn ingress(class: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"ingressClassName": class, "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    })
}

fn key(name: &str) -> Key {
    Key::new("default", name)
}

fn merge(patch: Value) -> Change {
    Change::Patch(Patch::Merge(patch))
}

#[test]
fn uids_are_version_four() {
    let uid = new_uid();
    assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
    assert!("89ab".contains(&uid[19..20]), "{uid}");
    assert_ne!(uid, new_uid());
}

#[test]
fn creation_stamps_metadata_and_takes_no_status() {
    let cluster = cluster();
    let write = write("networking.k8s.io", "ingresses");
    let created = cluster.create(&write, "default", ingress("lb")).unwrap().object;
    let metadata = &created.value["metadata"];
    assert_eq!((&metadata["namespace"], &metadata["generation"]), (&json!("default"), &json!(1)));
    assert!(metadata["uid"].is_string() && metadata["creationTimestamp"].is_string());
    assert_eq!(created.value["status"], json!({"loadBalancer": {}}));
    assert_eq!(metadata["managedFields"][0]["manager"], "test");
    let again = cluster.create(&write, "default", ingress("lb")).unwrap_err();
    assert_eq!((again.code, again.reason), (409, "AlreadyExists"));
    let nowhere = cluster.create(&write, "nowhere", ingress("lb")).unwrap_err();
    assert_eq!(nowhere.message, r#"namespaces "nowhere" not found"#);
}

#[test]
fn names_are_generated() {
    let cluster = cluster();
    let body = json!({"metadata": {"generateName": "web-"}});
    let write = write("", "configmaps");
    let one = cluster.create(&write, "default", body.clone()).unwrap().object;
    let two = cluster.create(&write, "default", body).unwrap().object;
    assert_eq!(object::name(&one.value).len(), "web-".len() + 5);
    assert_ne!(object::name(&one.value), object::name(&two.value));
}

#[test]
fn generation_counts_the_specification_and_status_is_apart() {
    let cluster = cluster();
    let main = write("networking.k8s.io", "ingresses");
    let status = Write { status: true, ..main.clone() };
    cluster.create(&main, "default", ingress("lb")).unwrap();
    let generation = |written: &Written| written.object.value["metadata"]["generation"].clone();

    let labelled = cluster.modify(&main, &key("web"), &merge(json!({"metadata": {"labels": {"a": "b"}}}))).unwrap();
    assert_eq!(generation(&labelled), 1);
    let spec = merge(json!({"spec": {"ingressClassName": "other"}, "status": {"loadBalancer": {"ingress": []}}}));
    let specified = cluster.modify(&main, &key("web"), &spec).unwrap();
    assert_eq!(generation(&specified), 2);

    let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}});
    let both = merge(json!({"spec": {"ingressClassName": "ignored"}, "status": address}));
    let addressed = cluster.modify(&status, &key("web"), &both).unwrap();
    assert_eq!(generation(&addressed), 2);
    assert_eq!(addressed.object.value["spec"]["ingressClassName"], "other");
    assert_eq!(addressed.object.value["status"], address);
    let main_again = cluster.modify(&main, &key("web"), &merge(json!({"status": null}))).unwrap();
    assert_eq!(main_again.object.value["status"], address);
}

#[test]
fn writing_the_same_again_writes_nothing() {
    let cluster = cluster();
    let write = write("networking.k8s.io", "ingresses");
    let created = cluster.create(&write, "default", ingress("lb")).unwrap().object;
    let revision = cluster.store.revision();
    let same = cluster.modify(&write, &key("web"), &Change::Replace(ingress("lb"))).unwrap();
    assert_eq!(same.object.revision, created.revision);
    let apply = |manager: &str| {
        let write = Write { manager: manager.to_owned(), ..write.clone() };
        let change = Change::Patch(Patch::Apply { configuration: ingress("lb"), force: true });
        cluster.modify(&write, &key("web"), &change).unwrap().object.revision
    };
    assert_eq!(cluster.store.revision(), revision);
    let first = apply("applier");
    assert!(first > revision, "a new owner is a change");
    assert_eq!(apply("applier"), first);
}

#[test]
fn a_stale_writer_is_told() {
    let cluster = cluster();
    let write = write("coordination.k8s.io", "leases");
    let lease = json!({"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}});
    let created = cluster.create(&write, "default", lease.clone()).unwrap().object;
    let blind = cluster.modify(&write, &key("leader"), &Change::Replace(lease)).unwrap_err();
    assert!(blind.message.contains("metadata.resourceVersion: Invalid value: 0: must be specified for an update"));
    let mut taken = created.value.clone();
    taken["spec"]["holderIdentity"] = "b".into();
    cluster.modify(&write, &key("leader"), &Change::Replace(taken.clone())).unwrap();
    taken["spec"]["holderIdentity"] = "c".into();
    let stale = cluster.modify(&write, &key("leader"), &Change::Replace(taken)).unwrap_err();
    assert_eq!(
        stale.message,
        "Operation cannot be fulfilled on leases.coordination.k8s.io \"leader\": the object has been modified; please \
         apply your changes to the latest version and try again"
    );
    assert_eq!(stale.code, 409);
}

#[test]
fn a_dry_run_leaves_nothing() {
    let cluster = cluster();
    let dry = Write { dry_run: true, ..write("", "configmaps") };
    let revision = cluster.store.revision();
    let written = cluster.create(&dry, "default", json!({"metadata": {"name": "c"}})).unwrap();
    assert!(written.object.value["metadata"].get("resourceVersion").is_none());
    assert_eq!(cluster.store.revision(), revision);
}

#[test]
fn unknown_fields_are_told_or_refused() {
    let cluster = cluster();
    let body = json!({"metadata": {"name": "c"}, "dta": {}});
    let strict = Write { validation: FieldValidation::Strict, ..write("", "configmaps") };
    let refused = cluster.create(&strict, "default", body.clone()).unwrap_err();
    assert_eq!(
        refused.message,
        r#"ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta""#
    );
    let written = cluster.create(&write("", "configmaps"), "default", body).unwrap();
    assert_eq!(written.warnings, [r#"unknown field "dta""#]);
}

#[test]
fn finalizers_hold_an_object_until_the_last_is_gone() {
    let cluster = cluster();
    let write = write("", "configmaps");
    let body = json!({"metadata": {"name": "c", "finalizers": ["a.io/x"]}});
    cluster.create(&write, "default", body).unwrap();
    let deleted = cluster.delete(write.kind, &key("c"), &DeleteOptions::default()).unwrap();
    assert!(!deleted.gone && object::is_terminating(&deleted.object.value));
    let revision = cluster.store.revision();
    cluster.delete(write.kind, &key("c"), &DeleteOptions::default()).unwrap();
    assert_eq!(cluster.store.revision(), revision, "deleting again changes nothing");
    cluster.modify(&write, &key("c"), &merge(json!({"metadata": {"finalizers": null}}))).unwrap();
    assert_eq!(cluster.get(write.kind, &key("c")).unwrap_err().code, 404);
}

#[test]
fn a_deletion_may_name_the_object_it_means() {
    let cluster = cluster();
    let write = write("", "configmaps");
    cluster.create(&write, "default", json!({"metadata": {"name": "c"}})).unwrap();
    let options = DeleteOptions { uid: Some("other".into()), ..DeleteOptions::default() };
    let refused = cluster.delete(write.kind, &key("c"), &options).unwrap_err();
    assert!(refused.message.contains("Precondition failed: UID in precondition: other"), "{refused}");
    assert_eq!(refused.code, 409);
}

#[test]
fn an_ingress_without_a_class_gets_the_default_one() {
    let cluster = cluster();
    let class = json!({"metadata": {"name": "lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "a.io/b"}});
    cluster.create(&write("networking.k8s.io", "ingressclasses"), "", class).unwrap();
    let mut body = ingress("");
    body["spec"].as_object_mut().unwrap().remove("ingressClassName");
    let created = cluster.create(&write("networking.k8s.io", "ingresses"), "default", body).unwrap();
    assert_eq!(created.object.value["spec"]["ingressClassName"], "lb");
}

#[test]
fn put_creates_only_where_a_real_server_does() {
    let cluster = cluster();
    let lease = Change::Replace(json!({"metadata": {"name": "c"}}));
    assert!(cluster.modify(&write("coordination.k8s.io", "leases"), &key("c"), &lease).unwrap().created);
    assert_eq!(cluster.modify(&write("", "configmaps"), &key("c"), &lease).unwrap_err().code, 404);
}

#[test]
fn system_namespaces_stay() {
    let cluster = cluster();
    let namespaces = write("", "namespaces").kind;
    let refused = cluster.delete(namespaces, &Key::new("", "default"), &DeleteOptions::default()).unwrap_err();
    assert_eq!(refused.message, r#"namespaces "default" is forbidden: this namespace may not be deleted"#);
}
