use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::configuration::ServiceGrant;

/// Where programs of the system are, for a controller whose user does not have them on `PATH`.
const SYSTEM_PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A service as an operator granted it, in a directory.
pub(super) struct Definition {
    name: String,
    pub(super) grant: ServiceGrant,
    directory: PathBuf,
}

impl Definition {
    pub(super) fn new(name: &str, grant: ServiceGrant, directory: PathBuf) -> Self {
        Self { name: name.to_owned(), grant, directory }
    }

    /// The same service in another directory.
    pub(super) fn within(&self, directory: &Path) -> Self {
        Self::new(&self.name, self.grant.clone(), directory.to_owned())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The program and its arguments as they run. Two definitions with the same one can take over from each other.
    pub(super) fn command(&self) -> Vec<String> {
        let args = self.grant.args.iter().map(|arg| arg.replace("{directory}", &self.directory()));
        std::iter::once(self.grant.program.clone()).chain(args).collect()
    }

    /// The program, ready to run with arguments.
    pub(super) fn program(&self, args: &[String]) -> Result<tokio::process::Command, String> {
        let path = env::var_os("PATH").unwrap_or_else(|| SYSTEM_PROGRAMS.into());
        let program = find(&self.grant.program, &path).ok_or_else(|| self.missing())?;
        let mut command = tokio::process::Command::new(program);
        command.args(args).env_clear().env("PATH", path).current_dir(&self.directory).process_group(0);
        Ok(command)
    }

    /// The arguments of the check of a path; `None` if the operator configured none.
    pub(super) fn check_args(&self, path: &Path) -> Option<Vec<String>> {
        let path = path.to_string_lossy();
        let args = self.grant.check.as_ref()?.iter();
        Some(args.map(|arg| arg.replace("{directory}", &self.directory()).replace("{path}", &path)).collect())
    }

    fn directory(&self) -> std::borrow::Cow<'_, str> {
        self.directory.to_string_lossy()
    }

    fn missing(&self) -> String {
        let program = &self.grant.program;
        let hint = self.grant.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
        format!("the program `{program}` of the service `{}` is not installed{hint}", self.name)
    }
}

/// The file to run: an absolute path as it is, a name from `PATH` and then from where the system has its programs.
fn find(program: &str, path: &OsString) -> Option<PathBuf> {
    let runs = |candidate: &PathBuf| {
        fs::metadata(candidate).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if program.starts_with('/') {
        return Some(PathBuf::from(program)).filter(runs);
    }
    let system = OsString::from(SYSTEM_PROGRAMS);
    let directories: Vec<_> = env::split_paths(path).chain(env::split_paths(&system)).collect();
    directories.into_iter().filter(|directory| directory.is_absolute()).map(|it| it.join(program)).find(runs)
}
