//! Certificates in Rancher: one for each Secret, rotated in place, and collected when nothing uses them.

use std::collections::{BTreeMap, BTreeSet};

use lb_provider::{Certificate, Error, ObjectRef, Rejection, http};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    api::{self, CERTIFICATES, Session},
    mark,
    model::{self, LoadBalancerService},
    plan::Plan,
    refusal,
};

/// The longest name that Rancher takes.
const LONGEST_NAME: usize = 255;
/// How old an unused certificate is at least when it is removed, in milliseconds: whoever made it is about to use it.
const GRACE: i64 = 10 * 60 * 1000;
/// The same where only our own clock can tell, which may be wrong.
const GRACE_BY_OUR_CLOCK: i64 = 60 * 60 * 1000;

/// What the names of all certificates of a controller begin with.
pub(crate) fn prefix(controller: &str) -> String {
    format!("lb-controller/{controller}/")
}

/// The name of a certificate: that of its Secret, so that a rotated one keeps it.
///
/// The operator's default has one more word. It is as old as the controller's start, while an Ingress that names the same
/// Secret has what is in it now: under one name, each would undo the other.
pub(crate) fn name(controller: &str, plan: &Plan, certificate: &Certificate) -> String {
    let prefix = prefix(controller);
    let source = certificate.sources.first();
    let secret =
        source.map_or_else(|| certificate.id.clone(), |secret| format!("{}/{}", secret.namespace, secret.name));
    let is_operators = plan.operators_certificate == Some(&*certificate.id);
    let rest = if is_operators { format!("default-certificate/{secret}") } else { secret };
    if prefix.len() + rest.len() <= LONGEST_NAME {
        return prefix + &rest;
    }
    // No name in Kubernetes holds a tilde.
    let digest = hex::encode(&Sha256::digest(&rest)[..16]);
    let room = LONGEST_NAME - prefix.len() - digest.len() - 1;
    let cut: String = rest.chars().take(room).collect();
    format!("{prefix}{cut}~{digest}")
}

/// Rancher's ids of certificates.
#[derive(Debug, Default)]
pub(crate) struct Ready<'a> {
    /// By the digest of the certificate that is wanted.
    pub(crate) ids: BTreeMap<&'a str, String>,
    /// What each of them holds now.
    pub(crate) held: BTreeMap<String, String>,
}

/// Makes the wanted certificates, or rotates those that are there. One that Rancher does not take is rejected alone; where
/// an earlier content is there, that one goes on serving.
pub(crate) fn ensure<'a>(
    session: &Session,
    plan: &Plan<'a>,
    seen: &[model::Certificate],
    owner: &ObjectRef,
    rejections: &mut Vec<Rejection>,
) -> Result<Ready<'a>, Error> {
    let mut ready = Ready::default();
    for (&id, certificate) in &plan.certificates {
        let name = name(&session.controller, plan, certificate);
        let present = seen.iter().find(|present| present.name == name);
        match put(session, certificate, &name, present)? {
            Put::Held(rancher, content) => {
                ready.held.insert(rancher.clone(), content);
                ready.ids.insert(id, rancher);
            }
            Put::Refused(message) => {
                if let Some((present, content)) = present.and_then(|present| Some((present, held(session, present)?))) {
                    ready.held.insert(present.id.clone(), content.to_owned());
                    ready.ids.insert(id, present.id.clone());
                }
                let object = certificate.sources.first().unwrap_or(owner).clone();
                rejections.push(Rejection { object, field: "data[\"tls.crt\"]".to_owned(), message });
            }
        }
    }
    Ok(ready)
}

enum Put {
    /// Rancher's id, and the digest of what it holds.
    Held(String, String),
    /// It cannot be, and why.
    Refused(String),
}

fn put(
    session: &Session,
    wanted: &Certificate,
    name: &str,
    present: Option<&model::Certificate>,
) -> Result<Put, Error> {
    let Some(present) = present else { return create(session, wanted, name) };
    if held(session, present).is_none() {
        let message =
            format!("Rancher has a certificate {name} that is not this controller's; remove or rename it there");
        return Ok(Put::Refused(message));
    }
    match &*present.state {
        "removing" | "removed" => return Err(refusal::unavailable(format!("the certificate {name} is being removed"))),
        _ if is_current(session, wanted, present) => return Ok(Put::Held(present.id.clone(), wanted.id.clone())),
        "active" => {}
        // Rancher would store it, and answer that it cannot.
        state => return Err(refusal::unavailable(format!("the certificate {name} is {state} in Rancher"))),
    }
    match session.client.send(api::update(CERTIFICATES, &present.id, &body(session, wanted, name)?)) {
        Ok(_) => {
            session.log.info("rotated a certificate", &[("certificate", name)]);
            Ok(Put::Held(present.id.clone(), wanted.id.clone()))
        }
        Err(error) => refused(error, name),
    }
}

fn create(session: &Session, wanted: &Certificate, name: &str) -> Result<Put, Error> {
    let answer = session.client.send(api::create(CERTIFICATES, &body(session, wanted, name)?));
    let answer = match answer {
        Err(error) if refusal::is_not_unique(&error) => return made_meanwhile(session, wanted, name),
        Err(error) => return refused(error, name),
        Ok(answer) => answer,
    };
    let made: model::Certificate = answer.json().map_err(|error| refusal::of_certificate(error, name))?;
    session.log.info("made a certificate", &[("certificate", name)]);
    Ok(Put::Held(made.id, wanted.id.clone()))
}

/// Another load balancer with the same Secret was faster.
fn made_meanwhile(session: &Session, wanted: &Certificate, name: &str) -> Result<Put, Error> {
    let listed: Vec<model::Certificate> = session.list(session.client.send(api::certificate(name)))?;
    match listed.iter().find(|present| present.name == name) {
        Some(present) if held(session, present).is_none() || is_current(session, wanted, present) => {
            put(session, wanted, name, Some(present))
        }
        _ => Err(Error::Conflict(format!("the certificate {name} changed in Rancher meanwhile"))),
    }
}

fn refused(error: http::Error, name: &str) -> Result<Put, Error> {
    let code = error.body::<model::Refusal>().map(|refusal| refusal.code).unwrap_or_default();
    if error.status() == Some(422) && !matches!(&*code, "InvalidState" | "ActionNotAvailable") {
        return Ok(Put::Refused(format!(
            "Rancher does not take this certificate ({code}); check that it is one, in PEM"
        )));
    }
    Err(refusal::of_certificate(error, name))
}

/// With the private key in it.
fn body(session: &Session, wanted: &Certificate, name: &str) -> Result<Value, Error> {
    let key = session.keys.reveal(&wanted.id).ok_or_else(|| {
        refusal::unavailable(format!(
            "the private key of the certificate {name} is not known any more; it is about to be replaced"
        ))
    })?;
    let (leaf, chain) = split(&wanted.chain);
    Ok(json!({
        "name": name,
        "description": mark::external_id(&session.controller, &wanted.id),
        "cert": leaf,
        "certChain": Some(chain).filter(|chain| !chain.is_empty()),
        "key": key,
    }))
}

/// What a certificate of ours holds; `None` if it is not ours.
fn held<'a>(session: &Session, present: &'a model::Certificate) -> Option<&'a str> {
    mark::suffix(&session.controller, &present.description)
}

fn is_current(session: &Session, wanted: &Certificate, present: &model::Certificate) -> bool {
    let (leaf, chain) = split(&wanted.chain);
    held(session, present) == Some(&*wanted.id)
        && present.cert.trim() == leaf.trim()
        && present.cert_chain.trim() == chain.trim()
}

/// The first certificate of a chain, and the others.
fn split(chain: &str) -> (&str, &str) {
    const END: &str = "-----END CERTIFICATE-----";
    let end = chain.find(END).map_or(chain.len(), |start| start + END.len());
    let (leaf, rest) = chain.split_at(end);
    (leaf.trim(), rest.trim())
}

/// Whether a load balancer still has the certificates that it was given, with the same content. Says what is wrong.
pub(crate) fn drift(
    session: &Session,
    given: &BTreeMap<String, String>,
    present: &[model::Certificate],
) -> Option<String> {
    given.iter().find_map(|(id, digest)| {
        let certificate = present.iter().find(|certificate| certificate.id == *id);
        match certificate.and_then(|certificate| held(session, certificate)) {
            Some(held) if held == digest => None,
            Some(_) => Some(format!("the certificate {id} holds something else")),
            None => Some(format!("the certificate {id} is gone")),
        }
    })
}

/// Removes the certificates of ours that no load balancer of the project uses, and that were not made just now. A failure
/// is logged; the next look tries again.
pub(crate) fn collect(
    session: &Session,
    present: &[model::Certificate],
    load_balancers: &[LoadBalancerService],
    server_time: Option<i64>,
) {
    let used: BTreeSet<_> = load_balancers.iter().flat_map(LoadBalancerService::certificates).collect();
    let own = i64::try_from(session.clock.now()).unwrap_or(i64::MAX);
    let latest = server_time.map_or(own.saturating_sub(GRACE_BY_OUR_CLOCK), |now| now.saturating_sub(GRACE));
    let prefix = prefix(&session.controller);
    let is_garbage = |certificate: &&model::Certificate| {
        certificate.name.starts_with(&prefix)
            && held(session, certificate).is_some()
            && certificate.state == "active"
            && certificate.created <= latest
            && !used.contains(&*certificate.id)
    };
    let garbage: Vec<_> = present.iter().filter(is_garbage).collect();
    let requests = garbage.iter().map(|certificate| api::delete(CERTIFICATES, &certificate.id));
    for (certificate, answer) in garbage.iter().zip(session.client.send_all(requests)) {
        let name = &*certificate.name;
        match answer {
            Ok(_) => session.log.info("removed a certificate that nothing uses", &[("certificate", name)]),
            Err(error) => {
                let status = error.status().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                let fields = [("certificate", name), ("status", &*status)];
                session.log.warn("a certificate that nothing uses could not be removed", &fields);
            }
        }
    }
}

#[cfg(test)]
mod tests;
