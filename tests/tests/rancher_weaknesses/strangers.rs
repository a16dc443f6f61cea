//! What others have put into the project.

use anyhow::Result;
use lb_tests::{
    World,
    rancher::{Rancher, Strangers},
};

use super::{WEB, beside, rule_beside, web};

/// To the original everything in its stack was its own; a later one removed whatever matched no Ingress.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_20_what_others_have_in_our_stack_stays_as_it_is() -> Result<()> {
    let world = World::start("strangers").await?;
    let rancher = Rancher::start(&world).await?;
    let strangers = Strangers::arrive(&rancher, &world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let mut controller = rancher.controller(&world).start().await?;
    let ours = rancher.serves(&world, "web", &[WEB]).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    assert!(strangers.ids().all(|id| id != ours.id()), "it was made, not taken");

    world.apply(web().annotation("http.port", "99")).await?;
    rancher.serves(&world, "web", &["http://web.test:99/ -> shop:8080"]).await?;
    world.delete("Ingress", "web").await?;
    rancher.gone(&world, "web").await?;
    // An empty cluster, and a start: whatever is there is wanted by no Ingress.
    controller.kill()?;
    controller.spawn()?;
    controller.ready().await?;
    rancher.looked(&controller).await?;
    world.apply(beside("after", 81)).await?;
    rancher.serves(&world, "after", &[&rule_beside("after", 81)]).await?;
    rancher.looked(&controller).await?;
    strangers.untouched(&rancher)
}
