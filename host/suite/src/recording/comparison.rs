use std::fmt;

use serde::Serialize;

use super::Body;

/// How far a provider did as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// How many calls were made.
    pub calls: usize,
    /// How many requests it sent.
    pub requests: usize,
    /// In the order in which they were found.
    pub differences: Vec<Difference>,
}

/// Something that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "kebab-case")]
pub enum Difference {
    /// A request that was not recorded; it was answered 501.
    Added {
        /// The call that it came from.
        call: String,
        /// Method and target.
        request: String,
        /// What was sent.
        sent: Body,
    },
    /// A request that changes something, which did not come.
    Missing {
        /// The call that it belonged to.
        call: String,
        /// Method and target.
        request: String,
    },
    /// A request with other content.
    Body {
        /// The call that it came from.
        call: String,
        /// Method and target.
        request: String,
        /// Each place, as it was recorded and as it came.
        lines: Vec<String>,
    },
    /// A call with another result.
    Result {
        /// The call.
        call: String,
        /// Each place, as it was recorded and as it came.
        lines: Vec<String>,
    },
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        let (calls, requests) = (self.calls, self.requests);
        match self.differences.len() {
            0 => write!(f, "✓ {calls} calls and {requests} requests, all as they were recorded"),
            1 => write!(f, "✗ {calls} calls and {requests} requests, one difference"),
            more => write!(f, "✗ {calls} calls and {requests} requests, {more} differences"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines =
            |f: &mut fmt::Formatter<'_>, lines: &[String]| lines.iter().try_for_each(|line| write!(f, "\n    {line}"));
        match self {
            Self::Added { call, request, .. } => write!(f, "+ {request}\n    in {call}: it was not recorded"),
            Self::Missing { call, request } => write!(f, "- {request}\n    in {call}: it did not come"),
            Self::Body { call, request, lines: places } => {
                write!(f, "~ {request}\n    in {call}:")?;
                lines(f, places)
            }
            Self::Result { call, lines: places } => {
                write!(f, "~ {call}\n    ended otherwise:")?;
                lines(f, places)
            }
        }
    }
}
