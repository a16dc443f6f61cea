use std::time::Instant;

use anyhow::{Result, ensure};
use lb_tests::{
    Traffic, World, ingress,
    plugins::{self, PluginDirectory},
    prefix,
};

use crate::{
    crowd,
    report::{Report, milliseconds, percentile},
};

const HOSTS: usize = 5000;
const SWAPS: u32 = 20;

/// Two builds take turns. The first two are compiled, all others come from the cache.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let world = World::start("swap").await?;
    crowd::gather(&world, HOSTS, 3).await?;
    let _shop = world.workload("shop", 2).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let directory = PluginDirectory::new()?;
    let mut controller = world.controller().plugins(directory.path()).log_level("warn").start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let nginx = controller.nginx()?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    let swaps = async {
        let mut times = Vec::new();
        for number in 0..SWAPS {
            let digest = controller.provider().await?["digest"].clone();
            let component = plugins::build(number % 2)?;
            let start = Instant::now();
            directory.replace(&component)?;
            // The change of the file does it, or this, whichever is first; both wait for their turn.
            controller.post("/v1/providers/nginx/reload").await?;
            ensure!(controller.provider().await?["digest"] != digest, "it was not swapped");
            times.push(start.elapsed());
        }
        anyhow::Ok(times)
    };
    let mut times = tokio::select! {
        times = swaps => times?,
        churned = crowd::churn(&world, HOSTS) => { churned?; Vec::new() }
    };
    ensure!(controller.is_running()? && controller.nginx()?.id == nginx.id, "something was restarted");
    let compiled: Vec<_> = times.drain(..2).map(|time| format!("{:.0} ms", milliseconds(time))).collect();
    report.tell("swap, the component to be compiled first", &compiled.join(", "));
    report.budget("swap with rehearsal, compiled, median", milliseconds(percentile(&mut times, 0.5)), 250.0, "ms");
    report.tell("the same, the longest", &format!("{:.0} ms", milliseconds(percentile(&mut times, 1.0))));
    report.tell("requests meanwhile, none of which failed", &traffic.stop().await?.to_string());
    Ok(())
}
