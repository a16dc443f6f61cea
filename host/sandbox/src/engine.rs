use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::{Cache, CacheConfig, Config, Engine};

use crate::{ControllerIdentity, Error, ProviderClock, directory::Directories};

/// How long one tick of the computing clock is.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Stack that is left for functions of the host below what the provider may use. They run on the provider's stack.
const HOST_STACK: usize = 2 << 20;

/// Address space of one linear memory; one that grows beyond is moved.
const MEMORY_RESERVATION: u64 = 64 << 20;

/// How a [`Sandbox`] is set up.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// Where compiled providers are kept from one start to the next; made if it is not there. They are native code, so
    /// it must be writable by nobody else. `None`: compile anew at each start.
    pub cache_dir: Option<PathBuf>,
    /// Who the providers work for, for those that ask.
    pub controller: ControllerIdentity,
    /// What providers are told of the time.
    pub clock: ProviderClock,
}

/// Loads providers: the engine, the cache of compiled components, and the directories that providers hold. Cheap to
/// clone; all clones are one sandbox.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    cache: Option<Cache>,
    /// By stack size, which is a property of an engine.
    engines: Mutex<HashMap<usize, Engine>>,
    directories: Directories,
    controller: ControllerIdentity,
    clock: ProviderClock,
}

impl Sandbox {
    /// Sets it up.
    ///
    /// # Errors
    /// [`Error::Cache`] if the cache's directory cannot be used.
    pub fn new(options: SandboxOptions) -> Result<Self, Error> {
        let SandboxOptions { cache_dir, controller, clock } = options;
        let cache = cache_dir.as_deref().map(open_cache).transpose()?;
        Ok(Self(Arc::new(Inner {
            cache,
            engines: Mutex::default(),
            directories: Directories::default(),
            controller,
            clock,
        })))
    }

    pub(crate) fn controller(&self) -> ControllerIdentity {
        self.0.controller.clone()
    }

    pub(crate) fn clock(&self) -> ProviderClock {
        self.0.clock.clone()
    }

    pub(crate) fn directories(&self) -> &Directories {
        &self.0.directories
    }

    /// The engine whose instances have this much stack.
    pub(crate) fn engine(&self, stack_bytes: usize) -> Result<Engine, Error> {
        // A poisoned map is whole: it is only ever inserted into.
        let mut engines = self.0.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&stack_bytes) {
            return Ok(engine.clone());
        }
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .epoch_interruption(true)
            .memory_reservation(MEMORY_RESERVATION)
            .max_wasm_stack(stack_bytes)
            .async_stack_size(stack_bytes + HOST_STACK)
            .cache(self.0.cache.clone());
        let engine = Engine::new(&config).map_err(|error| Error::Engine(format!("{error:#}")))?;
        tick(&engine).map_err(|error| Error::Engine(format!("cannot start the thread of its clock: {error}")))?;
        engines.insert(stack_bytes, engine.clone());
        Ok(engine)
    }
}

/// Advances the engine's epoch until the engine is gone. A thread of its own, because a runtime whose workers all
/// compute would not run a task.
fn tick(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    let run = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new().name("sandbox-clock".to_owned()).spawn(run).map(drop)
}

fn open_cache(path: &Path) -> Result<Cache, Error> {
    let refused = |reason: String| Error::Cache { path: path.to_owned(), reason };
    let prepare = || -> io::Result<(PathBuf, u32)> {
        // The cache alone is private: beside it lie directories that programs of other users read.
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let path = path.canonicalize()?;
        let mode = fs::metadata(&path)?.permissions().mode();
        Ok((path, mode))
    };
    let (directory, mode) = prepare().map_err(|error| refused(error.to_string()))?;
    if mode & 0o002 != 0 {
        return Err(refused("everybody may write to it, and it holds native code; run `chmod o-w` on it".to_owned()));
    }
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config).map_err(|error| refused(format!("{error:#}")))
}
