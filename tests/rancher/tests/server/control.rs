//! What people and demos do through `/control/`.

use anyhow::Result;
use lb_rancher_double::{Host, Rancher, ServerOptions};
use serde_json::{Value, json};

use crate::world::{Answer, PROJECT, World, eventually, send_plain};

const FIRST: &str = "203.0.113.1";
const SECOND: &str = "203.0.113.2";

async fn world() -> World {
    World::with(ServerOptions { control: true, ..ServerOptions::with_speed(100.0) }).await
}

async fn control(world: &World, method: &str, path: &str, body: Value) -> Result<Answer> {
    send_plain(world.server.address(), method, &format!("/control{path}"), &body).await
}

fn add_host(rancher: &Rancher, address: &str) -> String {
    rancher.add_host(PROJECT, Host { name: address.to_owned(), addresses: vec![address.to_owned()], ..Host::default() })
}

async fn with_load_balancer() -> Result<World> {
    let world = world().await;
    add_host(&world.rancher, FIRST);
    let stack = world.create_stack("lbs").await?.json()?["id"].clone();
    let body = json!({
        "name": "web", "stackId": stack, "startOnCreate": true, "scale": 1,
        "launchConfig": {"imageUuid": "docker:rancher/lb-service-haproxy:v0.9.14", "ports": ["80:80"]},
        "lbConfig": {"portRules": []},
    });
    let created = world.send("POST", "/loadbalancerservices", &body).await?;
    assert_eq!(created.status, 201, "{:?}", created.json()?);
    eventually("an address", async || addresses(&world).await.is_ok_and(|all| all == [FIRST])).await;
    Ok(world)
}

async fn addresses(world: &World) -> Result<Vec<String>> {
    let list = control(world, "GET", "/load-balancers", Value::Null).await?.json()?;
    Ok(serde_json::from_value(list[0]["addresses"].clone())?)
}

#[tokio::test]
async fn load_balancers_are_listed_and_moved() -> Result<()> {
    let world = with_load_balancer().await?;
    add_host(&world.rancher, SECOND);
    let list = control(&world, "GET", "/load-balancers", Value::Null).await?.json()?;
    assert_eq!((&list[0]["name"], &list[0]["state"]), (&json!("web"), &json!("active")));
    let moved = control(&world, "POST", "/load-balancers/web/move", json!({"to": SECOND})).await?;
    assert_eq!(moved.status, 200, "{:?}", moved.json()?);
    eventually("the other address", async || addresses(&world).await.is_ok_and(|all| all == [SECOND])).await;
    assert!(world.server.recording().count("*", "/control/**") == 0, "no part of what Rancher was asked");
    Ok(())
}

#[tokio::test]
async fn requests_are_counted_and_writes_told() -> Result<()> {
    let world = with_load_balancer().await?;
    let asked = control(&world, "GET", "/requests", Value::Null).await?.json()?;
    let writes: Vec<&str> = asked["writes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(asked["next"], asked["requests"]);
    assert!(matches!(writes[..], [stack, balancer] if stack.contains("lbs") && balancer.contains("web")), "{writes:?}");
    let since = format!("/requests?since={}", asked["next"]);
    let none = control(&world, "GET", &since, Value::Null).await?.json()?;
    assert_eq!(none, json!({"next": asked["next"], "requests": 0, "writes": []}));
    world.create_stack("late").await?;
    let one = control(&world, "GET", &since, Value::Null).await?.json()?;
    assert_eq!((&one["requests"], one["writes"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    Ok(())
}

#[tokio::test]
async fn a_removed_host_loses_its_load_balancers() -> Result<()> {
    let world = with_load_balancer().await?;
    add_host(&world.rancher, SECOND);
    assert_eq!(control(&world, "DELETE", &format!("/hosts/{FIRST}"), Value::Null).await?.status, 200);
    eventually("the other address", async || addresses(&world).await.is_ok_and(|all| all == [SECOND])).await;
    let hosts = control(&world, "GET", "/hosts", Value::Null).await?.json()?;
    assert!(hosts.as_array().is_some_and(|hosts| hosts.iter().any(|host| host["address"] == SECOND)));
    Ok(())
}

#[tokio::test]
async fn mistakes_are_told_with_what_would_be_right() -> Result<()> {
    let world = with_load_balancer().await?;
    for (method, path, body, status, words) in [
        ("POST", "/load-balancers/none/move", json!({"to": FIRST}), 404, "there are: web"),
        ("POST", "/load-balancers/web/move", json!({"to": "192.0.2.9"}), 404, FIRST),
        ("POST", "/load-balancers/web/move", json!({"towards": FIRST}), 400, "unknown field `towards`"),
        ("DELETE", "/hosts/none", Value::Null, 404, FIRST),
        ("PUT", "/faults", json!({"rules": [{"fault": {"status": 99}}]}), 400, "between 200 and 599"),
        ("PUT", "/faults", json!({"chaos": 1, "probability": 7}), 400, "between 0 and 1"),
        ("GET", "/requests?since=noon", Value::Null, 400, "a number"),
        ("GET", "/nothing", Value::Null, 404, "/control/load-balancers"),
    ] {
        let answer = control(&world, method, path, body).await?;
        assert_eq!(answer.status, status, "{method} {path}");
        let error = answer.json()?["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(words), "{method} {path}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn faults_are_switched_on_and_off() -> Result<()> {
    let world = world().await;
    let rule = json!({"method": "POST", "path": "/stacks", "fault": {"status": 503}, "times": 1});
    let on = control(&world, "PUT", "/faults", json!({"rules": [rule]})).await?;
    assert_eq!(on.json()?, json!(["POST /stacks: status 503"]));
    assert_eq!(world.create_stack("web").await?.status, 503);
    assert_eq!(world.create_stack("web").await?.status, 201);
    control(&world, "PUT", "/faults", json!({"chaos": 3, "probability": 1.0})).await?;
    assert_eq!(
        control(&world, "GET", "/faults", Value::Null).await?.json()?,
        json!(["chaos with seed 3 and probability 1"])
    );
    assert_eq!(control(&world, "DELETE", "/faults", Value::Null).await?.json()?, json!([]));
    assert_eq!(world.create_stack("calm").await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn without_the_option_there_is_no_control() -> Result<()> {
    let world = World::start().await;
    assert!(control(&world, "GET", "/faults", Value::Null).await?.status >= 400);
    Ok(())
}
