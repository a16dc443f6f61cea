use lb_provider::{Error, FileError, Files};

use crate::names::Tier;

const DIRECTORY: &str = "state";
const OWNER: &str = "state/owner";
const INCOMPLETE: &str = "state/incomplete";

/// What has to be known beyond the files that Caddy reads.
pub(crate) struct State<'a>(&'a dyn Files);

impl<'a> State<'a> {
    pub(crate) fn new(files: &'a dyn Files) -> Self {
        Self(files)
    }

    /// The load balancer that the directory serves.
    pub(crate) fn owner(&self) -> Result<Option<String>, Error> {
        self.read(OWNER)
    }

    /// Marks the directory as this load balancer's, unless it is another one's.
    pub(crate) fn claim(&self, load_balancer: &str) -> Result<(), Error> {
        match self.owner()? {
            Some(owner) if owner != load_balancer => Err(Error::Denied(format!(
                "the granted directory serves the ingress class `{owner}`; one Caddy serves one class: give \
                 `{load_balancer}` a provider with a directory and ports of its own"
            ))),
            Some(_) => Ok(()),
            None => self.write(OWNER, load_balancer),
        }
    }

    /// The name of the configuration that a Caddy is to serve.
    pub(crate) fn wanted(&self, tier: Tier) -> Result<Option<String>, Error> {
        self.read(wanted(tier))
    }

    /// From now on a Caddy is to serve this configuration.
    pub(crate) fn want(&self, tier: Tier, configuration: &str) -> Result<(), Error> {
        self.write(wanted(tier), configuration)
    }

    /// What the machine keeps from being served.
    pub(crate) fn incomplete(&self) -> Result<Option<String>, Error> {
        self.read(INCOMPLETE)
    }

    /// Remembers what the machine kept from being served, to be tried again; `None` is nothing.
    pub(crate) fn set_incomplete(&self, reason: Option<&str>) -> Result<(), Error> {
        match reason {
            Some(reason) => self.write(INCOMPLETE, reason),
            None => Ok(self.0.remove(INCOMPLETE)?),
        }
    }

    /// The directory serves nothing any more.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        Ok(self.0.remove(DIRECTORY)?)
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Error> {
        Ok(self.0.put(path, text.as_bytes()).map(drop)?)
    }

    fn read(&self, path: &str) -> Result<Option<String>, Error> {
        match self.0.read(path) {
            Ok(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
            Err(FileError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn wanted(tier: Tier) -> &'static str {
    match tier {
        Tier::Edge => "state/edge",
        Tier::Router => "state/router",
    }
}
