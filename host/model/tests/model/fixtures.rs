//! Each fixture is a manifest; its snapshot is what translation makes of it.

use std::collections::BTreeMap;

use insta::{assert_yaml_snapshot, glob, with_settings};
use lb_model::{
    cluster::{Change, NamespacedName},
    tables::Configuration,
    translate::{NoticeKind, Translator},
};
use serde::Serialize;
use serde_json::Value;

use crate::manifest;

#[derive(Serialize)]
struct Translated {
    load_balancers: BTreeMap<String, LoadBalancer>,
    notices: BTreeMap<String, Vec<Notice>>,
    stream_problems: Vec<String>,
}

#[derive(Serialize)]
struct LoadBalancer {
    ingresses: Vec<String>,
    configuration: Configuration,
}

#[derive(Serialize)]
struct Notice {
    kind: NoticeKind,
    field: String,
    message: String,
}

#[test]
fn fixtures_translate_as_recorded() {
    glob!("../fixtures", "*.yaml", |path| {
        let manifest = manifest::read(&std::fs::read_to_string(path).unwrap());
        let mut translator = Translator::new(manifest.options, manifest.descriptor);
        translator.update(&manifest.cluster, [Change::Everything]);
        let ids: Vec<_> = translator.load_balancers().map(str::to_owned).collect();
        let load_balancers = ids.into_iter().map(|id| {
            let ingresses = translator.ingresses(&id).map(ToString::to_string).collect();
            let configuration = translator.desired(&id).unwrap().clone();
            (id, LoadBalancer { ingresses, configuration })
        });
        let names = manifest.cluster.ingresses.keys();
        let notices = names.map(|name| (name.to_string(), notices(&translator, name))).filter(|(_, it)| !it.is_empty());
        let translated = Translated {
            load_balancers: load_balancers.collect(),
            notices: notices.collect(),
            stream_problems: translator.stream_problems().to_vec(),
        };
        let mut value = serde_json::to_value(translated).unwrap();
        prune(&mut value);
        with_settings!({ sort_maps => true, omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../fixtures/snapshots" }, {
            assert_yaml_snapshot!("translated", value);
        });
    });
}

fn notices(translator: &Translator, name: &NamespacedName) -> Vec<Notice> {
    let notice = |notice: &lb_model::translate::Notice| {
        let rejection = notice.rejection.clone();
        assert_eq!(rejection.object.kind, "Ingress");
        assert_eq!(NamespacedName::new(rejection.object.namespace, rejection.object.name), *name);
        assert!(!rejection.message.chars().any(char::is_control), "{:?}", rejection.message);
        Notice { kind: notice.kind, field: rejection.field, message: rejection.message }
    };
    translator.notices(name).iter().map(notice).collect()
}

/// Takes out what is not there, which is most of a route.
fn prune(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(prune),
        Value::Object(fields) => {
            fields.values_mut().for_each(prune);
            fields.retain(|_, value| !is_empty(value));
        }
        _ => {}
    }
}
