use std::time::Instant;

use anyhow::{Result, ensure};
use lb_tests::{
    Traffic, World, ingress,
    plugins::{self, PluginDirectory},
    prefix, processes,
};

use crate::{
    graph, memory,
    report::{Report, milliseconds},
};

const SWAPS: usize = 10_000;
/// Between two looks at the process.
const EACH: usize = 50;
/// What settles at the start, caches for one, is no leak.
const SETTLED: usize = SWAPS / 10;

/// Two builds take turns, each by one call of the admin API.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let world = World::start("soak").await?;
    let _shop = world.workload("shop", 2).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let directory = PluginDirectory::new()?;
    let controller = world.controller().plugins(directory.path()).log_level("error").start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    directory.replace(&plugins::build(1)?)?;
    controller.post("/v1/providers/nginx/reload").await?;
    let (mut memory, mut descriptors) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for number in 0..SWAPS {
        if number % EACH == 0 {
            memory.push(memory::resident(&controller)?);
            #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
            descriptors.push(processes::descriptors(controller.id()?)? as f64);
        }
        let answer = controller.post("/v1/providers/nginx/rollback").await?;
        ensure!(answer.status == 200, "{}", answer.body);
    }
    let took = start.elapsed();
    let swaps = controller.metric("lb_provider_swaps_total", "outcome=\"swapped\"").await?;
    report.tell("swaps", &format!("{swaps}"));
    #[expect(clippy::cast_precision_loss, reason = "ten thousand")]
    report.tell("one of them, on average", &format!("{:.1} ms", milliseconds(took) / SWAPS as f64));
    let (early, late) = (memory[SETTLED / EACH], memory[memory.len() - 1]);
    report.tell("resident after a tenth of them, and at the end", &format!("{early:.1} MiB, {late:.1} MiB"));
    report.tell("memory", &graph::bars(&memory));
    report.tell("file descriptors", &graph::bars(&descriptors));
    report.tell("requests meanwhile, none of which failed", &traffic.stop().await?.to_string());
    let series = [("resident MiB", "#b33", memory), ("file descriptors", "#36c", descriptors)];
    report.keep("soak.svg", &graph::lines("Swaps of the nginx provider", "0 to 10,000 swaps", &series))
}
