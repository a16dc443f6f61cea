//! The page about the suite names every clause, in order.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{fs, path::Path};

#[test]
fn every_clause_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let page = fs::read_to_string(page).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let clauses: Vec<_> = lb_suite::clauses().map(|clause| format!("| `{}` | {} |", clause.id, clause.title)).collect();
    assert_eq!(rows, clauses);
}
