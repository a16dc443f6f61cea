//! How many requests each scene took, and what was written.

use std::collections::BTreeMap;

use anyhow::Result;

use super::double::{Asked, Double};
use crate::terminal::table;

/// What Rancher was asked since the controller started, scene by scene.
pub(crate) struct Ledger {
    since: u64,
    entries: Vec<(&'static str, Asked)>,
}

impl Ledger {
    /// Whatever was asked before is not ours.
    pub(crate) fn open(double: &Double) -> Result<Self> {
        Ok(Self { since: double.asked(0)?.next, entries: Vec::new() })
    }

    /// What was asked since the last entry; no entry yet.
    pub(crate) fn look(&self, double: &Double) -> Result<Asked> {
        double.asked(self.since)
    }

    /// Closes a scene; returns what it took.
    pub(crate) fn enter(&mut self, scene: &'static str, double: &Double) -> Result<&Asked> {
        let asked = self.look(double)?;
        self.since = asked.next;
        self.entries.push((scene, asked));
        Ok(&self.entries[self.entries.len() - 1].1)
    }

    /// What was asked since the last entry was the demo's own doing.
    pub(crate) fn skip(&mut self, double: &Double) -> Result<()> {
        self.since = self.look(double)?.next;
        Ok(())
    }

    /// All requests, and those of them that are writes.
    pub(crate) fn sum(&self) -> (u64, usize) {
        self.entries
            .iter()
            .fold((0, 0), |(requests, writes), (_, asked)| (requests + asked.requests, writes + asked.writes.len()))
    }

    pub(crate) fn show(&self) {
        let row = |scene: &str, requests: u64, writes: usize, what: String| {
            vec![scene.to_owned(), requests.to_string(), writes.to_string(), what]
        };
        let mut rows: Vec<_> = self
            .entries
            .iter()
            .map(|(scene, asked)| row(scene, asked.requests, asked.writes.len(), kinds(&asked.writes)))
            .collect();
        let (requests, writes) = self.sum();
        rows.push(row("all", requests, writes, String::new()));
        table(&["SCENE", "REQUESTS", "WRITES", "WRITTEN"], &rows);
    }
}

/// `2 POST loadBalancerService, 1 POST certificate`
fn kinds(writes: &[String]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for write in writes {
        *counts.entry(write.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).or_default() += 1;
    }
    counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::kinds;

    #[test]
    fn counts_writes_by_kind() {
        let writes = ["POST   certificate  1c1  a activating", "PUT stack 1st1 b active", "POST certificate 1c2 c"];
        assert_eq!(kinds(&writes.map(str::to_owned)), "2 POST certificate, 1 PUT stack");
    }
}
