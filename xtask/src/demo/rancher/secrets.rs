//! A search for what must not be told, in everything that the controller tells.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::double::Double;
use crate::demo::{controller::Controller, http, manifests::Manifests};

/// Shorter lines of a key would be found by chance.
const SEARCHED_LINE: usize = 12;
const KEY_BEGINS: &str = "BEGIN PRIVATE KEY";
const KEY_ENDS: &str = "END PRIVATE KEY";

/// Searches; returns how much was searched, such as `84 KB`.
pub(crate) fn search(controller: &Controller, double: &Double, manifests: &Manifests) -> Result<String> {
    let ready = controller.ready()?;
    let read =
        |path: &std::path::Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let metrics = http::get(ready.admin.port(), &ready.admin.to_string(), "/metrics")?;
    ensure!(metrics.status == 200 && !metrics.body.is_empty(), "no metrics at http://{}/metrics", ready.admin);
    let texts = [
        ("the log", read(&ready.log)?),
        ("standard error", read(controller.errors())?),
        ("Events and standard output", controller.seen().lines.clone()),
        ("the metrics", metrics.body),
    ];
    let mut secrets = vec![
        ("the secret key", double.secret_key.clone()),
        ("the secret key in base64", STANDARD.encode(&double.secret_key).trim_end_matches('=').to_owned()),
        ("the Authorization header", double.authorization()),
    ];
    let keys = private_keys(&(manifests.read("shop-tls.yaml")? + super::scenes::RENEWED));
    ensure!(!keys.is_empty(), "shop-tls.yaml has a private key");
    secrets.extend(keys.into_iter().map(|line| ("a line of a private key", line)));
    for (place, text) in &texts {
        if let Some((what, _)) = secrets.iter().find(|(_, secret)| text.contains(secret.as_str())) {
            bail!("{what} stands in {place} of the controller");
        }
    }
    let size: usize = texts.iter().map(|(_, text)| text.len()).sum();
    Ok(format!("{} KB", size.div_ceil(1000)))
}

/// The lines between the armour of private keys.
fn private_keys(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.contains(KEY_BEGINS) || line.contains(KEY_ENDS) {
            inside = line.contains(KEY_BEGINS);
        } else if inside && line.len() >= SEARCHED_LINE {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{super::scenes::RENEWED, private_keys};

    #[test]
    fn takes_the_lines_of_private_keys_alone() {
        let lines = private_keys(RENEWED);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("MIGH"), "the beginning of a PKCS #8 key");
        assert!(
            private_keys("-----BEGIN CERTIFICATE-----\nMIICJTCCAcugAwIBAgIU\n-----END CERTIFICATE-----").is_empty()
        );
    }
}
