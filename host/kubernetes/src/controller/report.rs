//! What users are told: Events about what is wrong, once, and one when all is well.

use std::collections::BTreeSet;

use lb_model::{
    cluster::{Cluster, NamespacedName},
    provider::CallError,
    translate::NoticeKind,
    types::{Error, ObjectRef, Rejection},
};
use tracing::{debug, info, warn};

use super::Controller;
use crate::{
    error_policy::Requeue,
    events::{Finding, Origin, action, reason},
    lane::Lane,
    timers::At,
};

/// The notices that the metrics count.
pub(super) const KINDS: [NoticeKind; 4] =
    [NoticeKind::Rejected, NoticeKind::Conflict, NoticeKind::Unsupported, NoticeKind::Warning];

impl Controller {
    /// Tells what translation finds wrong with an Ingress now.
    pub(super) fn report_ingress(&mut self, key: &NamespacedName) {
        let responsible = self.responsible(key);
        let notices = responsible.map(|at| self.bounds[at].translator.notices(key)).unwrap_or_default();
        let findings: Vec<_> = notices.iter().map(Finding::translated).collect();
        let counts = KINDS.map(|kind| notices.iter().filter(|notice| notice.kind == kind).count());
        let counted = if responsible.is_some() {
            &mut self.subjects.entry(key.clone()).or_default().counted
        } else if let Some(subject) = self.subjects.get_mut(key).filter(|_| self.leading) {
            // There may be a status of ours to clear.
            &mut subject.counted
        } else {
            self.forget(key);
            return self.report(&Origin::Ingress(key.clone()), &findings);
        };
        let former = std::mem::replace(counted, counts);
        self.count(former, counts);
        self.due.insert(key.clone());
        self.report(&Origin::Ingress(key.clone()), &findings);
    }

    /// Keeps the metrics up to the notices of one Ingress.
    pub(super) fn count(&self, former: [usize; KINDS.len()], counts: [usize; KINDS.len()]) {
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for ((kind, former), count) in KINDS.into_iter().zip(former).zip(counts) {
            if former != count {
                self.metrics.notices(kind, signed(count) - signed(former));
            }
        }
    }

    /// Tells what the provider refuses of a load balancer now: what its lane holds, and what the last call was refused for.
    pub(super) fn report_refusals(&mut self, at: At, id: &str, refused: &[Rejection]) {
        let bound = &mut self.bounds[at];
        let standing = bound.lanes.get(id).map(Lane::rejections).unwrap_or_default();
        let findings: Vec<_> = standing.iter().chain(refused).map(Finding::refused).collect();
        let ingresses: BTreeSet<_> = findings
            .iter()
            .filter(|finding| finding.object.kind == "Ingress")
            .map(|finding| NamespacedName::new(&*finding.object.namespace, &*finding.object.name))
            .collect();
        let former = if ingresses.is_empty() {
            bound.refused.remove(id)
        } else {
            bound.refused.insert(id.to_owned(), ingresses.clone())
        };
        let former = former.unwrap_or_default();
        self.due.extend(former.symmetric_difference(&ingresses).cloned());
        self.report(&Origin::LoadBalancer(at, id.to_owned()), &findings);
    }

    /// Whether the owner of an Ingress has been told that a provider does not serve it, or a part of it.
    pub(super) fn is_rejected(&self, at: At, key: &NamespacedName) -> bool {
        let bound = &self.bounds[at];
        bound.translator.notices(key).iter().any(|notice| notice.kind == NoticeKind::Rejected)
            || (bound.translator.load_balancer_of(key).and_then(|id| bound.refused.get(id)))
                .is_some_and(|ingresses| ingresses.contains(key))
    }

    /// Tells that a provider fails, unless that is known.
    pub(super) fn report_failure(&mut self, at: At, id: &str, error: &CallError, requeue: Requeue) {
        let reason = match error {
            CallError::Provider(Error::Invalid(rejections)) if !rejections.is_empty() => return,
            CallError::Provider(Error::Conflict(_)) if requeue == Requeue::Observe => {
                debug!(load_balancer = id, %error, "somebody else changed the load balancer; it is applied anew");
                return;
            }
            CallError::Provider(Error::Denied(_)) => reason::PROVIDER_DENIED,
            CallError::Provider(_) => reason::PROVIDER_FAILED,
            CallError::Breach { .. } => reason::PROVIDER_BREACH,
            CallError::Open { .. } => return self.report_circuit(at, id, error),
        };
        let text = error.to_string();
        let object = self.blamed(at, id);
        let findings = [about(object.as_ref(), id, &self.bounds[at].spoken(id), reason, action::APPLY, error)];
        let origin = Origin::Failure(at, id.to_owned());
        if self.logged.news(origin.clone(), &findings).is_empty() {
            debug!(load_balancer = id, reason, error = text, ?requeue, "the provider failed again");
        } else {
            warn!(load_balancer = id, reason, error = text, ?requeue, "the provider failed");
        }
        if object.is_some() {
            self.tell(origin, &findings);
        }
    }

    /// Tells, once until the provider works again, that it is not called. The sandbox has logged it.
    fn report_circuit(&mut self, at: At, id: &str, error: &CallError) {
        debug!(load_balancer = id, %error, "the provider is not called");
        if let Some(object) = self.blamed(at, id) {
            let finding = about(
                Some(&object),
                id,
                &self.bounds[at].spoken(id),
                reason::PROVIDER_CIRCUIT_OPEN,
                action::APPLY,
                error,
            );
            self.tell(Origin::Circuit(at, id.to_owned()), &[finding]);
        }
    }

    /// The provider works again, if it did not.
    pub(super) fn failure_over(&mut self, at: At, id: &str) {
        let origin = Origin::Failure(at, id.to_owned());
        self.told.forget(&origin);
        self.told.forget(&Origin::Circuit(at, id.to_owned()));
        if self.logged.forget(&origin) {
            info!(load_balancer = id, "the provider works again");
        }
    }

    /// Tells that a provider cannot be observed, unless that is known. A breach is told to the class, too: its author
    /// must act.
    pub(super) fn report_observation(&mut self, at: At, error: &CallError) {
        let (reason, origin) = match error {
            CallError::Breach { .. } => (reason::PROVIDER_BREACH, Origin::Observation(at)),
            CallError::Open { .. } => (reason::PROVIDER_CIRCUIT_OPEN, Origin::Circuit(at, String::new())),
            CallError::Provider(_) => (reason::PROVIDER_FAILED, Origin::Observation(at)),
        };
        let class = self.class(at);
        let findings = [about(class.as_ref(), "", &self.bounds[at].spoken(""), reason, action::OBSERVE, error)];
        if class.is_some() && reason != reason::PROVIDER_FAILED {
            self.tell(origin, &findings);
        }
        // That a circuit is open, the sandbox has logged.
        let known = matches!(error, CallError::Open { .. });
        if known || self.logged.news(Origin::Observation(at), &findings).is_empty() {
            debug!(%error, "the provider could not be observed again");
        } else {
            warn!(%error, "the provider could not be observed; it is tried again");
        }
    }

    /// Logs what is wrong with the operator's own listeners: no object is to blame.
    pub(super) fn report_streams(&mut self, at: At) {
        let problems = self.bounds[at].translator.stream_problems();
        let finding = |message: &String| Finding {
            object: reference("", &NamespacedName::new("", ""), ""),
            reason: reason::REJECTED,
            action: action::TRANSLATE,
            field: String::new(),
            message: message.clone(),
            breach: None,
        };
        let findings: Vec<_> = problems.iter().map(finding).collect();
        for finding in self.logged.news(Origin::Streams(at), &findings) {
            warn!(problem = finding.message, "a configured stream is not served");
        }
    }

    pub(super) fn observation_over(&mut self, at: At) {
        self.told.forget(&Origin::Observation(at));
        self.told.forget(&Origin::Circuit(at, String::new()));
        if self.logged.forget(&Origin::Observation(at)) {
            info!("the provider can be observed again");
        }
    }

    /// Tells all that is wrong, as if nothing had been told yet.
    pub(super) fn report_all(&mut self) {
        self.told.clear();
        let ingresses: Vec<_> = self.subjects.keys().cloned().collect();
        for ingress in &ingresses {
            self.report_ingress(ingress);
        }
        for at in self.places() {
            for id in self.bounds[at].refused.keys().cloned().collect::<Vec<_>>() {
                self.report_refusals(at, &id, &[]);
            }
        }
        self.report_classes();
    }

    /// Tells the owner of an Ingress that it is served.
    pub(super) fn announce(&self, at: At, key: &NamespacedName, uid: &str, load_balancer: &str) {
        self.events.publish(Finding {
            object: reference("Ingress", key, uid),
            reason: reason::SYNCED,
            action: action::APPLY,
            field: String::new(),
            message: format!("served by {}", self.bounds[at].spoken(load_balancer)),
            breach: None,
        });
    }

    pub(super) fn report(&mut self, origin: &Origin, findings: &[Finding]) {
        for finding in self.logged.news(origin.clone(), findings) {
            let Finding { object, reason, field, message, .. } = finding;
            let name = NamespacedName::new(&*object.namespace, &*object.name);
            warn!(kind = object.kind, object = %name, reason, field, problem = message, "not served as asked");
        }
        self.tell(origin.clone(), findings);
    }

    /// Publishes what is news as Events, if this replica leads.
    fn tell(&mut self, origin: Origin, findings: &[Finding]) {
        if self.leading {
            self.told.news(origin, findings).into_iter().for_each(|finding| self.events.publish(finding.clone()));
        }
    }

    /// The class that the provider serves, if its object is there.
    fn class(&self, at: At) -> Option<ObjectRef> {
        self.class_named(self.bounds[at].translate_options.classes.name())
    }

    fn class_named(&self, name: &str) -> Option<ObjectRef> {
        let class = self.stores.ingress_class(name)?;
        let uid = class.metadata.uid.as_deref().unwrap_or_default();
        Some(reference("IngressClass", &NamespacedName::new("", name), uid))
    }

    /// The object that an Event about a load balancer as a whole goes to: its owner, its class, or its oldest Ingress.
    fn blamed(&self, at: At, id: &str) -> Option<ObjectRef> {
        let translator = &self.bounds[at].translator;
        if let Some(owner) = translator.desired(id).and_then(|desired| desired.load_balancer.owner.as_ref()) {
            return Some(owner.clone());
        }
        if let Some(class) = self.class_named(id) {
            return Some(class);
        }
        let ingresses = translator.ingresses(id).filter_map(|key| self.stores.ingress(key).map(|it| (key, it)));
        let (key, oldest) =
            ingresses.min_by_key(|(_, it)| it.metadata.creation_timestamp.as_ref().map(|time| time.0))?;
        Some(reference("Ingress", key, oldest.metadata.uid.as_deref().unwrap_or_default()))
    }
}

/// What a call that failed tells about an object, and its load balancer as messages call it; without a load balancer, the call was about all of them.
fn about(
    object: Option<&ObjectRef>,
    load_balancer: &str,
    spoken: &str,
    reason: &'static str,
    action: &'static str,
    error: &CallError,
) -> Finding {
    let text = error.to_string();
    // A trap comes with its backtrace, which is for the log.
    let first = text.lines().next().unwrap_or_default();
    let message = if spoken.is_empty() { first.to_owned() } else { format!("{spoken}: {first}") };
    let object = object.cloned().unwrap_or_else(|| reference("", &NamespacedName::new("", load_balancer), ""));
    let breach = match error {
        CallError::Breach { kind, .. } | CallError::Open { kind, .. } => Some(*kind),
        CallError::Provider(_) => None,
    };
    Finding { object, reason, action, field: String::new(), message, breach }
}

pub(super) fn reference(kind: &str, key: &NamespacedName, uid: &str) -> ObjectRef {
    ObjectRef { kind: kind.to_owned(), namespace: key.namespace.clone(), name: key.name.clone(), uid: uid.to_owned() }
}
