//! The Kubernetes API under test.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use anyhow::{Context, Result};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use lb_devcluster::DevCluster;
use tempfile::TempDir;

/// An in-memory API of this process, or a real one.
pub struct Cluster {
    client: RwLock<Client>,
    kubeconfig: PathBuf,
    dev: Option<(DevCluster, TempDir)>,
}

impl Cluster {
    /// A fresh in-memory API, or the real one that `LB_TEST_KUBECONFIG` names.
    pub async fn start() -> Result<Self> {
        match std::env::var_os("LB_TEST_KUBECONFIG") {
            Some(path) => {
                let kubeconfig = PathBuf::from(path);
                Ok(Self { client: client(&kubeconfig).await?.into(), kubeconfig, dev: None })
            }
            None => Self::start_dev().await,
        }
    }

    /// A fresh in-memory API, for tests of what a real one cannot be asked to do.
    pub async fn start_dev() -> Result<Self> {
        let dev =
            DevCluster::start(lb_devcluster::Options::default()).await.context("cannot start the in-memory API")?;
        let directory = tempfile::tempdir()?;
        let kubeconfig = directory.path().join("kubeconfig");
        std::fs::write(&kubeconfig, dev.kubeconfig())?;
        Ok(Self { client: client(&kubeconfig).await?.into(), kubeconfig, dev: Some((dev, directory)) })
    }

    /// How a program reaches it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The in-memory API; an error if it is a real one.
    pub fn dev(&self) -> Result<&DevCluster> {
        self.dev.as_ref().map(|(dev, _)| dev).context("this takes the in-memory API")
    }

    /// Brings an in-memory API back that was stopped.
    pub async fn resume(&self) -> Result<()> {
        self.dev()?.resume().await.context("cannot resume the in-memory API")?;
        self.reconnect().await
    }

    /// Makes an in-memory API forget what happened before, and drop every connection.
    pub async fn forget_history(&self) -> Result<()> {
        let dev = self.dev()?;
        dev.compact();
        dev.drop_connections();
        self.reconnect().await
    }

    /// The test's own connections are gone as well: a client that finds out with its next request would fail the test.
    async fn reconnect(&self) -> Result<()> {
        let fresh = client(&self.kubeconfig).await?;
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Whether objects stay behind when this process ends.
    pub fn is_real(&self) -> bool {
        self.dev.is_none()
    }
}

pub(crate) async fn client(kubeconfig: &Path) -> Result<Client> {
    let text = Kubeconfig::read_from(kubeconfig).with_context(|| format!("cannot read {}", kubeconfig.display()))?;
    let config = Config::from_custom_kubeconfig(text, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
