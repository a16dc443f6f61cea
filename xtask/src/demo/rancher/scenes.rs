//! What the demo shows. Each scene checks what it claims.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Stage, double::LoadBalancer, trail::Trail};
use crate::terminal::{Step, dim, green, human, table};

/// The Ingresses of the examples, and how many addresses each gets.
const INGRESSES: [(&str, usize); 3] = [("portslb", 1), ("scaledlb", 2), ("test", 1)];
/// The Secret of `shop-tls.yaml` with another key.
pub(crate) const RENEWED: &str = include_str!("renewed.yaml");
const LATE: &str = include_str!("late.yaml");
const OUTAGE: Duration = Duration::from_secs(5);
/// How long nothing must be asked until a scene counts as over.
const QUIET: Duration = Duration::from_millis(1500);

/// Each Ingress gets a load balancer, and that one's addresses.
pub(crate) fn ingresses(stage: &mut Stage) -> Result<()> {
    let Stage { controller, double, .. } = stage;
    let mut trail = Trail::default();
    let mut step = Step::begin("every Ingress gets its addresses");
    let balancers = controller.watch("every Ingress has its addresses", &mut step, |controller, step| {
        let balancers = double.load_balancers()?;
        for balancer in &balancers {
            trail.note(balancer);
        }
        let found: Vec<_> = INGRESSES.iter().filter_map(|(name, _)| find(&balancers, name)).cloned().collect();
        step.detail(found.iter().map(|each| each.state.as_str()).collect::<Vec<_>>().join(", "));
        let seen = controller.seen();
        let served = INGRESSES.iter().all(|(name, count)| {
            let addresses = seen.addresses(name);
            addresses.len() == *count && find(&found, name).is_some_and(|each| each.addresses == addresses)
        });
        Ok((served && found.iter().all(|each| each.state == "active")).then_some(found))
    })?;
    step.done(&format!("{} load balancers", balancers.len()));
    controller.show_ingresses();
    let [first, ..] = &balancers[..] else { bail!("there are Ingresses") };
    println!("\n  {}", dim(&format!("in Rancher: {}", trail.of(&first.name))));
    settle(stage, "Ingresses")?;
    Ok(())
}

/// What Rancher was made to have.
pub(crate) fn load_balancers(stage: &Stage) -> Result<()> {
    let balancers = stage.double.load_balancers()?;
    let mut rows = Vec::new();
    for balancer in &balancers {
        let LoadBalancer { name, state, scale, ports, addresses, rules, .. } = balancer;
        let mut rules = rules.iter();
        let first = rules.next().map_or("a stranger's", String::as_str);
        let cells = [name, state, &scale.to_string(), &ports.join(" "), &addresses.join(" "), first];
        rows.push(cells.map(str::to_owned).to_vec());
        rows.extend(rules.map(|rule| [vec![String::new(); 5], vec![rule.clone()]].concat()));
    }
    table(&["NAME", "STATE", "SCALE", "PORTS", "ENDPOINTS", "RULES"], &rows);

    let ours = |name: &str| find(&balancers, name).with_context(|| format!("Rancher has a load balancer of {name}"));
    let (scaled, ports) = (ours("scaledlb")?, ours("portslb")?);
    ensure!(scaled.scale == 2, "scaledlb has the scale {}, not 2", scaled.scale);
    for port in ["99:", "444:"] {
        ensure!(ports.ports.iter().any(|each| each.starts_with(port)), "portslb has the ports {:?}", ports.ports);
    }
    ensure!(balancers.len() == INGRESSES.len() + 1, "there are {} load balancers", balancers.len());
    Ok(())
}

/// The status follows a load balancer to another host, and is never empty on the way.
pub(crate) fn relocation(stage: &mut Stage) -> Result<()> {
    let Stage { controller, double, .. } = stage;
    let balancers = double.load_balancers()?;
    let balancer = find(&balancers, "test").context("test has a load balancer")?;
    let from = balancer.addresses.first().context("it has an address")?.clone();
    let is_free = |host: &String| balancers.iter().all(|balancer| !balancer.addresses.contains(host));
    let to = double.hosts()?.into_iter().find(is_free).context("a host is free")?;
    let mut step = Step::begin(&format!("test, {from} -> {to}"));
    let begun = Instant::now();
    double.control("POST", &format!("/load-balancers/{}/move", balancer.name), &json!({"from": from, "to": to}))?;
    let mut moved = None;
    let mut trail = Trail::default();
    let followed = controller.watch("the status of test follows", &mut step, |controller, _| {
        let now = Instant::now();
        let balancers = double.load_balancers()?;
        let balancer = find(&balancers, "test").context("test has a load balancer")?;
        trail.note(balancer);
        if balancer.addresses == [to.as_str()] {
            moved.get_or_insert(now);
        }
        let seen = controller.seen();
        let published = seen.published.iter().rev().take_while(|each| each.moment > begun);
        let arrived = published.filter(|each| each.name == "test" && each.addresses == to).last();
        let settled = moved.is_some() && balancer.state == "active";
        Ok(arrived.filter(|_| settled).map(|each| each.moment))
    })?;
    let moved = moved.context("it moved")?;
    let late = followed.saturating_duration_since(moved);
    step.done(&format!("Rancher took {}, the status followed {} later", human(moved - begun), human(late)));
    let seen = controller.seen();
    let blank = seen.published.iter().any(|each| each.moment > begun && each.addresses.is_empty());
    ensure!(!blank, "the status of an Ingress was empty for a moment");
    drop(seen);
    println!("  {} no status was empty meanwhile; in Rancher: {}", green("✓"), trail.of(&balancer.name));
    settle(stage, "Move")?;
    Ok(())
}

/// A renewed Secret goes into the certificate that the load balancer already has.
pub(crate) fn renewal(stage: &mut Stage) -> Result<()> {
    let before = stage.double.load_balancers()?;
    let mut step = Step::begin("the Secret shop-tls is renewed");
    stage.manifests.put("shop-tls.yaml", RENEWED)?;
    let Stage { controller, double, ledger, .. } = stage;
    controller.watch("the certificate in Rancher is renewed", &mut step, |_, _| {
        let writes = ledger.look(double)?.writes;
        Ok(writes.iter().any(|write| concerns(write, "PUT", "certificate")).then_some(()))
    })?;
    step.done("");
    let writes = settle(stage, "Renewal")?;
    let made = writes.iter().filter(|write| write.starts_with("POST")).count();
    let ids = |balancers: &[LoadBalancer]| balancers.iter().map(|each| each.id.clone()).collect::<Vec<_>>();
    ensure!(made == 0, "something was made anew: {writes:?}");
    ensure!(ids(&before) == ids(&stage.double.load_balancers()?), "a load balancer was made anew");
    let certificates = stage.double.api("GET", "/certificates", &Value::Null)?;
    let wanted = RENEWED.lines().skip_while(|line| !line.contains("BEGIN CERTIFICATE")).nth(1).unwrap_or_default();
    let holds = |certificate: &Value| certificate["cert"].as_str().is_some_and(|text| text.contains(wanted.trim()));
    ensure!(certificates["data"].as_array().into_iter().flatten().any(holds), "Rancher lacks the new certificate");
    stage.ledger.skip(&stage.double)?;
    println!("  {} the same load balancer, the same certificate, a new key in it", green("✓"));
    Ok(())
}

/// Rancher fails while an Ingress is made, then loses the answer to the create: no status changes, nothing is doubled.
pub(crate) fn outage(stage: &mut Stage) -> Result<()> {
    let Stage { controller, double, manifests, ledger, .. } = stage;
    let published = controller.seen().published.len();
    let mut step = Step::begin(&format!("{} of 503, an Ingress made meanwhile", human(OUTAGE)));
    let begun = Instant::now();
    double.control("PUT", "/faults", &json!({"rules": [{"fault": {"status": 503}}]}))?;
    manifests.put("late.yaml", LATE)?;
    let refused = controller.watch("the end of the outage", &mut step, |_, step| {
        let requests = ledger.look(double)?.requests;
        step.detail(format!("{requests} requests refused"));
        Ok((begun.elapsed() >= OUTAGE).then_some(requests))
    })?;
    ensure!(refused > 0, "nothing was asked while the API was out of order");
    step.done(&format!("{refused} requests refused"));
    // The only one that may have come in is that of the new Ingress, without an address.
    let seen = controller.seen();
    let changed = seen.published[published..].iter().find(|each| each.name != "late" || !each.addresses.is_empty());
    if let Some(changed) = changed {
        bail!("the outage changed the status of {} to {:?}", changed.name, changed.addresses);
    }
    drop(seen);
    println!("  {} every status stayed as it was", green("✓"));

    let mut step = Step::begin("it works again, but an answer is lost");
    let lost = json!({"method": "POST", "path": "/loadbalancerservices", "fault": "reset-after", "times": 1});
    double.control("PUT", "/faults", &json!({"rules": [lost]}))?;
    let address = controller.watch("late has an address", &mut step, |controller, step| {
        let balancers = double.load_balancers()?;
        step.detail(find(&balancers, "late").map_or("", |balancer| &balancer.state));
        Ok(controller.seen().addresses("late").into_iter().next())
    })?;
    let left = double.control("GET", "/faults", &Value::Null)?;
    ensure!(left == json!([]), "the answer was not lost: {left}");
    step.done(&format!("late got {address}"));
    let writes = settle(stage, "Outage")?;
    let lost = writes.iter().filter(|write| concerns(write, "POST", "loadBalancerService")).count();
    let all = stage.double.load_balancers()?;
    let made = all.iter().filter(|balancer| is_of(balancer, "late")).count();
    ensure!(made == 1 && all.len() == INGRESSES.len() + 2, "{made} load balancers of late, {} in all", all.len());
    ensure!(lost == 1, "{lost} load balancers were made for one Ingress: {writes:?}");
    println!("  {} one load balancer for it, made by one create whose answer never came", green("✓"));
    Ok(())
}

/// The controller looks at everything by the clock, and finds nothing to do.
pub(crate) fn idle(stage: &mut Stage) -> Result<()> {
    let Stage { controller, double, ledger, .. } = stage;
    let mut step = Step::begin("until the next look at everything");
    step.detail("at most a minute");
    controller.watch("the controller looks at everything", &mut step, |_, _| {
        Ok((ledger.look(double)?.requests > 0).then_some(()))
    })?;
    step.done("");
    let writes = settle(stage, "Idle")?;
    ensure!(writes.is_empty(), "an idle controller wrote: {writes:?}");
    println!("  {} everything was looked at, nothing was written", green("✓"));
    Ok(())
}

/// A deleted Ingress takes its load balancer along, and no other.
pub(crate) fn removal(stage: &mut Stage) -> Result<()> {
    let Stage { controller, double, manifests, .. } = stage;
    let before = double.load_balancers()?;
    let balancer = find(&before, "test").context("test has a load balancer")?.clone();
    let mut trail = Trail::default();
    let mut step = Step::begin("the load balancer of test goes");
    manifests.remove("simplelb.yaml")?;
    controller.watch("the load balancer of test is gone", &mut step, |controller, step| {
        let balancers = double.load_balancers()?;
        let Some(balancer) = find(&balancers, "test") else {
            let gone = !controller.seen().ingresses.contains_key(&("default".to_owned(), "test".to_owned()));
            return Ok(gone.then_some(()));
        };
        trail.note(balancer);
        step.detail(balancer.state.as_str());
        Ok(None)
    })?;
    step.done(&format!("{} -> removed", trail.of(&balancer.name)));
    ensure!(double.load_balancers()?.len() == before.len() - 1, "more than one load balancer is gone");
    controller.show_ingresses();
    settle(stage, "Removal")?;
    Ok(())
}

/// Waits until nothing is asked any more, and closes the scene's account; returns its writes.
fn settle(stage: &mut Stage, scene: &'static str) -> Result<Vec<String>> {
    let mut step = Step::begin("all is quiet again");
    let (mut count, mut since) = (stage.ledger.look(&stage.double)?.requests, Instant::now());
    while since.elapsed() < QUIET {
        let now = stage.ledger.look(&stage.double)?.requests;
        if now != count {
            (count, since) = (now, Instant::now());
        }
        step.tick();
        thread::sleep(Duration::from_millis(50));
    }
    let asked = stage.ledger.enter(scene, &stage.double)?;
    step.done(&format!("{} requests, {} of them writes", asked.requests, asked.writes.len()));
    Ok(asked.writes.clone())
}

fn find<'a>(balancers: &'a [LoadBalancer], ingress: &str) -> Option<&'a LoadBalancer> {
    balancers.iter().find(|balancer| is_of(balancer, ingress))
}

/// The names of our load balancers begin with namespace and name of the Ingress.
fn is_of(balancer: &LoadBalancer, ingress: &str) -> bool {
    balancer.name.starts_with(&format!("default-{ingress}-"))
}

/// Whether a line about a write is of this method and type.
fn concerns(write: &str, method: &str, resource_type: &str) -> bool {
    write.split_whitespace().take(2).eq([method, resource_type])
}
