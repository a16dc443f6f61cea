//! The state machines: which process starts from which state, through which state, to which.

use std::time::Duration;

use crate::options::Delays;
use crate::schema::Type;

/// What the server does to a row over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Create,
    Activate,
    Update,
    Deactivate,
    Remove,
    Upgrade,
    FinishUpgrade,
    Rollback,
    CancelUpgrade,
    ContinueUpgrade,
    Restart,
}

use Process::{
    Activate, CancelUpgrade, ContinueUpgrade, Create, Deactivate, FinishUpgrade, Remove, Restart, Rollback, Update,
    Upgrade,
};

impl Process {
    /// The process that an action of this name starts.
    pub(crate) fn of_action(action: &str) -> Option<Self> {
        Some(match action {
            "create" => Create,
            "activate" => Activate,
            "update" => Update,
            "deactivate" => Deactivate,
            "remove" => Remove,
            "upgrade" => Upgrade,
            "finishupgrade" => FinishUpgrade,
            "rollback" => Rollback,
            "cancelupgrade" => CancelUpgrade,
            "continueupgrade" => ContinueUpgrade,
            "restart" => Restart,
            _ => return None,
        })
    }

    pub(crate) fn delay(self, delays: &Delays) -> Duration {
        match self {
            Create => delays.create,
            Activate | Restart => delays.activate,
            Update => delays.update,
            Deactivate => delays.deactivate,
            Remove => delays.remove,
            Upgrade | FinishUpgrade | Rollback | CancelUpgrade | ContinueUpgrade => delays.upgrade,
        }
    }
}

/// What starting a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The row goes through this state.
    Through(&'static str),
    /// What is under way takes it in; the row keeps its state.
    Joins,
    /// Nothing runs and nothing is wrong.
    Nothing,
    /// It cannot start from here: 409.
    Conflict,
}

/// Starts a process on a service.
fn service(process: Process, state: &str) -> Start {
    let from = |states: &[&str], via| if states.contains(&state) { Start::Through(via) } else { Start::Conflict };
    match process {
        Create => from(&["requested"], "registering"),
        Activate => from(&["inactive", "restarting"], "activating"),
        Update => match state {
            "inactive" | "updating-inactive" => Start::Through("updating-inactive"),
            "active" | "updating-active" => Start::Through("updating-active"),
            "activating" | "upgrading" | "canceling-upgrade" | "rolling-back" | "finishing-upgrade" => Start::Joins,
            "upgraded" | "canceled-upgrade" => Start::Nothing,
            _ => Start::Conflict,
        },
        Deactivate => {
            from(&["active", "activating", "updating-active", "updating-inactive", "restarting"], "deactivating")
        }
        Remove => match state {
            "removing" | "removed" => Start::Nothing,
            _ => Start::Through("removing"),
        },
        Upgrade => from(&["active", "inactive", "updating-active", "activating"], "upgrading"),
        FinishUpgrade => from(&["upgraded"], "finishing-upgrade"),
        Rollback => from(&["upgrading", "upgraded", "canceled-upgrade"], "rolling-back"),
        CancelUpgrade => from(&["upgrading", "finishing-upgrade"], "canceling-upgrade"),
        ContinueUpgrade => from(&["canceled-upgrade"], "upgrading"),
        Restart => from(&["active"], "restarting"),
    }
}

/// Starts a process on a stack or a certificate.
fn simple(process: Process, state: &str) -> Start {
    match (process, state) {
        (Create, "requested") => Start::Through("activating"),
        (Update, "active" | "updating-active") => Start::Through("updating-active"),
        (Remove, "removing" | "removed") => Start::Nothing,
        (Remove, _) => Start::Through("removing"),
        (Upgrade, "active") => Start::Through("upgrading"),
        (CancelUpgrade, "upgrading") => Start::Through("canceling-upgrade"),
        (FinishUpgrade, "upgraded") => Start::Through("finishing-upgrade"),
        (Rollback, "upgraded") => Start::Through("rolling-back"),
        _ => Start::Conflict,
    }
}

pub(crate) fn start(kind: &Type, process: Process, state: &str) -> Start {
    if kind.is_service() { service(process, state) } else { simple(process, state) }
}

/// The actions of a row in this state, beside the constant ones of its type.
pub(crate) fn actions(kind: &Type, state: &str) -> &'static [&'static str] {
    if kind.is_service() {
        return match state {
            "requested" => &["create", "remove"],
            "registering" | "deactivating" => &["remove"],
            "inactive" => &["activate", "update", "remove", "upgrade"],
            "activating" | "updating-active" => &["deactivate", "update", "remove", "upgrade"],
            "active" => &["deactivate", "update", "remove", "upgrade", "restart"],
            "updating-inactive" => &["deactivate", "remove"],
            "restarting" => &["activate", "deactivate", "remove"],
            "upgrading" => &["update", "remove", "cancelupgrade", "rollback"],
            "upgraded" => &["remove", "rollback", "finishupgrade"],
            "canceled-upgrade" => &["remove", "continueupgrade", "rollback"],
            "canceling-upgrade" | "rolling-back" => &["update", "remove"],
            "finishing-upgrade" => &["update", "remove", "cancelupgrade"],
            _ => &[],
        };
    }
    match (kind.name, state) {
        ("stack", "active") => &["update", "remove", "upgrade"],
        ("stack", "updating-active") | ("certificate", "active" | "updating-active") => &["update", "remove"],
        ("stack", "error" | "canceled-upgrade") | ("certificate", "activating") => &["remove"],
        ("stack", "activating") => &["remove", "error"],
        ("stack", "upgrading") => &["remove", "cancelupgrade"],
        ("stack", "upgraded") => &["remove", "finishupgrade", "rollback"],
        _ => &[],
    }
}

/// Whether a process works on rows in this state.
pub(crate) fn is_transitioning(state: &str) -> bool {
    matches!(
        state,
        "registering"
            | "activating"
            | "updating-active"
            | "updating-inactive"
            | "deactivating"
            | "removing"
            | "restarting"
            | "upgrading"
            | "canceling-upgrade"
            | "rolling-back"
            | "finishing-upgrade"
            | "reconnecting"
    )
}
