use std::collections::BTreeSet;

use lb_provider::{Error, FileError, Files, KeyError, Keys, PutOutcome};

use crate::{
    names::{LIVE, digest},
    plan::{Content, Plan},
    render,
    settings::Settings,
};

/// A private copy of the live tree that is being changed.
pub(crate) struct Stage<'a> {
    files: &'a dyn Files,
    keys: &'a dyn Keys,
    path: String,
    changed: bool,
    /// Certificates whose key the host does not know any more, by digest.
    without_key: BTreeSet<String>,
}

impl<'a> Stage<'a> {
    /// A copy of what is live.
    pub(crate) fn open(files: &'a dyn Files, keys: &'a dyn Keys) -> Result<Self, Error> {
        let path = files.stage(LIVE)?;
        Ok(Self { files, keys, path, changed: false, without_key: BTreeSet::new() })
    }

    /// Carries out a plan, and what follows from it and from all else that is there.
    pub(crate) fn fill(&mut self, plan: &Plan, settings: &Settings) -> Result<(), Error> {
        let mut present = BTreeSet::new();
        list(self.files, &self.path, "", &mut present)?;
        let mut tree: BTreeSet<&str> = present.iter().map(String::as_str).filter(|it| !plan.removes(it)).collect();
        tree.extend(plan.files.keys().map(String::as_str));
        let orphans = render::orphans(&tree);
        let derived = render::derived(settings, &tree);
        let stays = |path: &str| {
            derived.contains_key(path) || !plan.removes(path) && !render::is_derived(path) && !orphans.contains(path)
        };
        for path in present.iter().filter(|path| !stays(path)) {
            self.remove(path)?;
        }
        for (path, content) in plan.files.iter().filter(|(path, _)| !orphans.contains(path.as_str())) {
            match content {
                Content::Bytes(bytes) => self.put(path, bytes)?,
                Content::PrivateKey(certificate) => self.store_key(certificate, path)?,
            }
        }
        derived.iter().try_for_each(|(path, content)| self.put(path, content))
    }

    /// Where it is in the granted directory.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it differs from what is live.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Certificates that cannot be served because the host knows their key no more, by digest.
    pub(crate) fn without_key(&self) -> &BTreeSet<String> {
        &self.without_key
    }

    /// Makes it live; returns the path of what was live before.
    pub(crate) fn activate(self) -> Result<Option<String>, Error> {
        Ok(self.files.activate(LIVE, &self.path)?)
    }

    /// Drops it.
    pub(crate) fn discard(self) -> Result<(), Error> {
        Ok(self.files.discard(&self.path)?)
    }

    fn put(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.changed |= self.files.put(&self.at(path), content)? == PutOutcome::Written;
        Ok(())
    }

    fn store_key(&mut self, certificate: &str, path: &str) -> Result<(), Error> {
        match self.keys.store(certificate, &self.at(path)) {
            Ok(outcome) => self.changed |= outcome == PutOutcome::Written,
            Err(KeyError::UnknownCertificate(_)) => drop(self.without_key.insert(digest(certificate))),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), Error> {
        self.files.remove(&self.at(path))?;
        self.changed = true;
        Ok(())
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.path)
    }
}

fn list(files: &dyn Files, root: &str, directory: &str, into: &mut BTreeSet<String>) -> Result<(), FileError> {
    let path = if directory.is_empty() { root.to_owned() } else { format!("{root}/{directory}") };
    for name in files.list(path.trim_end_matches('/'))? {
        let path = format!("{directory}{name}");
        if path.ends_with('/') {
            list(files, root, &path, into)?;
        } else {
            into.insert(path);
        }
    }
    Ok(())
}
