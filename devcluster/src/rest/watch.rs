//! Watches: what is there, then what changes, until the client has had enough.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::render::{self, Renderer};
use super::target::Resource;
use super::{Answer, Api, Call};
use crate::cluster::Cluster;
use crate::kind::Kind;
use crate::object::{self, Object};
use crate::selector::{FieldSelector, Selector};
use crate::status::{FieldError, Status};
use crate::store::Event;

/// Events or objects that are rendered into one chunk.
const BATCH: usize = 256;
/// A watch without a timeout of its own lasts between this and twice as long.
const DEFAULT_TIMEOUT: u64 = 1_800;

/// One open watch.
struct Watch {
    cluster: Arc<Cluster>,
    kind: &'static Kind,
    namespace: Option<String>,
    selector: Selector,
    renderer: Renderer,
    /// Everything up to this revision is sent.
    position: u64,
    /// Sent before any change.
    initial: VecDeque<Arc<Object>>,
    /// Whether a bookmark ends the initial objects.
    marks_end: bool,
    changed: watch::Receiver<u64>,
    deadline: Instant,
    bookmarks: Option<Interval>,
    /// No line was sent yet.
    first: bool,
    finished: bool,
}

impl Api {
    pub(super) fn watch_one(&self, call: &Call, resource: &Resource, name: &str) -> Answer {
        let name = name.replace('\\', r"\\").replace(',', r"\,");
        let fields = FieldSelector::parse(resource.kind, &format!("metadata.name={name}"));
        let fields = fields.map_err(Status::bad_request)?;
        let labels = call.query.selector(resource.kind)?.labels;
        self.open_watch(call, resource, Selector { labels, fields })
    }

    pub(super) fn watch(&self, call: &Call, resource: &Resource) -> Answer {
        let selector = call.query.selector(resource.kind)?;
        self.open_watch(call, resource, selector)
    }

    fn open_watch(&self, call: &Call, resource: &Resource, selector: Selector) -> Answer {
        let kind = resource.kind;
        let renderer = Renderer::new(call, kind)?;
        let revision = call.query.revision()?;
        let streams_list = call.query.optional_flag("sendInitialEvents");
        check_initial(call, streams_list)?;
        if streams_list == Some(true) {
            self.check_not_future(revision)?;
        }
        let changed = self.cluster.store.subscribe(kind);
        let from_now = revision.is_none_or(|revision| revision == 0);
        let snapshot = match (streams_list, from_now) {
            (Some(true), _) | (None, true) => self.cluster.store.snapshot(kind, resource.namespace.as_deref()),
            _ => crate::store::Snapshot {
                revision: revision.filter(|_| !from_now).unwrap_or_else(|| self.cluster.store.revision()),
                objects: Vec::new(),
            },
        };
        let initial = snapshot.objects.into_iter().filter(|object| selector.matches(&object.value)).collect();
        let bookmarks = call.query.flag("allowWatchBookmarks");
        let timeout = call.query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
        let timeout = timeout.unwrap_or_else(|| fastrand::u64(DEFAULT_TIMEOUT..2 * DEFAULT_TIMEOUT));
        let now = Instant::now();
        let watch = Watch {
            cluster: self.cluster.clone(),
            kind,
            namespace: resource.namespace.clone(),
            selector,
            renderer,
            position: snapshot.revision,
            initial,
            marks_end: bookmarks && streams_list == Some(true),
            changed,
            deadline: now + Duration::from_secs(timeout),
            bookmarks: bookmarks.then(|| {
                let mut ticks = interval_at(now + self.bookmark_interval, self.bookmark_interval);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks
            }),
            first: true,
            finished: false,
        };
        let lines = stream::unfold(watch, |mut watch| async move {
            let lines = watch.next().await?;
            Some((Ok(Frame::data(Bytes::from(lines))), watch))
        });
        let mut response = Response::new(StreamBody::new(lines).boxed());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

fn check_initial(call: &Call, streams_list: Option<bool>) -> Result<(), Status> {
    let matching = call.query.text("resourceVersionMatch");
    let error = match (streams_list, matching) {
        (None, "") | (Some(_), "NotOlderThan") => return Ok(()),
        (None, _) => FieldError::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (Some(_), "") => FieldError::forbidden(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (Some(_), other) => FieldError::unsupported("resourceVersionMatch", &other.into(), &["NotOlderThan"]),
    };
    Err(Status::invalid_named("meta.k8s.io", "ListOptions", "", &[error]))
}

impl Watch {
    /// The next lines, or `None` at the end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut lines = Vec::new();
            self.send_initial(&mut lines);
            if self.initial.is_empty() && !self.finished {
                self.send_changes(&mut lines);
            }
            if !lines.is_empty() {
                return Some(lines);
            }
            if self.finished {
                return None;
            }
            self.wait(&mut lines).await;
            if !lines.is_empty() {
                return Some(lines);
            }
        }
    }

    fn send_initial(&mut self, lines: &mut Vec<u8>) {
        for _ in 0..BATCH {
            let Some(object) = self.initial.pop_front() else { break };
            self.send("ADDED", &object, lines);
        }
        if self.initial.is_empty() && std::mem::take(&mut self.marks_end) {
            lines.extend(self.renderer.bookmark(self.position, true));
        }
    }

    fn send_changes(&mut self, lines: &mut Vec<u8>) {
        // Before reading: what changes afterwards wakes this watch again.
        self.changed.borrow_and_update();
        loop {
            match self.cluster.store.changes(self.kind, self.position, BATCH) {
                Ok((events, complete)) => {
                    for event in &events {
                        self.send_change(event, lines);
                    }
                    self.position = complete;
                    if events.len() < BATCH || !lines.is_empty() {
                        return;
                    }
                }
                Err(forgotten) => {
                    lines.extend(render::error(&Status::too_old(self.position, forgotten.oldest)));
                    self.finished = true;
                    return;
                }
            }
        }
    }

    fn send_change(&mut self, event: &Event, lines: &mut Vec<u8>) {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != event.key.namespace) {
            return;
        }
        let before = event.before.as_ref().filter(|object| self.selector.matches(&object.value));
        let selected = !event.deleted && self.selector.matches(&event.object.value);
        match (before, selected) {
            (None, false) => {}
            (None, true) => self.send("ADDED", &event.object, lines),
            (Some(_), true) => self.send("MODIFIED", &event.object, lines),
            (Some(_), false) if event.deleted => self.send("DELETED", &event.object, lines),
            (Some(before), false) => {
                // It left the selection: gone for this client, as it was when it was last seen.
                let mut value = before.value.clone();
                object::set_metadata(&mut value, "resourceVersion", Some(event.revision.to_string().into()));
                self.send("DELETED", &Object::new(value, event.revision), lines);
            }
        }
    }

    fn send(&mut self, event: &str, object: &Object, lines: &mut Vec<u8>) {
        lines.extend(self.renderer.event(event, object, std::mem::take(&mut self.first)));
    }

    /// Until something changes, a bookmark is due, or the time is over.
    async fn wait(&mut self, lines: &mut Vec<u8>) {
        let Self { changed, deadline, bookmarks, .. } = self;
        let bookmark = async {
            match bookmarks {
                Some(ticks) => ticks.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as the cluster, which this watch holds.
            _ = changed.changed() => {}
            _ = bookmark => lines.extend(self.renderer.bookmark(self.position, false)),
            () = sleep_until(*deadline) => {
                self.finished = true;
                if self.bookmarks.is_some() {
                    lines.extend(self.renderer.bookmark(self.position, false));
                }
            }
        }
    }
}
