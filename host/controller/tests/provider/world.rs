use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A directory of its own, which is the state directory and that of the files that a test writes.
pub(crate) struct World {
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a copy of a guest there; its path as text.
    pub(crate) fn guest(&self, guest: &str, name: &str) -> String {
        self.write(name, &fs::read(lb_guests::component(guest)).unwrap())
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    /// Makes a pair of keys, unless it is there: `<name>.key` and `<name>.pub`.
    pub(crate) fn keys(&self, name: &str) -> (String, String) {
        let (private, public) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.pub")));
        if !private.exists() {
            self.succeeds(&["keygen", self.path(name).to_str().unwrap()]);
        }
        (private.display().to_string(), public.display().to_string())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lb-controller"))
            .arg("provider")
            .args(arguments)
            .env_clear()
            .env("LB_CONTROLLER_STATE_DIR", self.path("state"))
            .current_dir(self.directory.path())
            .output()
            .unwrap()
    }

    /// What it prints.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}\n{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap()
    }

    /// All that it says, however its lines are broken, once it has failed with exit code 1.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What was compiled so far.
    pub(crate) fn compiled(&self) -> usize {
        files(&self.path("state/cache"))
    }
}

/// How many files there are below a directory.
fn files(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}
