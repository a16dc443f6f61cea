//! Whether everything is as it is wanted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::networking::v1;
use kube::api::ListParams;
use lb_tests::{
    World,
    rancher::{LoadBalancer, Rancher, STACK, STACK_EXTERNAL_ID, Strangers},
};

use crate::wanted::{Ingress, Wanted};

/// Exactly the wanted load balancers stand, each as it is wanted, and each status tells where.
pub(crate) async fn balancers(world: &World, rancher: &Rancher, strangers: &Strangers, wanted: &Wanted) -> Result<()> {
    let strangers: BTreeSet<_> = strangers.ids().collect();
    let mut standing = BTreeMap::new();
    for balancer in rancher.balancers().into_iter().filter(|balancer| !strangers.contains(balancer.id())) {
        let namespaced = balancer.ingress().split_once('/').with_context(|| format!("{balancer:?} is nobody's"))?;
        let name = match namespaced {
            (namespace, name) if namespace == world.namespace => name.to_owned(),
            _ => bail!("{balancer:?} is of another namespace"),
        };
        ensure!(wanted.ingresses.contains_key(&*name), "nobody wants {balancer:?}");
        if let Some(twin) = standing.insert(name, balancer) {
            bail!("there is another one beside {twin:?}");
        }
    }
    let ingresses = world.api::<v1::Ingress>().list(&ListParams::default()).await?.items;
    ensure!(ingresses.len() == wanted.ingresses.len(), "the test lost count of its Ingresses");
    for object in ingresses {
        let name = object.metadata.name.as_deref().context("an object has a name")?;
        let balancer = standing.get(name).with_context(|| format!("{name} has no load balancer"))?;
        let ingress = wanted.ingresses.get(name).with_context(|| format!("nobody made {name}"))?;
        is_right(rancher, balancer, ingress, &object).with_context(|| format!("of {name}: {balancer:?}"))?;
    }
    let stacks = rancher.stacks();
    let stacks: Vec<_> = stacks.iter().filter(|stack| stack["name"] == STACK).collect();
    ensure!(stacks.len() == 1 && stacks[0]["externalId"] == STACK_EXTERNAL_ID, "the stack is {stacks:?}");
    Ok(())
}

fn is_right(rancher: &Rancher, balancer: &LoadBalancer, wanted: &Ingress, object: &v1::Ingress) -> Result<()> {
    ensure!(balancer.is_active(), "it is {}", balancer.state());
    let uid = object.metadata.uid.as_deref().context("an object has a UID")?;
    ensure!(balancer.external_id().ends_with(&format!("/{uid}")), "it is of another than {uid}");
    let rules: BTreeSet<_> = balancer.rules.iter().cloned().collect();
    ensure!(rules.len() == balancer.rules.len() && rules == wanted.rules(), "it is to serve {:?}", wanted.rules());
    ensure!(balancer.ports() == wanted.ports(), "it listens on {:?}, not {:?}", balancer.ports(), wanted.ports());
    let containers = balancer.row["containers"].as_array().map(Vec::len);
    let scale = wanted.scale();
    ensure!(scale.is_none() || balancer.scale() == scale, "its scale is {:?}, not {scale:?}", balancer.scale());
    let expected = scale.and_then(|scale| usize::try_from(scale).ok()).unwrap_or(crate::HOSTS);
    ensure!(containers == Some(expected), "it has {containers:?} containers, not {expected}");
    for (key, value) in wanted.labels() {
        let label = balancer.labels().remove(key);
        ensure!(label.as_deref() == value, "its label {key} is {label:?}, not {value:?}");
    }
    let certificates = balancer.certificates();
    ensure!(certificates.len() == usize::from(wanted.secret().is_some()), "its certificates are {certificates:?}");
    for (id, secret) in certificates.iter().zip(wanted.secret()) {
        let name = rancher.row(id).unwrap_or_default()["name"].to_string();
        ensure!(name.ends_with(&format!("/{secret}\"")), "its certificate is {name}, not that of {secret}");
    }
    let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    let shown: Vec<_> = status.into_iter().flatten().filter_map(|address| address.ip.clone()).collect();
    ensure!(!shown.is_empty(), "no address is shown");
    let distinct: BTreeSet<_> = shown.iter().cloned().collect();
    let addresses = balancer.addresses();
    ensure!(distinct == addresses && distinct.len() == shown.len(), "it shows {shown:?}, and is at {addresses:?}");
    Ok(())
}

/// Rancher holds the certificates that are used, as they are now, and no others.
pub(crate) fn certificates(rancher: &Rancher, strangers: &Strangers, wanted: &Wanted) -> Result<()> {
    let strangers: BTreeSet<_> = strangers.ids().collect();
    let mut held = BTreeMap::new();
    for row in rancher.certificates() {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        if strangers.contains(&*text("id")) {
            continue;
        }
        ensure!(row["state"] == "active", "{} is {}", row["name"], row["state"]);
        let secret = text("name").rsplit('/').next().unwrap_or_default().to_owned();
        ensure!(held.insert(secret, (text("cert"), text("key"))).is_none(), "{} is there twice", row["name"]);
    }
    let used = wanted.used_secrets();
    let names: BTreeSet<_> = held.keys().map(String::as_str).collect();
    ensure!(names == used, "Rancher holds {names:?}, and {used:?} are used");
    for (name, (chain, key)) in &held {
        let current = wanted.secrets.get(&**name).with_context(|| format!("nobody made {name}"))?;
        let same = chain.trim() == current.chain.trim() && key.trim() == current.key.trim();
        ensure!(same, "{name} is not the certificate that the Secret holds now");
    }
    Ok(())
}
