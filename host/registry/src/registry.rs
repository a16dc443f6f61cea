//! Registries, and the cache before them.

pub(crate) mod pull;
pub(crate) mod push;
mod signatures;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    Error, Reference,
    cache::Cache,
    client::{Access, Scope, Session},
};

/// The longest that one pull, push or check of a signature may take.
const TIME_LIMIT: Duration = Duration::from_mins(10);

/// How artifacts are pulled, pushed and kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where artifacts are kept, by digest. It can be shared by processes of one user, and holds nothing that cannot be
    /// pulled again.
    pub cache_dir: PathBuf,
    /// The most that is kept, in bytes; what was used longest ago goes first. 1 GiB by default.
    pub max_cache_bytes: u64,
    /// The largest component that is pulled or pushed, in bytes. 256 MiB by default.
    pub max_component_bytes: u64,
    /// Registries that are spoken to without TLS, as `host` or `host:port`, as they stand in references. One on this
    /// machine need not be named: it is asked whether it has TLS.
    pub plain_http: Vec<String>,
    /// A docker `config.json`, of which `auths` is used. It is read anew for each request to a registry, so that a
    /// mounted Secret may change. Without it everything is asked for anonymously.
    pub docker_config: Option<PathBuf>,
    /// Certificate authorities to trust besides those of the system, as a PEM file.
    pub ca_file: Option<PathBuf>,
}

impl Options {
    /// The defaults, with a directory to keep artifacts in.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            max_cache_bytes: 1 << 30,
            max_component_bytes: 256 << 20,
            plain_http: Vec::new(),
            docker_config: None,
            ca_file: None,
        }
    }
}

/// All registries, by way of one cache. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    cache: Arc<Cache>,
    access: Arc<Access>,
    max_component_bytes: u64,
}

impl Registry {
    /// Opens the cache. Nothing is connected yet.
    pub fn new(options: Options) -> Result<Self, Error> {
        let Options { cache_dir, max_cache_bytes, max_component_bytes, plain_http, docker_config, ca_file } = options;
        let cache = Arc::new(Cache::open(&cache_dir, max_cache_bytes)?);
        let access = Arc::new(Access { plain_http, docker_config, ca_file });
        Ok(Self { cache, access, max_component_bytes })
    }

    fn session<'a>(&'a self, reference: &'a Reference, scope: Scope) -> Session<'a> {
        Session::new(&self.access, reference, scope)
    }

    /// Work of the cache, which waits for the disk.
    async fn cached<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Cache) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let cache = self.cache.clone();
        match spawn_blocking(move || work(&cache)).await {
            Ok(result) => result,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => {
                    let source = io::Error::other(format!("the runtime shuts down: {cancelled}"));
                    Err(Error::Cache { path: self.cache.directory().to_owned(), source })
                }
            },
        }
    }
}

/// Ends what takes too long, however slowly but steadily a registry answers.
async fn within_limit<R>(reference: &Reference, work: impl Future<Output = Result<R, Error>>) -> Result<R, Error> {
    timeout(TIME_LIMIT, work).await.unwrap_or_else(|_elapsed| {
        let reason = format!("it did not finish within {} minutes", TIME_LIMIT.as_secs() / 60);
        Err(Error::Unavailable { registry: reference.registry().to_owned(), reason })
    })
}
