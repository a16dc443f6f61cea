//! What the server was asked, kept for assertions such as "the status was written once".

use std::collections::VecDeque;
use std::sync::Mutex;

use http::{Method, StatusCode};
use jiff::Timestamp;

/// Requests kept; the oldest is forgotten first.
const CAPACITY: usize = 16_384;

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it was answered; for a watch, when its stream was opened.
    pub time: Timestamp,
    /// The HTTP method.
    pub method: Method,
    /// What Kubernetes calls the action: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or
    /// `deletecollection` on resources; the method in lower case elsewhere (discovery, health).
    pub verb: &'static str,
    /// Path and query, as sent.
    pub path: String,
    /// The `User-Agent` header, or an empty string.
    pub user_agent: String,
    /// The status of the answer.
    pub status: StatusCode,
}

/// A bounded log of requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    records: Mutex<VecDeque<RequestRecord>>,
}

impl RequestLog {
    pub(crate) fn push(&self, record: RequestRecord) {
        let mut records = self.records.lock().expect("no code panics while it holds the log");
        if records.len() == CAPACITY {
            records.pop_front();
        }
        records.push_back(record);
    }

    pub(crate) fn snapshot(&self) -> Vec<RequestRecord> {
        self.records.lock().expect("no code panics while it holds the log").iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_record_is_forgotten_first() {
        let log = RequestLog::default();
        for number in 0..=CAPACITY {
            log.push(RequestRecord {
                time: Timestamp::UNIX_EPOCH,
                method: Method::GET,
                verb: "get",
                path: number.to_string(),
                user_agent: String::new(),
                status: StatusCode::OK,
            });
        }
        let records = log.snapshot();
        assert_eq!(records.len(), CAPACITY);
        assert_eq!(records[0].path, "1");
        assert_eq!(records[CAPACITY - 1].path, CAPACITY.to_string());
    }
}
