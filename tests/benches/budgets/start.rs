use std::time::Instant;

use anyhow::Result;
use lb_tests::{World, ingress, prefix};

use crate::report::{Report, milliseconds, percentile};

const ROUNDS: usize = 10;

/// How long a user waits after a restart: the component is compiled already, nginx runs.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let world = World::start("start").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let first = Instant::now();
    let mut controller = world.controller().log_level("warn").start().await?;
    report.tell("the component compiled, nginx started", &format!("{:.0} ms", milliseconds(first.elapsed())));
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        controller.kill()?;
        let start = Instant::now();
        controller.spawn()?;
        controller.ready().await?;
        times.push(start.elapsed());
    }
    report.budget("start to ready, component compiled, median", milliseconds(percentile(&mut times, 0.5)), 300.0, "ms");
    Ok(())
}
