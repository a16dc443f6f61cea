use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

/// A built component in the real sandbox: what `lb-controller provider test` says of it.
///
/// ```no_run
/// use lb_provider::testing::Component;
///
/// // After `cargo wasm`; a test of its own, or behind `#[ignore]`.
/// Component::built("edge_lb").with(["--config", "edge-lb.yaml"]).keeps_the_contract();
/// ```
#[derive(Debug)]
pub struct Component {
    path: PathBuf,
    command: Command,
}

impl Component {
    /// The component at a path, tried by the `lb-controller` that the variable `LB_CONTROLLER` names, or by that of the search
    /// path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let program = std::env::var_os("LB_CONTROLLER").unwrap_or_else(|| "lb-controller".into());
        let mut command = Command::new(program);
        command.args(["provider", "test"]).arg(&path);
        Self { path, command }
    }

    /// What Cargo built last of a library, for the target `wasm32-unknown-unknown` and optimised.
    pub fn built(library: &str) -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        Self::at(target.join("wasm32-unknown-unknown/release").join(library).with_extension("wasm"))
    }

    /// With more arguments of `provider test`: a configuration, an API, one clause.
    #[must_use]
    pub fn with(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Puts it to the test.
    ///
    /// # Panics
    /// With the report, if a clause is broken; or if it cannot be tried.
    pub fn keeps_the_contract(mut self) {
        let built = Path::is_file(&self.path);
        assert!(built, "{} is missing; build it, for example by cargo wasm", self.path.display());
        let program = self.command.get_program().display().to_string();
        let output = self.command.output();
        let output =
            output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}; set LB_CONTROLLER to its path"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    }
}
