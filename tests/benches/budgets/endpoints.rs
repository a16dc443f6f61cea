use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lb_tests::{Controller, Traffic, World, ingress, prefix};

use crate::{
    crowd,
    report::{Report, milliseconds, percentile},
};

const INGRESSES: usize = 5000;
const CHANGES: usize = 300;

/// One backend replaces the other while a crowd of Services changes, and a client asks until the new one answers.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let world = World::start("endpoints").await?;
    crowd::gather(&world, INGRESSES, 5).await?;
    let mut shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().log_level("warn").start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let workers = controller.nginx_workers()?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    let measured = async {
        let mut times = Vec::with_capacity(CHANGES);
        for _ in 0..CHANGES {
            let old = shop.pods().remove(0);
            let new = shop.add().await?;
            let start = Instant::now();
            // Answers until it is dropped: what is in flight must not fail.
            let retired = shop.remove(&old).await?;
            while controller.client.get("shop.test", "/").await?.pod()? != new {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            times.push(start.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(retired);
        }
        anyhow::Ok(times)
    };
    let mut times = tokio::select! {
        times = measured => times?,
        churned = crowd::churn(&world, INGRESSES) => { churned?; Vec::new() }
    };
    ensure!(controller.nginx_workers()? == workers, "nginx was reloaded");
    report.tell("EndpointSlice deleted to the other endpoint serving, median", &shown(percentile(&mut times, 0.5)));
    report.budget("the same, p99", milliseconds(percentile(&mut times, 0.99)), 100.0, "ms");
    report.budget("change seen to provider called, p99, at most", lag(&controller, 0.99).await?, 5.0, "ms");
    report.tell("requests meanwhile, none of which failed", &traffic.stop().await?.to_string());
    Ok(())
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", milliseconds(time))
}

/// The end of the histogram's bucket that this share of all changes stays within, in milliseconds.
async fn lag(controller: &Controller, share: f64) -> Result<f64> {
    const NAME: &str = "lb_reconcile_lag_seconds";
    let all = controller.metric(&format!("{NAME}_count"), "").await?;
    let text = controller.admin("/metrics").await?.body;
    let buckets = text.lines().filter_map(|line| {
        let (bound, count) = line.strip_prefix(NAME)?.strip_prefix("_bucket{")?.split_once("} ")?;
        let (_, bound) = bound.split_once("le=\"")?;
        Some((bound.split('"').next()?.parse::<f64>().ok()?, count.parse::<f64>().ok()?))
    });
    let within = buckets.filter(|(_, count)| *count >= all * share).map(|(bound, _)| bound);
    Ok(within.fold(f64::INFINITY, f64::min) * 1000.0)
}
