//! When to try again: the one place that decides it.

use std::time::Duration;

use lb_model::{provider::CallError, types::Error};

use crate::backoff::exponential;

/// What follows a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requeue {
    /// Only a change can help.
    OnChange,
    /// See what is there, then apply completely, at once.
    Observe,
    /// After this time, give or take the jitter.
    After(Duration),
}

/// Conflicts in a row that are answered at once.
const QUICK_CONFLICTS: u32 = 5;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// The operator has to act.
const FIRST_DENIED: Duration = Duration::from_mins(1);
const LONGEST_DENIED: Duration = Duration::from_mins(10);
/// A provider may ask for any patience, but not for ever.
const LONGEST_ASKED: Duration = Duration::from_hours(1);
const SHORTEST_ASKED: Duration = Duration::from_millis(100);
/// What the sandbox's limits allow at most.
const LONGEST_OPEN: Duration = Duration::from_hours(24);

/// Chooses what follows the `failures`th failure in a row, counted from 1. Calls that were not made are none.
pub(crate) fn error_policy(error: &CallError, failures: u32) -> Requeue {
    let retry = |failures| Requeue::After(exponential(failures, FIRST_RETRY, LONGEST_RETRY));
    match error {
        CallError::Provider(Error::Invalid(_)) => Requeue::OnChange,
        CallError::Provider(Error::Denied(_)) => Requeue::After(exponential(failures, FIRST_DENIED, LONGEST_DENIED)),
        CallError::Provider(Error::Conflict(_)) if failures <= QUICK_CONFLICTS => Requeue::Observe,
        CallError::Provider(Error::Conflict(_)) => retry(failures - QUICK_CONFLICTS),
        CallError::Provider(Error::Unavailable(asked)) => asked.after.map_or_else(
            || retry(failures),
            |after| Requeue::After(Duration::from_millis(after).clamp(SHORTEST_ASKED, LONGEST_ASKED)),
        ),
        CallError::Breach { .. } => retry(failures),
        CallError::Open { retry_after, .. } => Requeue::After((*retry_after).clamp(SHORTEST_ASKED, LONGEST_OPEN)),
    }
}

/// Whether a failed call may have changed something: then what is applied is not known any more.
pub(crate) fn leaves_doubt(error: &CallError) -> bool {
    // Of the provider's errors only `invalid` promises that nothing was changed.
    !matches!(error, CallError::Provider(Error::Invalid(_)) | CallError::Open { .. })
}

/// The value of the `outcome` label in metrics.
pub(crate) fn label(error: &CallError) -> &'static str {
    match error {
        CallError::Provider(Error::Invalid(_)) => "invalid",
        CallError::Provider(Error::Denied(_)) => "denied",
        CallError::Provider(Error::Conflict(_)) => "conflict",
        CallError::Provider(Error::Unavailable(_)) => "unavailable",
        CallError::Breach { .. } => "breach",
        CallError::Open { .. } => "circuit_open",
    }
}

#[cfg(test)]
mod tests {
    use lb_model::{provider::Breach, types::RetryAfter};

    use super::*;

    fn unavailable(after: Option<u64>) -> CallError {
        CallError::Provider(Error::Unavailable(RetryAfter { message: "down".to_owned(), after }))
    }

    fn open(seconds: u64) -> CallError {
        let retry_after = Duration::from_secs(seconds);
        CallError::Open { kind: Breach::Trap, retry_after, message: "unreachable".to_owned() }
    }

    fn after(seconds: u64) -> Requeue {
        Requeue::After(Duration::from_secs(seconds))
    }

    #[test]
    fn each_error_has_its_own_patience() {
        let breach = CallError::Breach { kind: Breach::Trap, message: "unreachable".to_owned() };
        let denied = CallError::Provider(Error::Denied("no credential".to_owned()));
        let conflict = CallError::Provider(Error::Conflict("changed".to_owned()));
        let invalid = CallError::Provider(Error::Invalid(Vec::new()));
        for (name, error, failures, expected) in [
            ("invalid waits for a change", &invalid, 1, Requeue::OnChange),
            ("and goes on waiting", &invalid, 99, Requeue::OnChange),
            ("denied waits long", &denied, 1, after(60)),
            ("and longer", &denied, 2, after(120)),
            ("but not for ever", &denied, 99, after(600)),
            ("conflict looks and tries again", &conflict, 5, Requeue::Observe),
            ("but not for ever at once", &conflict, 6, after(1)),
            ("unavailable backs off", &unavailable(None), 3, after(4)),
            ("up to a minute", &unavailable(None), 30, after(60)),
            ("or as long as it asks", &unavailable(Some(7_000)), 3, after(7)),
            ("within reason", &unavailable(Some(u64::MAX)), 1, after(3600)),
            ("and never in a tight loop", &unavailable(Some(0)), 1, Requeue::After(Duration::from_millis(100))),
            ("a breach backs off", &breach, 2, after(2)),
            ("an open circuit is waited for", &open(90), 9, after(90)),
            ("and not asked in a tight loop", &open(0), 1, Requeue::After(Duration::from_millis(100))),
        ] {
            assert_eq!(error_policy(error, failures), expected, "{name}");
        }
    }

    #[test]
    fn what_changed_nothing_leaves_no_doubt() {
        assert!(!leaves_doubt(&CallError::Provider(Error::Invalid(Vec::new()))));
        assert!(!leaves_doubt(&open(30)));
        assert!(leaves_doubt(&unavailable(None)));
        assert!(leaves_doubt(&CallError::Provider(Error::Denied(String::new()))));
        assert!(leaves_doubt(&CallError::Provider(Error::Conflict(String::new()))));
        assert!(leaves_doubt(&CallError::Breach { kind: Breach::WallDeadline, message: String::new() }));
    }
}
