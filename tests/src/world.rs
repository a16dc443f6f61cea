//! What one test has to itself.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{
    core::v1::{Event, Namespace, Secret, Service},
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    certificates::Certificate,
    cluster::{self, Cluster},
    controller::Builder,
    eventually, objects,
    workload::Workload,
};

/// A namespace and a class, on a cluster.
pub struct World {
    /// The API.
    pub cluster: Cluster,
    /// Where all objects of the test are.
    pub namespace: String,
    /// The class that [`World::controller`] serves and that Ingresses get unless they say otherwise.
    pub class: String,
    /// The `spec.controller` of that class.
    pub controller_name: String,
}

impl World {
    /// A world of its own. The name shows in the names of its objects.
    pub async fn start(name: &str) -> Result<Self> {
        Self::on(Cluster::start().await?, name).await
    }

    /// A world on an in-memory API, for tests of what a real one cannot be asked to do.
    pub async fn start_dev(name: &str) -> Result<Self> {
        Self::on(Cluster::start_dev().await?, name).await
    }

    /// A world of the same names on another in-memory API.
    pub async fn twin(&self) -> Result<Self> {
        Self::named(Cluster::start_dev().await?, self.namespace.clone()).await
    }

    async fn on(cluster: Cluster, name: &str) -> Result<Self> {
        let unique = std::time::UNIX_EPOCH.elapsed()?.as_micros() % 1_000_000_000;
        Self::named(cluster, format!("lb-test-{name}-{unique}")).await
    }

    async fn named(cluster: Cluster, namespace: String) -> Result<Self> {
        let controller_name = format!("lb-controller.io/{namespace}");
        let world = Self { cluster, class: namespace.clone(), namespace, controller_name };
        world.add_namespace(&world.namespace).await?;
        world.apply(objects::ingress_class(&world.class, &world.controller_name, false)).await?;
        Ok(world)
    }

    /// Makes a namespace beside the world's own.
    pub async fn add_namespace(&self, name: &str) -> Result<()> {
        let object = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        let made = Api::<Namespace>::all(self.client()).create(&PostParams::default(), &object).await;
        made.with_context(|| format!("cannot create the namespace {name}"))?;
        Ok(())
    }

    /// A client of the API.
    pub fn client(&self) -> Client {
        self.cluster.client()
    }

    /// The test's Ingresses, Services and so on.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// A controller of the world's class; it does not run yet.
    pub fn controller(&self) -> Builder<'_> {
        Builder::new(self)
    }

    /// Creates an object or replaces it. Returns it as the API stored it.
    pub async fn apply(&self, object: impl Into<Value>) -> Result<DynamicObject> {
        self.apply_in(&self.namespace, object).await
    }

    /// The same in another namespace.
    pub async fn apply_in(&self, namespace: &str, object: impl Into<Value>) -> Result<DynamicObject> {
        let mut object: Value = object.into();
        if object["kind"] == "Ingress"
            && let Some(spec) = object["spec"].as_object_mut()
        {
            match spec.get("ingressClassName") {
                None => _ = spec.insert("ingressClassName".to_owned(), json!(self.class)),
                // Asked for: no class at all.
                Some(Value::Null) => _ = spec.remove("ingressClassName"),
                Some(_) => {}
            }
        }
        let kind = object["kind"].as_str().context("an object has a kind")?.to_owned();
        let name = object["metadata"]["name"].as_str().context("an object has a name")?.to_owned();
        let api = self.dynamic(&kind, namespace)?;
        if kind != "IngressClass" {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let label = format!("{kind} {name}");
        // The controller may write a status between the look and the write.
        loop {
            let present = api.get_opt(&name).await.with_context(|| format!("cannot get {label}"))?;
            let stored = match present {
                None => api.create(&PostParams::default(), &serde_json::from_value(object.clone())?).await,
                Some(present) => {
                    object["metadata"]["resourceVersion"] = json!(present.metadata.resource_version);
                    if kind == "Service" {
                        let address = &present.data["spec"]["clusterIP"];
                        object["spec"]["clusterIP"] = address.clone();
                    }
                    api.replace(&name, &PostParams::default(), &serde_json::from_value(object.clone())?).await
                }
            };
            match stored {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                stored => return stored.with_context(|| format!("cannot apply {label}")),
            }
        }
    }

    /// Deletes an object; one that is not there is an error.
    pub async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.delete_in(&self.namespace, kind, name).await
    }

    /// The same in another namespace.
    pub async fn delete_in(&self, namespace: &str, kind: &str, name: &str) -> Result<()> {
        let deleted = self.dynamic(kind, namespace)?.delete(name, &DeleteParams::default()).await;
        deleted.with_context(|| format!("cannot delete {kind} {name}"))?;
        Ok(())
    }

    fn dynamic(&self, kind: &str, namespace: &str) -> Result<Api<DynamicObject>> {
        let resource = match kind {
            "Ingress" => ApiResource::erase::<Ingress>(&()),
            "Service" => ApiResource::erase::<Service>(&()),
            "EndpointSlice" => ApiResource::erase::<EndpointSlice>(&()),
            "Secret" => ApiResource::erase::<Secret>(&()),
            "IngressClass" => return Ok(Api::all_with(self.client(), &ApiResource::erase::<IngressClass>(&()))),
            other => bail!("the harness knows no kind {other}"),
        };
        Ok(Api::namespaced_with(self.client(), namespace, &resource))
    }

    /// A Service with port 80 and so many HTTP backends, named `<name>-0`, `<name>-1` and so on.
    pub async fn workload(&self, name: &str, replicas: usize) -> Result<Workload<'_>> {
        let mut workload = Workload::start(self, name, &[objects::HTTP]).await?;
        for _ in 0..replicas {
            workload.add().await?;
        }
        Ok(workload)
    }

    /// A Service with port 80 whose pods would listen on this port. There are none: for providers that do not ask.
    pub async fn service(&self, name: &str, target_port: u16) -> Result<()> {
        self.apply(objects::targeted_service(name, target_port)).await?;
        Ok(())
    }

    /// A TLS Secret with this certificate.
    pub async fn tls_secret(&self, name: &str, certificate: &Certificate) -> Result<()> {
        self.apply(objects::tls_secret(name, &certificate.chain, &certificate.key)).await?;
        Ok(())
    }

    /// What the status of an Ingress says of addresses.
    pub async fn addresses(&self, ingress: &str) -> Result<Vec<String>> {
        let ingress = self.api::<Ingress>().get(ingress).await?;
        let status = ingress.status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
        let addresses = status.unwrap_or_default().into_iter();
        Ok(addresses.filter_map(|address| address.ip.or(address.hostname)).collect())
    }

    /// Waits until an Ingress has an address.
    pub async fn published(&self, ingress: &str) -> Result<Vec<String>> {
        eventually(format!("Ingress {ingress} gets an address"), async || {
            let addresses = self.addresses(ingress).await?;
            if addresses.is_empty() {
                bail!("it has none");
            }
            Ok(addresses)
        })
        .await
    }

    /// The Events about an object that warn.
    pub async fn warnings(&self, kind: &str, name: &str) -> Result<Vec<Event>> {
        let events = self.api::<Event>().list(&ListParams::default()).await?;
        let about = |event: &Event| {
            event.involved_object.kind.as_deref() == Some(kind) && event.involved_object.name.as_deref() == Some(name)
        };
        Ok(events.items.into_iter().filter(|event| event.type_.as_deref() == Some("Warning") && about(event)).collect())
    }

    /// Waits for an Event that warns about an Ingress and says all of these words.
    pub async fn warned(&self, ingress: &str, words: &[&str]) -> Result<Event> {
        eventually(format!("Ingress {ingress} is warned of {words:?}"), async || {
            let events = self.warnings("Ingress", ingress).await?;
            let messages: Vec<_> = events.iter().map(|event| event.message.clone().unwrap_or_default()).collect();
            let says =
                |event: &Event| words.iter().all(|word| event.message.as_deref().unwrap_or_default().contains(word));
            events.into_iter().find(says).with_context(|| format!("its warnings are {messages:?}"))
        })
        .await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.cluster.is_real() {
            return;
        }
        let (kubeconfig, namespace, class) =
            (self.cluster.kubeconfig().to_owned(), self.namespace.clone(), self.class.clone());
        let clean = move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = cluster::client(&kubeconfig).await?;
                let parameters = DeleteParams::default();
                Api::<IngressClass>::all(client.clone()).delete(&class, &parameters).await?;
                Api::<Namespace>::all(client).delete(&namespace, &parameters).await?;
                Ok(())
            })
        };
        // The runtime of the test cannot block here; a thread can.
        match std::thread::spawn(clean).join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("namespace {} was left behind: {error:#}", self.namespace),
            Err(_) => eprintln!("namespace {} was left behind", self.namespace),
        }
    }
}
