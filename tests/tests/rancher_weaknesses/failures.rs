//! One thing goes wrong, and nothing else.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::networking::v1::Ingress;
use lb_rancher_double::{Fault, Host};
use lb_tests::{
    World,
    certificates::self_signed,
    eventually,
    rancher::{LoadBalancer, Rancher},
};
use serde_json::{Value, json};

use super::{WEB, beside, rule_beside, web};

/// In the original a stickiness policy that could not be read made the configuration of all Ingresses fail, silently.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_12_a_bad_annotation_is_told_and_harms_nobody() -> Result<()> {
    const POLICY: &str = "io.rancher.stickiness.policy";
    let world = World::start("stickiness").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(beside("bad", 81).annotation(POLICY, "name: p\ncookie")).await?;
    world.apply(web().annotation(POLICY, "name: p\ncookie: SRV\nmode: insert\nindirect: true")).await?;
    let _controller = rancher.controller(&world).start().await?;
    let served = rancher.serves(&world, "web", &[WEB]).await?;
    let policy = &served.row["lbConfig"]["stickinessPolicy"];
    assert_eq!((&policy["cookie"], &policy["indirect"]), (&json!("SRV"), &json!(true)));
    world.warned("bad", &[POLICY, "line 2"]).await?;
    world.apply(beside("after", 82)).await?;
    rancher.serves(&world, "after", &[&rule_beside("after", 82)]).await?;
    assert!(world.warnings("Ingress", "web").await?.is_empty(), "it is not to blame");
    Ok(())
}

/// The original took a failure of the API for an empty list and wiped the status, showed an address once for each port, and
/// cleared the status when it was asked to end.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_13_a_failing_api_does_not_touch_the_status() -> Result<()> {
    let world = World::start("status").await?;
    let rancher = Rancher::setup().hosts(0).start(&world).await?;
    // Two address records, two ports: four endpoints, one address.
    let addresses = vec!["203.0.113.9".to_owned(), "203.0.113.9".to_owned()];
    rancher.add_host(&rancher.project, Host { name: "twice".to_owned(), addresses, ..Host::default() });
    world.service("shop", 8080).await?;
    world.tls_secret("tls", &self_signed(&["web.test"])?).await?;
    world.apply(web().tls(&["web.test"], "tls")).await?;
    let mut controller = rancher.controller(&world).start().await?;
    rancher.published(&world, "web", &["203.0.113.9"]).await?;
    let endpoints = rancher.balancer(&world, "web")?.row["publicEndpoints"].clone();
    assert!(endpoints.as_array().context("there are endpoints")?.len() > 1, "{endpoints}");
    let ingresses = world.api::<Ingress>();
    let version = async || anyhow::Ok(ingresses.get("web").await?.metadata.resource_version);
    let written = version().await?;

    let failing = rancher.server.faults().always("GET", "/loadbalancerservices", Fault::Status(500));
    let fails = async |times: u64| {
        let before = rancher.server.faults().fired(failing);
        eventually("the API fails", async || {
            rancher.ring();
            let fired = rancher.server.faults().fired(failing) - before;
            ensure!(fired >= times, "{fired} times of {times}");
            Ok(())
        })
        .await
    };
    fails(3).await?;
    assert_eq!(version().await?, written, "while it runs");
    controller.kill()?;
    controller.spawn()?;
    fails(3).await?;
    assert_eq!(version().await?, written, "after a start");
    rancher.server.faults().clear();
    controller.ready().await?;
    rancher.looked(&controller).await?;
    assert!(controller.terminate().await?.success());
    assert_eq!(version().await?, written, "and at the end");
    assert_eq!(world.addresses("web").await?, ["203.0.113.9"]);
    Ok(())
}

/// The original read the first hundred rows of a list and never the rest.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_17_lists_are_read_to_their_end() -> Result<()> {
    // More than the largest page.
    const STRANGERS: usize = 3010;
    let world = World::start("pages").await?;
    let rancher = Rancher::start(&world).await?;
    let stack = rancher.stack();
    for number in 0..STRANGERS {
        let fields = json!({
            "name": format!("stranger-{number}"), "stackId": stack, "lbConfig": {}, "scale": 0,
            "launchConfig": {"imageUuid": "docker:rancher/none"},
        });
        rancher.stranger("loadBalancerService", &fields)?;
    }
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let mut controller = rancher.controller(&world).start().await?;
    // Addresses come by observation, and this one is on the second page.
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    let pages = rancher.asked().of("GET", "/loadbalancerservices");
    ensure!(pages.iter().any(|page| page.target.contains("marker=")), "nobody turned the page: {pages:?}");
    // So is what nobody wants any more.
    controller.kill()?;
    world.delete("Ingress", "web").await?;
    controller.spawn()?;
    rancher.gone(&world, "web").await?;
    assert_eq!(rancher.balancers().len(), STRANGERS);
    Ok(())
}

/// The original panicked when something was gone between two requests, without `lbConfig` or `launchConfig`, and on labels
/// that are no strings.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_18_odd_answers_make_nobody_panic() -> Result<()> {
    let world = World::start("odd").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    for port in [80, 81, 82, 83] {
        world.apply(beside(&format!("web-{port}"), port)).await?;
    }
    let odd = json!({
        "name": "odd", "stackId": rancher.stack(), "lbConfig": {}, "launchConfig": {"imageUuid": "docker:rancher/none"},
    });
    let odd = rancher.stranger("loadBalancerService", &odd)?;
    let odder = json!({"lbConfig": null, "launchConfig": null, "metadata": "text", "publicEndpoints": [null, 3, {}]});
    rancher.edit(&odd, &odder);
    let controller = rancher.controller(&world).start().await?;
    let mut ours = Vec::new();
    for port in [80, 81, 82, 83] {
        let name = format!("web-{port}");
        ours.push(rancher.serves(&world, &name, &[&rule_beside(&name, port)]).await?);
    }
    let labels = json!({"labels": {"a": true, "b": 3, "c": null, "d": {"e": []}}});
    let mut launch_config = ours[0].row["launchConfig"].clone();
    launch_config["labels"] = labels["labels"].clone();
    let edits = [
        json!({"launchConfig": launch_config}),
        json!({"lbConfig": null}),
        json!({"launchConfig": null}),
        json!({"lbConfig": {"portRules": [null, {"sourcePort": "x"}]}, "publicEndpoints": "none", "scale": "many"}),
    ];
    for (balancer, edit) in ours.iter().zip(edits) {
        rancher.edit(balancer.id(), &edit);
    }
    rancher.looked(&controller).await?;
    // Of the second, a change finds it gone between the look and the write.
    let gone = Fault::before(|rancher, request| {
        let id = request.target.rsplit('/').next().unwrap_or_default().to_owned();
        rancher.set_state(&id, "removed");
    });
    rancher.server.faults().once("PUT", "/loadbalancerservices/*", gone);
    for port in [80, 81, 82, 83] {
        world.apply(beside(&format!("web-{port}"), port).annotation("config", "maxconn 100")).await?;
    }
    for port in [80, 81, 83] {
        let name = format!("web-{port}");
        let right = |balancer: &LoadBalancer| {
            balancer.is_active()
                && balancer.rules == [rule_beside(&name, port)]
                && balancer.row["lbConfig"]["config"] == "maxconn 100"
        };
        rancher.becomes(&world, &name, "is right again", right).await?;
    }
    let breaches = controller.metric("lb_provider_breaches_total", "").await?;
    let printed = controller.printed()?;
    assert!(breaches < 1.0 && !printed.contains("panicked"), "{breaches} breaches:\n{printed}");
    assert_eq!(rancher.row(&odd).map(|row| row["metadata"].clone()), Some(Value::from("text")), "it is a stranger's");
    Ok(())
}
