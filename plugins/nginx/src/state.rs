use lb_provider::{Error, FileError, Files};

const DIRECTORY: &str = "state";
const OWNER: &str = "state/owner";
const RELOAD: &str = "state/reload";
const INCOMPLETE: &str = "state/incomplete";

/// What has to be known beyond the files that nginx reads.
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
                "the granted directory serves the ingress class `{owner}`; one nginx serves one class: give \
                 `{load_balancer}` a provider with a directory and ports of its own"
            ))),
            Some(_) => Ok(()),
            None => Ok(self.0.put(OWNER, load_balancer.as_bytes()).map(drop)?),
        }
    }

    /// From now on nginx has to read its configuration again.
    pub(crate) fn owe_reload(&self) -> Result<(), Error> {
        Ok(self.0.put(RELOAD, b"nginx has yet to read the live tree\n").map(drop)?)
    }

    /// Whether nginx may not have read what is live.
    pub(crate) fn owes_reload(&self) -> Result<bool, Error> {
        Ok(self.read(RELOAD)?.is_some())
    }

    /// nginx has read what is live.
    pub(crate) fn reloaded(&self) -> Result<(), Error> {
        Ok(self.0.remove(RELOAD)?)
    }

    /// Remembers what the machine kept from being served, to be tried again; `None` is nothing.
    pub(crate) fn set_incomplete(&self, reason: Option<&str>) -> Result<(), Error> {
        match reason {
            Some(reason) => Ok(self.0.put(INCOMPLETE, reason.as_bytes()).map(drop)?),
            None => Ok(self.0.remove(INCOMPLETE)?),
        }
    }

    /// What the machine keeps from being served.
    pub(crate) fn incomplete(&self) -> Result<Option<String>, Error> {
        self.read(INCOMPLETE)
    }

    /// Why a complete apply is wanted.
    pub(crate) fn unfinished(&self) -> Result<Option<String>, Error> {
        if self.owes_reload()? {
            return Ok(Some("nginx has not read its configuration after the last change".to_owned()));
        }
        self.incomplete()
    }

    /// The directory serves nothing any more.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        Ok(self.0.remove(DIRECTORY)?)
    }

    fn read(&self, path: &str) -> Result<Option<String>, Error> {
        match self.0.read(path) {
            Ok(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
            Err(FileError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
