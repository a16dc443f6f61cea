//! `launchConfig`: checked and completed by the server.

use serde_json::{Value, json};

use crate::Options;
use crate::error::{ApiError, Result};
use crate::placement::Port;
use crate::schema::LOAD_BALANCER;
use crate::store::Id;
use crate::world::World;

/// Checks ports and image, and normalizes the image.
pub(super) fn check(config: &mut Value, options: &Options, is_balancer: bool) -> Result<()> {
    for port in config["ports"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        Port::parse(port).map_err(|code| ApiError::invalid(code, "ports"))?;
    }
    match config["imageUuid"].as_str() {
        Some(image) => config["imageUuid"] = json!(normalize(image, options)?),
        None if is_balancer => return Err(ApiError::invalid("MissingRequired", "imageUuid")),
        None => {}
    }
    Ok(())
}

/// `docker:<image>`, with the default registry before an image that names none.
fn normalize(uuid: &str, options: &Options) -> Result<String> {
    let invalid = || ApiError::invalid("InvalidReference", "imageUuid");
    let image = uuid.strip_prefix("docker:").ok_or_else(invalid)?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if image.is_empty() || !image.bytes().all(valid) || image.starts_with('/') || image.ends_with(['/', ':']) {
        return Err(invalid());
    }
    let (first, rest) = image.split_once('/').unwrap_or(("", image));
    let names_registry = !rest.is_empty() && (first.contains(['.', ':']) || first == "localhost");
    match &options.default_registry {
        Some(registry) if !names_registry => Ok(format!("docker:{registry}/{image}")),
        _ => Ok(uuid.to_owned()),
    }
}

/// What the server adds to a new load balancer, and only to a new one: a health check and the labels of its agent.
pub(super) fn inject(config: &mut Value, options: &Options) {
    if config["healthCheck"].is_null() {
        config["healthCheck"] = json!({
            "type": "instanceHealthCheck", "port": 42, "interval": 2000, "responseTimeout": 2000, "healthyThreshold": 2,
            "unhealthyThreshold": 3, "initializingTimeout": 60000, "reinitializingTimeout": 60000, "requestLine": null,
            "strategy": null, "name": null, "recreateOnQuorumStrategyConfig": null,
        });
    }
    if config["labels"].is_null() {
        config["labels"] = json!({});
    }
    config["labels"]["io.rancher.container.create_agent"] = json!("true");
    let role = if options.newer_agent_labels { "environmentAdmin,agent" } else { "environmentAdmin" };
    config["labels"]["io.rancher.container.agent.role"] = json!(role);
    if options.newer_agent_labels {
        config["labels"]["io.rancher.container.agent_service.drain_provider"] = json!("true");
    }
}

impl World {
    /// The create and update processes rewrite ports in canonical form.
    pub(super) fn canonicalize_ports(&mut self, id: Id) {
        let Some(row) = self.store.get_mut(id) else { return };
        let publishes = row.kind.name == LOAD_BALANCER.name;
        let Some(ports) = row.fields.get_mut("launchConfig").and_then(|config| config.get_mut("ports")) else { return };
        for port in ports.as_array_mut().into_iter().flatten() {
            let parsed = port.as_str().and_then(|text| Port::parse(text).ok());
            if let Some(parsed) = parsed {
                let parsed = if publishes { parsed.published() } else { parsed };
                *port = json!(parsed.to_string());
            }
        }
    }
}
