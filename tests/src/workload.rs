//! A Service and the backends behind it.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::{Context, Result, bail};

use crate::{
    World,
    certificates::Certificate,
    echo::{Echo, backend_address},
    objects::{self, Conditions, Port},
};

/// A Service without selector; each backend has an EndpointSlice of its own, with its own port.
pub struct Workload<'world> {
    world: &'world World,
    /// The name of the Service.
    pub name: String,
    ports: Vec<Port>,
    backends: BTreeMap<String, Vec<Echo>>,
    started: usize,
}

impl<'world> Workload<'world> {
    /// Makes the Service; it has no backend yet.
    pub async fn start(world: &'world World, name: &str, ports: &[Port]) -> Result<Self> {
        world.apply(objects::service(name, ports)).await?;
        Ok(Self { world, name: name.to_owned(), ports: ports.to_vec(), backends: BTreeMap::new(), started: 0 })
    }

    /// Starts one more HTTP backend and tells the API. Returns its name. With several ports, each port's backend is
    /// named `<service>.<port name>-<number>`, so that answers tell them apart.
    pub async fn add(&mut self) -> Result<String> {
        let address = backend_address()?;
        self.add_at(address, Conditions::READY).await
    }

    /// The same at another address, or in another condition.
    pub async fn add_at(&mut self, address: IpAddr, conditions: Conditions) -> Result<String> {
        let pod = self.next_name();
        let mut echoes = Vec::new();
        for Port(port, ..) in &self.ports {
            let answers_as = match self.ports.len() {
                1 => pod.clone(),
                _ => pod.replacen(&self.name, &format!("{}.{port}", self.name), 1),
            };
            echoes.push(Echo::http(&answers_as, address).await?);
        }
        self.enlist(pod, echoes, conditions).await
    }

    /// One more TCP backend.
    pub async fn add_tcp(&mut self) -> Result<String> {
        let pod = self.next_name();
        let echo = Echo::tcp(&pod, backend_address()?).await?;
        self.enlist(pod, vec![echo], Conditions::READY).await
    }

    /// One more TLS backend with this certificate.
    pub async fn add_tls(&mut self, certificate: &Certificate) -> Result<String> {
        let pod = self.next_name();
        let echo = Echo::tls(&pod, backend_address()?, certificate).await?;
        self.enlist(pod, vec![echo], Conditions::READY).await
    }

    /// One more UDP backend.
    pub async fn add_udp(&mut self) -> Result<String> {
        let pod = self.next_name();
        let echo = Echo::udp(&pod, backend_address()?).await?;
        self.enlist(pod, vec![echo], Conditions::READY).await
    }

    /// Changes what the API says of a backend.
    pub async fn set_conditions(&self, pod: &str, conditions: Conditions) -> Result<()> {
        self.publish(pod, conditions).await
    }

    /// Takes a backend's endpoint away. The backend itself answers until the returned value is dropped.
    pub async fn remove(&mut self, pod: &str) -> Result<Vec<Echo>> {
        self.world.delete("EndpointSlice", pod).await?;
        self.backends.remove(pod).with_context(|| format!("there is no backend {pod}"))
    }

    /// The names of its backends, in order.
    pub fn pods(&self) -> Vec<String> {
        self.backends.keys().cloned().collect()
    }

    fn next_name(&mut self) -> String {
        let name = format!("{}-{}", self.name, self.started);
        self.started += 1;
        name
    }

    async fn enlist(&mut self, pod: String, echoes: Vec<Echo>, conditions: Conditions) -> Result<String> {
        self.backends.insert(pod.clone(), echoes);
        self.publish(&pod, conditions).await?;
        Ok(pod)
    }

    async fn publish(&self, pod: &str, conditions: Conditions) -> Result<()> {
        let echoes = self.backends.get(pod).with_context(|| format!("there is no backend {pod}"))?;
        let Some(first) = echoes.first() else { bail!("a backend listens somewhere") };
        let ports: Vec<_> = self.ports.iter().zip(echoes).map(|(port, echo)| (*port, echo.address.port())).collect();
        let slice = objects::endpoint_slice(pod, &self.name, first.address.ip(), &ports, conditions);
        self.world.apply(slice).await?;
        Ok(())
    }
}
