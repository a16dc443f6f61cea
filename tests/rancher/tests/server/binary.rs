//! The program `rancher-double`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, Result};
use lb_devcluster::DevCluster;
use lb_rancher_double::Key;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::world::{eventually, send_over, send_plain, within};

/// Starts it; what it prints first, as variables.
async fn start(arguments: &[&str]) -> Result<(Child, BTreeMap<String, String>)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rancher-double"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let mut variables = BTreeMap::new();
    while variables.len() < 3 {
        let line = within("a variable", lines.next_line()).await?.context("three lines")?;
        let (name, value) = line.split_once('=').context("NAME=value")?;
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok((child, variables))
}

#[tokio::test]
async fn it_prints_how_to_reach_it_and_each_write() -> Result<()> {
    let arguments = ["--host", "203.0.113.1", "--host", "203.0.113.2", "--speed", "100", "--verbose"];
    let (mut child, variables) = start(&arguments).await?;
    let url: hyper::Uri = variables["CATTLE_URL"].parse()?;
    assert_eq!(url.path(), "/v2-beta/projects/1a5");
    let address = url.authority().context("an address")?.as_str().parse()?;
    let key = Key { access: variables["CATTLE_ACCESS_KEY"].clone(), secret: variables["CATTLE_SECRET_KEY"].clone() };

    let request = hyper::Request::post(format!("{}/stacks", url.path()))
        .header("Host", url.authority().context("an address")?.as_str())
        .header("Authorization", crate::world::authorization(&key))
        .body(http_body_util::Full::new(json!({"name": "web"}).to_string().into()))?;
    assert_eq!(send_over(tokio::net::TcpStream::connect(address).await?, &request).await?.status, 201);
    let mut lines = BufReader::new(child.stderr.take().context("its log")?).lines();
    let line = within("a line for the write", lines.next_line()).await?.context("a line")?;
    assert!(line.contains("POST") && line.contains("stack") && line.contains("web"), "{line}");
    assert!(!line.contains(&key.secret));

    let hosts = send_plain(address, "GET", "/control/hosts", &Value::Null).await?.json()?;
    let addresses: Vec<&Value> = hosts.as_array().context("a list")?.iter().map(|host| &host["address"]).collect();
    assert_eq!(addresses, ["203.0.113.1", "203.0.113.2"]);
    Ok(())
}

#[tokio::test]
async fn it_waits_for_the_kubeconfig() -> Result<()> {
    let path = std::env::temp_dir().join(format!("rancher-double-{}.kubeconfig", std::process::id()));
    let arguments = ["--speed", "100", "--verbose", "--kubeconfig", path.to_str().context("a path in UTF-8")?];
    let (_child, variables) = start(&arguments).await?;
    let cluster = DevCluster::start(lb_devcluster::Options::default()).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"ports": [{"port": 80}]},
    });
    cluster.apply_manifest("test", service).await?;
    let staged = path.with_extension("staged");
    std::fs::write(&staged, cluster.kubeconfig())?;
    std::fs::rename(&staged, &path)?;

    let url: hyper::Uri = variables["CATTLE_URL"].parse()?;
    let address: SocketAddr = url.authority().context("an address")?.as_str().parse()?;
    let key = Key { access: variables["CATTLE_ACCESS_KEY"].clone(), secret: variables["CATTLE_SECRET_KEY"].clone() };
    let request = hyper::Request::get(format!("{}/kubernetesservices", url.path()))
        .header("Host", address.to_string())
        .header("Authorization", crate::world::authorization(&key))
        .body(http_body_util::Full::default())?;
    let names = async || -> Result<Vec<String>> {
        let answer = send_over(tokio::net::TcpStream::connect(address).await?, &request).await?.json()?;
        let data = answer["data"].as_array().context("a list")?;
        Ok(data.iter().filter_map(|row| Some(row["name"].as_str()?.to_owned())).collect())
    };
    eventually("the Service in Rancher", async || {
        names().await.is_ok_and(|names| names.iter().any(|name| name == "web"))
    })
    .await;
    std::fs::remove_file(&path)?;
    Ok(())
}
