//! Why the controller ends, and errors as one line.

use std::error::Error as StdError;

/// Why the controller ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the controller ended by a panic: a bug.
    #[error("a part of the controller broke down; please report this")]
    Task(#[source] tokio::task::JoinError),
    /// A part of the controller that runs for ever ended.
    #[error("a part of the controller ended by itself; please report this")]
    Ended,
}

/// An error with its causes in one line, each told once.
pub(crate) fn one_line(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("watch failed: refused")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("refused")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn a_cause_is_told_once() {
        let error = Outer(Inner(std::io::Error::other("port closed")));
        assert_eq!(one_line(&error), "watch failed: refused: port closed");
    }
}
