//! Annotations of an Ingress, each read strictly: one that cannot be read rejects the Ingress as a whole, since nobody
//! knows what its owner meant.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Options,
    features::Features,
    notice::{Report, quote},
    stickiness,
};
use crate::types::{CookieAffinity, Feature};

const HTTP_PORT: &str = "http.port";
const HTTPS_PORT: &str = "https.port";
const ALLOW_HTTP: &str = "allow.http";
const SCALE: &str = "scale";
const CONFIG: &str = "config";
const STICKINESS: &str = "io.rancher.stickiness.policy";
const RANCHER: &str = "io.rancher.";
const INGRESS_NGINX: &str = "nginx.ingress.kubernetes.io/";

const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_LINE: usize = 4 * 1024;

/// What the annotations of an Ingress ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// `None`: no plain HTTP.
    pub(super) http_port: Option<u16>,
    pub(super) https_port: u16,
    pub(super) scale: Option<u32>,
    pub(super) affinity: Option<Arc<CookieAffinity>>,
    /// For the provider, uninterpreted, ordered by key.
    pub(super) uninterpreted: Vec<(String, String)>,
}

/// Where an annotation stands, for `kubectl` users.
pub(super) fn field(key: &str) -> String {
    format!("metadata.annotations[{}]", quote(key))
}

/// The field that chose the port of plain HTTP or of HTTPS.
pub(super) fn port_field(secure: bool) -> String {
    field(if secure { HTTPS_PORT } else { HTTP_PORT })
}

/// Reads the annotations. `None`, and why in the report: the Ingress is rejected.
pub(super) fn parse(
    annotations: &BTreeMap<String, String>,
    has_tls: bool,
    options: &Options,
    features: &Features,
    report: &mut Report,
) -> Option<Settings> {
    let mut reader = Reader { annotations, report, sound: true };
    let http = reader.read(HTTP_PORT, port);
    let https = reader.read(HTTPS_PORT, port);
    let allow_http = reader.read(ALLOW_HTTP, boolean).unwrap_or(true);
    let scale = reader.read(SCALE, scale);
    let affinity = reader.read(STICKINESS, stickiness::parse);
    let uninterpreted = reader.uninterpreted(features);

    let plain = allow_http.then_some(http.unwrap_or(options.http_port));
    let secure = https.unwrap_or(options.https_port);
    // The operator's defaults are no concern of the user's, nor is a port for HTTPS where nothing is served over it.
    let (asked_any, asked_both) = (http.is_some() || https.is_some(), http.is_some() && https.is_some());
    if plain == Some(secure) && asked_any && (has_tls || asked_both) {
        let message = format!("port {secure} is asked for HTTP and for HTTPS; give them different ports");
        reader.reject(if https.is_some() { HTTPS_PORT } else { HTTP_PORT }, message);
    }
    if !reader.sound {
        return None;
    }

    let name = features.provider();
    let scalable = features.has(Feature::Scale) && !features.is_per_class();
    if scale.is_some() && !scalable {
        report.unsupported(field(SCALE), format!("the provider {name} cannot scale; the annotation is ignored"));
    }
    let sticky = features.has(Feature::CookieAffinity);
    if affinity.is_some() && !sticky {
        let message = format!("the provider {name} has no affinity by cookie; traffic is served without it");
        report.unsupported(field(STICKINESS), message);
    }
    report_unread(annotations, features, report);
    Some(Settings {
        http_port: plain,
        https_port: secure,
        scale: scale.filter(|_| scalable),
        affinity: affinity.filter(|_| sticky).map(Arc::new),
        uninterpreted,
    })
}

struct Reader<'a> {
    annotations: &'a BTreeMap<String, String>,
    report: &'a mut Report,
    sound: bool,
}

impl Reader<'_> {
    fn read<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match parse(self.annotations.get(key)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.reject(key, message);
                None
            }
        }
    }

    fn reject(&mut self, key: &str, message: impl Into<String>) {
        self.sound = false;
        self.report.rejected(field(key), message);
    }

    /// The annotations that the provider reads itself. Those of Rancher are checked whoever reads them.
    fn uninterpreted(&mut self, features: &Features) -> Vec<(String, String)> {
        let mut passed = Vec::new();
        for (key, value) in self.annotations.iter().filter(|(key, _)| !is_typed(key)) {
            let covered = features.reads(key);
            let sound = if key.starts_with(RANCHER) {
                line(value)
            } else if covered || key == CONFIG {
                text(value)
            } else {
                continue;
            };
            match sound {
                Ok(()) if covered => passed.push((key.clone(), value.clone())),
                Ok(()) => {}
                Err(message) => self.reject(key, message),
            }
        }
        passed
    }
}

/// Tells of annotations that ask for something and get nothing.
fn report_unread(annotations: &BTreeMap<String, String>, features: &Features, report: &mut Report) {
    const SHOWN: usize = 10;
    let provider = features.provider();
    let unread = || annotations.keys().filter(|key| !is_typed(key) && !features.reads(key));
    for key in unread().filter(|key| *key == CONFIG || key.starts_with(RANCHER)) {
        report.unsupported(field(key), format!("the provider {provider} does not read this annotation; it is ignored"));
    }
    let foreign: Vec<_> = unread().filter(|key| key.starts_with(INGRESS_NGINX)).collect();
    if !foreign.is_empty() {
        let mut names: Vec<_> = foreign.iter().take(SHOWN).map(|key| quote(key)).collect();
        if foreign.len() > SHOWN {
            names.push(format!("and {} more", foreign.len() - SHOWN));
        }
        let message = format!("annotations of ingress-nginx are not read and have no effect: {}", names.join(", "));
        report.unsupported("metadata.annotations", message);
    }
}

fn is_typed(key: &str) -> bool {
    [HTTP_PORT, HTTPS_PORT, ALLOW_HTTP, SCALE, STICKINESS].contains(&key)
}

fn port(value: &str) -> Result<u16, String> {
    decimal(value).ok_or_else(|| format!("{} is not a port; write a decimal number from 1 to 65535", quote(value)))
}

fn scale(value: &str) -> Result<u32, String> {
    decimal(value)
        .ok_or_else(|| format!("{} is not a number of instances; write a decimal number from 1", quote(value)))
}

/// A decimal number of at least 1, without sign or leading zeros.
fn decimal<T: std::str::FromStr>(value: &str) -> Option<T> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    plain.then(|| value.parse().ok()).flatten()
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{} is neither true nor false", quote(value))),
    }
}

fn text(value: &str) -> Result<(), String> {
    if value.len() > LONGEST_TEXT {
        return Err(format!("the value has {} bytes; at most {LONGEST_TEXT} are taken", value.len()));
    }
    match value.chars().find(|character| character.is_control() && !"\n\t".contains(*character)) {
        Some(character) => Err(format!("the value holds the control character {}", quote(&character.to_string()))),
        None => Ok(()),
    }
}

fn line(value: &str) -> Result<(), String> {
    if value.len() > LONGEST_LINE {
        return Err(format!("the value has {} bytes; at most {LONGEST_LINE} are taken", value.len()));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("{} holds a control character", quote(value)));
    }
    Ok(())
}
