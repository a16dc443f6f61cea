//! The functions that a provider may import, one file for each interface. A linker holds those that were granted, and
//! no others.

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod identity;
mod key_reveal;
mod keys;
pub(crate) mod log;
mod random;
pub(crate) mod rehearsal;
mod services;
pub(crate) mod wasi;

use std::{collections::BTreeMap, sync::Arc};

use lb_model::{bindings::lb_controller::provider as contract, provider::KeySource};
use wasmtime::{
    Engine,
    component::{HasSelf, Linker},
};

use self::{clock::ProviderClock, http::HttpClients, identity::ControllerIdentity, rehearsal::Recorder};
use crate::{
    call::CallContext,
    directory::Directory,
    load::imports::{Capability, Imports},
    service::Service,
};

/// What the operator granted to one provider.
#[derive(Clone)]
pub(crate) struct Granted {
    /// Who the provider works for.
    pub(crate) controller: ControllerIdentity,
    pub(crate) clock: ProviderClock,
    pub(crate) files: Option<GrantedDirectory>,
    /// By the name of the grant.
    pub(crate) services: Arc<BTreeMap<String, Service>>,
    pub(crate) http: HttpClients,
    pub(crate) keys: Arc<dyn KeySource>,
    /// Set where nothing outside may change: what would, is written down instead.
    pub(crate) rehearsal: Option<Arc<Recorder>>,
}

/// The directory, and how much may be in it.
#[derive(Clone)]
pub(crate) struct GrantedDirectory {
    pub(crate) directory: Arc<Directory>,
    pub(crate) max_bytes: u64,
}

/// A linker with what the component imports. [`Imports::check`] has made sure that it is granted.
pub(crate) fn link(engine: &Engine, imports: &Imports) -> wasmtime::Result<Linker<CallContext>> {
    type Context = HasSelf<CallContext>;

    fn context(context: &mut CallContext) -> &mut CallContext {
        context
    }

    let mut linker = Linker::new(engine);
    contract::identity::add_to_linker::<_, Context>(&mut linker, context)?;
    contract::log::add_to_linker::<_, Context>(&mut linker, context)?;
    contract::clock::add_to_linker::<_, Context>(&mut linker, context)?;
    contract::random::add_to_linker::<_, Context>(&mut linker, context)?;
    if imports.capabilities.contains(&Capability::Files) {
        contract::files::add_to_linker::<_, Context>(&mut linker, context)?;
    }
    if imports.capabilities.contains(&Capability::Services) {
        contract::services::add_to_linker::<_, Context>(&mut linker, context)?;
    }
    if imports.capabilities.contains(&Capability::Keys) {
        contract::keys::add_to_linker::<_, Context>(&mut linker, context)?;
    }
    if imports.capabilities.contains(&Capability::KeyReveal) {
        contract::key_reveal::add_to_linker::<_, Context>(&mut linker, context)?;
    }
    if imports.capabilities.contains(&Capability::Http) {
        contract::http::add_to_linker::<_, Context>(&mut linker, context)?;
    }
    if imports.wasi {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    }
    Ok(linker)
}

impl CallContext {
    /// The granted directory, for functions that are linked only if there is one.
    fn granted_directory(&self) -> &GrantedDirectory {
        self.granted.files.as_ref().expect("linked only if a directory is granted")
    }
}
