//! What to write into the status of an Ingress, and when not to.
//!
//! # Guarantees
//!
//! - One write for one change: a status that is as it should be is left alone, and so is one whose write is under way or
//!   not yet visible in the watch.
//! - Somebody who keeps overwriting our addresses is answered ever more slowly.
//! - Addresses are cleared only if they are the ones that this process wrote or found right, unchanged since, and only once:
//!   an Ingress that left us for another controller is never fought over.

pub(crate) mod writer;

use std::{sync::Arc, time::Duration};

use lb_model::types::Address;
use tokio::time::Instant;

use crate::{
    backoff::{exponential, jittered},
    stores::object::IngressRecord,
};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// How long a write may stay invisible in the watch before the watch is believed.
const VISIBLE_WITHIN: Duration = Duration::from_secs(30);

/// A status that held this long is contested no more.
const SETTLED_AFTER: Duration = Duration::from_mins(5);

/// The addresses that a status should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// These.
    Addresses(Arc<[Address]>),
    /// Whatever it holds: we do not know any better yet.
    Leave,
    /// None of ours: the Ingress is not served by us.
    Nothing,
}

/// What to do about a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Nothing,
    /// Decide again at this moment.
    Wait(Instant),
    /// Write these addresses.
    Write(Arc<[Address]>),
    /// Remove all addresses, if the object is still the one we know.
    Clear,
}

/// What we know of the status of one Ingress beyond what the watch shows.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// What we last wrote, or found to be right.
    ours: Option<Arc<[Address]>>,
    writing: bool,
    /// Written, and not yet seen in the watch.
    unseen: Option<Unseen>,
    not_before: Option<Instant>,
    /// In a row.
    failures: u32,
    last_write: Option<Instant>,
    /// How often in a row we wrote again what somebody else had overwritten.
    rewrites: u32,
}

#[derive(Debug)]
struct Unseen {
    addresses: Arc<[Address]>,
    resource_version: String,
    until: Instant,
}

/// How a write ended.
#[derive(Debug)]
pub(crate) enum Written {
    /// The object has this resource version now.
    Done { resource_version: String },
    /// There is no such object any more.
    Gone,
    /// The object changed meanwhile; or it failed otherwise. To be decided anew later.
    Failed,
}

impl Status {
    /// Decides. A decision to write or clear is as good as done: [`Status::written`] must follow.
    pub(crate) fn decide(&mut self, stored: &IngressRecord, target: &Target, now: Instant) -> Decision {
        if self.writing {
            return Decision::Nothing;
        }
        if self.unseen.as_ref().is_some_and(|unseen| unseen.is_visible(stored) || now >= unseen.until) {
            self.unseen = None;
        }
        let current = self.unseen.as_ref().map_or(&*stored.addresses, |unseen| &*unseen.addresses);
        let decision = match target {
            Target::Leave => return Decision::Nothing,
            Target::Addresses(wanted) if **wanted == *current => {
                self.ours = Some(wanted.clone());
                return Decision::Nothing;
            }
            Target::Addresses(wanted) => Decision::Write(wanted.clone()),
            Target::Nothing => match &self.ours {
                Some(ours) if **ours == *current && !ours.is_empty() => Decision::Clear,
                _ => {
                    self.ours = None;
                    return Decision::Nothing;
                }
            },
        };
        if let Some(moment) = self.earliest(target, now).filter(|moment| now < *moment) {
            return Decision::Wait(moment);
        }
        self.writing = true;
        decision
    }

    fn earliest(&mut self, target: &Target, now: Instant) -> Option<Instant> {
        if self.last_write.is_some_and(|last| now >= last + SETTLED_AFTER) {
            self.rewrites = 0;
        }
        let overwritten = matches!((target, &self.ours), (Target::Addresses(wanted), Some(ours)) if wanted == ours);
        let contested = self.last_write.filter(|_| overwritten && self.rewrites > 0);
        let calm = contested.map(|last| last + exponential(self.rewrites, FIRST_RETRY, LONGEST_RETRY));
        calm.max(self.not_before)
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing
    }

    /// The write that was decided on was given up.
    pub(crate) fn interrupt(&mut self) {
        self.writing = false;
    }

    /// The write that was decided on has ended. When to decide again at the latest.
    pub(crate) fn written(&mut self, addresses: Arc<[Address]>, how: Written, now: Instant) -> Option<Instant> {
        self.writing = false;
        match how {
            Written::Done { resource_version } => {
                let again = self.ours.as_ref() == Some(&addresses);
                self.rewrites = if again { self.rewrites.saturating_add(1) } else { 0 };
                self.failures = 0;
                self.not_before = None;
                self.last_write = Some(now);
                // What was cleared is not ours any more, and is never cleared again.
                self.ours = Some(addresses.clone()).filter(|addresses| !addresses.is_empty());
                let until = now + VISIBLE_WITHIN;
                self.unseen = Some(Unseen { addresses, resource_version, until });
                Some(until)
            }
            // The watch will tell, or has told already.
            Written::Gone => None,
            Written::Failed => {
                self.failures = self.failures.saturating_add(1);
                let moment = now + jittered(exponential(self.failures, FIRST_RETRY, LONGEST_RETRY));
                self.not_before = Some(moment);
                Some(moment)
            }
        }
    }
}

impl Unseen {
    /// Whether the watch shows our write, or something later.
    fn is_visible(&self, stored: &IngressRecord) -> bool {
        let version = |text: &str| text.parse::<u128>().ok();
        *stored.addresses == *self.addresses
            || *stored.resource_version == *self.resource_version
            || version(&stored.resource_version)
                .zip(version(&self.resource_version))
                .is_some_and(|(stored, written)| stored > written)
    }
}

#[cfg(test)]
mod tests;
