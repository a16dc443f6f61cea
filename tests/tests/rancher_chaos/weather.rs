//! What goes wrong between the controller and Rancher, for a while.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use lb_rancher_double::{Chaos, Fault, Latency, Route, Rule};
use lb_tests::rancher::Rancher;
use serde_json::json;

/// How long the controller waits for an answer, in milliseconds.
pub(crate) const DEADLINE: u32 = 1000;
/// Longer than that.
const TOO_LONG: Duration = Duration::from_millis(1400);

const ROUTES: [(&str, &str); 9] = [
    ("GET", "/loadbalancerservices"),
    ("POST", "/loadbalancerservices"),
    ("PUT", "/loadbalancerservices/*"),
    ("WRITE", "/loadbalancerservices/**"),
    ("DELETE", "/loadbalancerservices/*"),
    ("*", "/certificates/**"),
    ("GET", "/kubernetesservices"),
    ("*", "/stacks/**"),
    ("GET", "/subscribe"),
];

/// Ends all that went wrong.
pub(crate) async fn clear(rancher: &Rancher) -> Result<()> {
    rancher.server.faults().clear();
    rancher.server.set_latency(Latency { fixed: Duration::from_millis(1), jitter: Duration::from_millis(19) });
    rancher.server.restart().await?;
    Ok(())
}

/// Lets something else go wrong than before, or more than before, or nothing. Gives its name.
pub(crate) async fn change(rancher: &Rancher, random: &mut Rng) -> Result<String> {
    let server = &rancher.server;
    if random.bool() {
        clear(rancher).await?;
    }
    Ok(match random.u8(..12) {
        0 => {
            clear(rancher).await?;
            "calm".to_owned()
        }
        1..4 => {
            let probability = 0.05 + random.f64() * 0.4;
            let chaos = Chaos::seeded(random.u64(..)).with_probability(probability).with_pause(TOO_LONG);
            server.faults().set_chaos(Some(chaos));
            format!("chaos with probability {probability:.2}")
        }
        4..8 => {
            let (method, path) = ROUTES[random.usize(..ROUTES.len())];
            let rule = Rule::always(Route::new(method, path), fault(method, random));
            let rule = if random.bool() { rule.times(random.u64(1..5)) } else { rule.with_probability(0.7) };
            let told = format!("{rule:?}");
            server.faults().add(rule);
            told
        }
        8 => {
            let jitter = Duration::from_millis(random.u64(100..400));
            server.set_latency(Latency { fixed: Duration::from_millis(20), jitter });
            format!("answers take up to {jitter:?} more")
        }
        9 => {
            server.stop().await;
            "Rancher is away".to_owned()
        }
        10 => {
            server.drop_connections().await;
            "connections break".to_owned()
        }
        _ => {
            server.disconnect_subscribers();
            "event streams break".to_owned()
        }
    })
}

/// Each kind that there is.
fn fault(method: &str, random: &mut Rng) -> Fault {
    match random.u8(..if method == "GET" { 12 } else { 14 }) {
        0 => Fault::Status(500),
        1 => Fault::Status(503),
        2 => Fault::Status(429),
        3 => Fault::ProxyPage(504),
        4 => Fault::HangBefore(TOO_LONG),
        5 => Fault::HangAfter(TOO_LONG),
        6 => Fault::ResetBefore,
        7 => Fault::ResetAfter,
        8 => Fault::Delay(Duration::from_millis(random.u64(100..1500))),
        9 => Fault::Truncated,
        10 => Fault::CutBody,
        11 => Fault::SlowBody { bytes_per_second: 500 },
        12 => Fault::Status(409),
        // Somebody scales what the controller is about to write.
        _ => Fault::before(|rancher, request| {
            let id = request.target.rsplit('/').next().unwrap_or_default();
            if rancher.row(id).is_some_and(|row| row["type"] == "loadBalancerService") {
                rancher.edit(id, &json!({"scale": 2}));
            }
        }),
    }
}
