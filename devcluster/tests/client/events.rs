//! Events, as kube-rs' recorder writes them and as people read them.

use k8s_openapi::api::{core, events};
use kube::api::{ListParams, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Resource as _};

use crate::{ingress, ingresses, start};

#[tokio::test]
async fn what_a_recorder_writes_shows_in_both_groups() {
    let (_cluster, client) = start().await;
    let web = ingresses(&client).create(&PostParams::default(), &ingress("web")).await.unwrap();
    let reporter = Reporter { controller: "lb-controller.io/ingress".into(), instance: Some("one".into()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let event = Event {
        type_: EventType::Warning,
        reason: "PortNotFound".into(),
        note: Some("service web has no port 80".into()),
        action: "Sync".into(),
        secondary: None,
    };
    for _ in 0..3 {
        recorder.publish(&event, &web.object_ref(&())).await.unwrap();
    }
    let core: Api<core::v1::Event> = Api::default_namespaced(client.clone());
    let uid = web.metadata.uid.unwrap();
    let about = format!("involvedObject.kind=Ingress,involvedObject.name=web,involvedObject.uid={uid}");
    let listed = core.list(&ListParams::default().fields(&about)).await.unwrap().items;
    let [event] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(event.message.as_deref(), Some("service web has no port 80"));
    assert_eq!(event.reporting_component.as_deref(), Some("lb-controller.io/ingress"));
    assert_eq!(event.series.as_ref().unwrap().count, Some(3));

    let view: Api<events::v1::Event> = Api::default_namespaced(client);
    let listed =
        view.list(&ListParams::default().fields("regarding.name=web,reason=PortNotFound")).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].note.as_deref(), Some("service web has no port 80"));
    assert_eq!(listed[0].regarding.as_ref().unwrap().name.as_deref(), Some("web"));
}
