use anyhow::Result;
use lb_tests::{Controller, World, processes};

use crate::{crowd, report::Report};

const MIB: f64 = 1024.0 * 1024.0;

/// What the host holds of a large cluster. nginx is not counted.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let world = World::start("memory").await?;
    crowd::gather(&world, 12_000, 5).await?;
    let controller = world.controller().log_level("warn").start().await?;
    let ready = resident(&controller)?;
    tokio::select! {
        churned = crowd::churn(&world, 12_000) => churned?,
        () = tokio::time::sleep(std::time::Duration::from_secs(30)) => {}
    }
    report.budget("resident once ready", ready, 64.0, "MiB");
    report.budget("resident after 30 s of churn", resident(&controller)?, 64.0, "MiB");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(crate) fn resident(controller: &Controller) -> Result<f64> {
    Ok(processes::resident(controller.id()?)? as f64 / MIB)
}
