//! Every clause. Each is a file: its text, and its check.

mod cancelled;
mod certificates;
mod check_settings;
mod describe;
mod empty;
mod failing_api;
mod features;
mod idempotence;
mod incremental;
mod many;
mod names;
mod observe;
mod remove;
mod scale;
mod slow_api;
mod strangers;

use crate::clause::Clause;

/// In the order in which they run.
pub(crate) const ALL: &[Clause] = &[
    describe::CLAUSE,
    check_settings::CLAUSE,
    idempotence::CLAUSE,
    incremental::CLAUSE,
    strangers::CLAUSE,
    observe::CLAUSE,
    remove::REMOVE,
    remove::UNKNOWN,
    remove::TWICE,
    empty::CLAUSE,
    certificates::CLAUSE,
    many::CLAUSE,
    names::CLAUSE,
    features::CLAUSE,
    scale::CLAUSE,
    cancelled::CLAUSE,
    slow_api::CLAUSE,
    failing_api::CLAUSE,
];
