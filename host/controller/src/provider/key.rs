use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::page::Page;
use crate::config::Usage;

/// Options of `keygen`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files to write, without their endings: NAME.key, which stays with you, and NAME.pub, for operators
    #[arg(value_name = "NAME", default_value = "provider")]
    name: PathBuf,
}

/// Makes a pair of keys, and says what each is for.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (private, public) = generate(&args.name)?;
    let mut page = Page::new();
    page.title("made", "a pair of keys, ECDSA on P-256");
    page.entry("private", &format!("{}: keep it; it signs, by --sign-key", private.display()));
    page.entry("public", &format!("{}: publish it; operators name it, by --provider-trust", public.display()));
    Ok(page.print()?)
}

/// Writes a pair of keys of ECDSA on P-256, as `openssl` and `cosign` know them. Nothing that is there is written over.
fn generate(name: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let pair = rcgen::KeyPair::generate().context("a key cannot be made")?;
    let (private, public) = (with_ending(name, "key"), with_ending(name, "pub"));
    write(&private, &pair.serialize_pem(), 0o600)?;
    write(&public, &pair.public_key_pem(), 0o644)?;
    Ok((private, public))
}

fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut name = name.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow::Error::from(Usage(format!("{} is there already; choose another name", path.display())))
        }
        _ => anyhow::Error::from(error).context(format!("{} cannot be written", path.display())),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::generate;

    #[test]
    fn the_keys_fit_and_none_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        generate(&path("team.1")).unwrap();
        assert_eq!(std::fs::metadata(path("team.1.key")).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(path("web.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
        let key = lb_registry::SigningKey::from_file(&path("team.1.key")).unwrap();
        lb_registry::sign_file(&path("web.wasm"), &key).unwrap();
        let trust = lb_registry::Trust::from_files(&[path("team.1.pub")]).unwrap();
        trust.verify_file(&path("web.wasm")).unwrap();

        let private = std::fs::read(path("team.1.key")).unwrap();
        let error = generate(&path("team.1")).unwrap_err();
        assert!(
            error.is::<crate::config::Usage>() && error.to_string().contains("team.1.key is there already"),
            "{error}"
        );
        assert_eq!(std::fs::read(path("team.1.key")).unwrap(), private);
    }
}
