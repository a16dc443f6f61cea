use lb_sandbox::Inspection;
use serde_json::{Value, json};

use super::{
    Target,
    page::{self, Page, size},
    schema,
};
use crate::component::Component;

/// Options of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Print it as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Prints what a provider is.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let options = args.target.options();
    let component = Component::find(&options).await?;
    let inspection = super::inspection(&component, &options).await?;
    if args.json {
        page::print(&format!("{:#}\n", json(&component, &inspection)))?;
    } else {
        people(&component, &inspection).print()?;
    }
    Ok(())
}

fn people(component: &Component, inspection: &Inspection) -> Page {
    let Inspection { descriptor, digest, .. } = inspection;
    let mut page = Page::new();
    page.title(&descriptor.name, &descriptor.version);
    page.entry("component", &format!("{}, {}", component.name().display(), size(inspection.size)));
    page.entry("digest", &format!("sha256:{digest}"));
    if let Some(key) = component.signed_by() {
        page.entry("signed by", &key.display().to_string());
    }
    page.entry("contract", &format!("lb-controller:provider@{}", inspection.contract));
    page.entry(
        "scope",
        match word(&descriptor.scope).as_str() {
            "per-object" => "per-object: one load balancer for one Ingress",
            _ => "per-class: one load balancer for all objects of a class",
        },
    );
    page.entry(
        "placement",
        match word(&descriptor.placement).as_str() {
            "leader" => "leader: called by one replica of the controller",
            _ => "every-replica: each replica of the controller drives its own",
        },
    );
    page.entry(
        "changes",
        match word(&descriptor.change_sets).as_str() {
            "complete" => "complete: each change tells everything",
            _ => "incremental: a change tells what changed",
        },
    );
    page.entry(
        "backends",
        match word(&descriptor.backend_detail).as_str() {
            "ports" => "ports: it finds the pods of a Service itself",
            _ => "endpoints: it is told of each pod",
        },
    );
    page.entry(
        "observed",
        &match descriptor.observe_interval {
            0 => "never".to_owned(),
            seconds => format!("every {seconds} s"),
        },
    );
    if !descriptor.annotation_prefixes.is_empty() {
        page.entry("annotations", &descriptor.annotation_prefixes.join(", "));
    }

    page.section("Features", "what it honours; whatever else an object asks for is told to its owner");
    let features: Vec<_> = descriptor.features.iter().map(word).collect();
    page.paragraph(if features.is_empty() { "none".to_owned() } else { features.join(", ") }.as_str());

    page.section("Grants", "what it asks for; the configuration file grants it");
    for wanted in &descriptor.grants {
        page.cells(&[(&wanted.capability, 13), (&wanted.name, 12)], &wanted.reason);
    }
    for capability in inspection.undeclared() {
        page.cells(&[(capability, 13), ("", 12)], "it imports this, and does not say what for");
    }
    if descriptor.grants.is_empty() && inspection.undeclared().is_empty() {
        page.paragraph("none");
    }

    page.section("Imports", "read from the binary");
    for import in &inspection.imports {
        page.paragraph(import);
    }
    settings(&mut page, &descriptor.settings_schema);
    if let Some(proposal) = component.pulled().and_then(|pulled| pulled.proposal()) {
        page.section(
            "Proposed configuration",
            "by its author; only its settings are used, the rest grants nothing until you copy it",
        );
        page.verbatim(proposal.text());
    }
    page
}

fn settings(page: &mut Page, text: &str) {
    page.section("Settings", "what the configuration file may say below `settings`");
    let settings = match schema::parse(text) {
        Ok(schema) => schema::settings(&schema),
        Err(wrong) => return page.paragraph(&wrong),
    };
    if settings.is_empty() {
        return page.paragraph("none");
    }
    let width = settings.iter().map(|setting| setting.key.chars().count()).max().unwrap_or_default().min(40);
    for setting in &settings {
        let default = match setting.default.as_str() {
            "" => String::new(),
            "required" => ", required".to_owned(),
            default => format!(", default {default}"),
        };
        page.cells(&[(&setting.key, width)], &format!("{}{default}. {}", setting.kind, setting.description));
    }
}

fn json(component: &Component, inspection: &Inspection) -> Value {
    let Inspection { descriptor, digest, size, imports, uses_wasi, .. } = inspection;
    let grants = descriptor.grants.iter();
    let grants =
        grants.map(|wanted| json!({ "capability": wanted.capability, "name": wanted.name, "reason": wanted.reason }));
    let pulled = component.pulled();
    json!({
        "name": descriptor.name,
        "version": descriptor.version,
        "contract": inspection.contract,
        "component": component.name(),
        "digest": format!("sha256:{digest}"),
        "size": size,
        "signed-by": component.signed_by(),
        "artifact": pulled.map(|pulled| pulled.digest().to_string()),
        "annotations": pulled.map(lb_registry::Pulled::annotations),
        "proposal": pulled.and_then(|pulled| pulled.proposal()).map(lb_registry::Proposal::text),
        "scope": word(&descriptor.scope),
        "placement": word(&descriptor.placement),
        "change-sets": word(&descriptor.change_sets),
        "backend-detail": word(&descriptor.backend_detail),
        "observe-interval": descriptor.observe_interval,
        "features": descriptor.features.iter().map(word).collect::<Vec<_>>(),
        "annotation-prefixes": descriptor.annotation_prefixes,
        "grants": grants.collect::<Vec<_>>(),
        "undeclared": inspection.undeclared(),
        "imports": imports,
        "uses-wasi": uses_wasi,
        "settings-schema": schema::parse(&descriptor.settings_schema).unwrap_or(Value::Null),
    })
}

/// A case of an enumeration as the contract spells it.
fn word(case: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(case).ok();
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
    let mut word = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use lb_model::types::{Feature, Scope};

    use super::word;

    #[test]
    fn words_are_those_of_the_contract() {
        assert_eq!(word(&Scope::PerClass), "per-class");
        assert_eq!(word(&Feature::RedirectToHttps), "redirect-to-https");
        assert_eq!(word(&Feature::BackendH2c), "backend-h2c");
    }
}
