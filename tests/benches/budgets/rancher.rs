use std::time::{Duration, Instant};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use lb_tests::{
    World, ingress, prefix,
    rancher::{Configuration, Rancher},
};

use crate::report::Report;

const INGRESSES: u16 = 1000;
const FIRST_PORT: u16 = 20_000;
const HANDS: usize = 16;

/// The double answers from this process, and takes 20 ms for each answer.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let world = World::start("rancher").await?;
    let rancher = Rancher::setup().latency(20).start(&world).await?;
    world.service("shop", 8080).await?;
    stream::iter(0..INGRESSES)
        .map(|number| {
            let port = (FIRST_PORT + number).to_string();
            let ingress = ingress(&format!("web-{number}")).annotation("http.port", &port);
            world.apply(ingress.rule(&format!("{number}.test"), [prefix("/", "shop")]))
        })
        .buffer_unordered(HANDS)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    let configuration = Configuration::default().subscription("debounce-ms", 500);
    let start = Instant::now();
    let controller = rancher.configured(&world, &configuration).log_level("warn").start().await?;
    while shown(&world).await? < usize::from(INGRESSES) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    report.budget("every Ingress shows an address", start.elapsed().as_secs_f64(), 30.0, "s");
    let asked = rancher.asked();
    report.tell("requests, of them writes", &format!("{}, {}", asked.len(), asked.writes().len()));
    let mark = rancher.mark();
    rancher.looked(&controller).await?;
    let asked = rancher.since(mark);
    report.tell("later looks at everything: requests, writes", &format!("{}, {}", asked.len(), asked.writes().len()));
    Ok(())
}

async fn shown(world: &World) -> Result<usize> {
    let ingresses = world.api::<Ingress>().list(&ListParams::default()).await?;
    let has_address = |ingress: &Ingress| {
        let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        balancer.and_then(|balancer| balancer.ingress.as_ref()).is_some_and(|addresses| !addresses.is_empty())
    };
    Ok(ingresses.items.iter().filter(|ingress| has_address(ingress)).count())
}
