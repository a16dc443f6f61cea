//! What must be on the machine besides rustup and git. Installed if that is possible, else the exact command is told.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    command::{find_program, run, show},
    terminal::Step,
    workspace::Workspace,
};

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const C_COMPILER: &[&str] = &["gcc", "libc6-dev"];
const NGINX: &[&str] = &["nginx", "libnginx-mod-stream", "libnginx-mod-http-lua", "libnginx-mod-stream-js"];
const NGINX_MODULES: &[&str] = &["ngx_stream_module.so", "ngx_http_lua_module.so", "ngx_stream_js_module.so"];

const CADDY: &str = "caddy";
const REGISTRY: &str = "docker-registry";

/// Installs packages; a fresh service is not started, neither now nor at boot, and a policy in place is respected.
const INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
fresh=
for package; do
    dpkg -s "$package" >/dev/null 2>&1 || fresh="$fresh $package"
done
apt-get update -q
apt-get install -y -q --no-install-recommends "$@"
if [ -d /run/systemd/system ]; then
    for package in $fresh; do
        systemctl disable -q "$package" 2>/dev/null || true
    done
fi
"#;

/// The Wasm target and the C compiler: what building takes.
pub(crate) fn rust(workspace: &Workspace) -> Result<()> {
    wasm_target(workspace)?;
    let mut step = Step::begin("C compiler");
    if find_program("cc").is_some() {
        step.done("cc");
        return Ok(());
    }
    install(workspace, &mut step, C_COMPILER, "A C compiler (cc) is missing")?;
    step.done("installed gcc");
    Ok(())
}

/// nginx with its modules: the data plane.
pub(crate) fn nginx(workspace: &Workspace) -> Result<()> {
    let mut step = Step::begin("nginx with stream, Lua and JavaScript modules");
    let missing = missing_from_nginx()?;
    if missing.is_empty() {
        step.done(&nginx_version()?);
        return Ok(());
    }
    install(workspace, &mut step, NGINX, &format!("{} missing", missing.join(", ")))?;
    let missing = missing_from_nginx()?;
    if !missing.is_empty() {
        bail!("{} still missing after `apt-get install {}`", missing.join(", "), NGINX.join(" "));
    }
    step.done(&format!("installed {}", nginx_version()?));
    Ok(())
}

/// A registry of OCI artifacts, which tests start on ports of their own.
pub(crate) fn registry(workspace: &Workspace) -> Result<()> {
    program(workspace, "registry of OCI artifacts", REGISTRY)
}

/// Caddy: another data plane.
pub(crate) fn caddy(workspace: &Workspace) -> Result<()> {
    program(workspace, "Caddy", CADDY)
}

/// A program that is called like its package.
fn program(workspace: &Workspace, label: &str, name: &str) -> Result<()> {
    let mut step = Step::begin(label);
    if find_program(name).is_some() {
        step.done(name);
        return Ok(());
    }
    install(workspace, &mut step, &[name], &format!("{name} is missing"))?;
    step.done(&format!("installed {name}"));
    Ok(())
}

/// Components of the toolchain that checks use.
pub(crate) fn components(workspace: &Workspace) -> Result<()> {
    for component in ["rustfmt", "clippy"] {
        let program = format!("cargo-{}", component.replace("rustfmt", "fmt"));
        let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        if !works(Command::new(&program).arg("--version").current_dir(&workspace.root)) {
            let mut step = Step::begin(&format!("rustup component add {component}"));
            rustup(workspace, &mut step, &["component", "add", component])?;
            step.done("");
        }
    }
    Ok(())
}

fn wasm_target(workspace: &Workspace) -> Result<()> {
    let mut step = Step::begin("Rust target wasm32-unknown-unknown");
    let has_target = || -> Result<bool> {
        let output = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", WASM_TARGET])
            .current_dir(&workspace.root)
            .output()
            .context("cannot run rustc; is rustup's directory on the PATH?")?;
        if !output.status.success() {
            bail!("rustc failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
    };
    if has_target()? {
        step.done("");
        return Ok(());
    }
    rustup(workspace, &mut step, &["target", "add", WASM_TARGET])?;
    if !has_target()? {
        bail!("`rustup target add {WASM_TARGET}` succeeded, yet rustc does not see the target");
    }
    step.done("added by rustup");
    Ok(())
}

/// In the root of the workspace, where `rust-toolchain.toml` chooses the toolchain.
fn rustup(workspace: &Workspace, step: &mut Step, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("rustup");
    command.args(arguments).current_dir(&workspace.root);
    run(step, &mut command, &workspace.target.join("rustup.log")).with_context(|| {
        let root = workspace.root.display();
        format!("rustup could not do it; run it yourself in {root}: {}", show(&command))
    })
}

fn missing_from_nginx() -> Result<Vec<&'static str>> {
    if find_program("nginx").is_none() {
        return Ok(vec!["nginx"]);
    }
    let modules = nginx_said("--modules-path=")?.unwrap_or_else(|| "/usr/lib/nginx/modules".to_owned());
    Ok(NGINX_MODULES.iter().copied().filter(|module| !Path::new(&modules).join(module).exists()).collect())
}

fn nginx_version() -> Result<String> {
    Ok(nginx_said("nginx version: nginx/")?.map_or_else(String::new, |version| format!("nginx {version}")))
}

/// What follows `key` in the words of `nginx -V`.
fn nginx_said(key: &str) -> Result<Option<String>> {
    let program = find_program("nginx").context("nginx is missing")?;
    let output =
        Command::new(&program).arg("-V").output().with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = text.split_once(key).map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default().to_owned());
    Ok(value)
}

fn install(workspace: &Workspace, step: &mut Step, packages: &[&str], why: &str) -> Result<()> {
    let by_hand = format!("apt-get update && apt-get install -y {}", packages.join(" "));
    if find_program("apt-get").is_none() {
        bail!("{why}, and there is no apt-get here. On Debian it would be: {by_hand}");
    }
    let mut command = if is_root()? {
        Command::new("sh")
    } else if sudo_works() {
        let mut command = Command::new("sudo");
        command.args(["-n", "sh"]);
        command
    } else {
        bail!("{why}. Run this as root, then start again:\n\n    {by_hand}");
    };
    step.detail("apt-get install");
    command.args(["-c", INSTALL, "install"]).args(packages);
    let log = workspace.target.join("apt-get.log");
    run(step, &mut command, &log).map_err(|error| {
        // The script would only hide what went wrong.
        let text = format!("{error:#}");
        let output = text.split_once("\n\n").map_or("", |(_, output)| output).to_owned();
        anyhow::anyhow!("{why}, and installing it failed. Try it by hand: {by_hand}\n\n{output}")
    })
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("cannot run id")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn sudo_works() -> bool {
    Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success())
}
