//! What came of it.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

/// What a component keeps of the contract.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What messages call the component.
    pub component: PathBuf,
    /// What the provider calls itself; empty if it cannot say so.
    pub provider: String,
    /// The version that it tells.
    pub version: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// Each clause that was asked for, in order.
    pub clauses: Vec<ClauseReport>,
}

/// One clause.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClauseReport {
    /// What `only` calls it.
    pub id: &'static str,
    /// What holds if it is kept.
    pub title: &'static str,
    /// Where in the contract it stands: the item and its file.
    pub section: &'static str,
    /// What stands there.
    pub contract: &'static str,
    /// Whether it is kept.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took; in JSON as `milliseconds`.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub took: Duration,
}

/// How a clause ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Kept,
    /// It does not.
    Broken {
        /// What should have come.
        expected: String,
        /// What came instead.
        came: String,
    },
    /// It does not concern this provider, or cannot be seen here.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl Report {
    /// Whether no clause is broken.
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The clauses that are broken.
    pub fn broken(&self) -> impl Iterator<Item = &ClauseReport> {
        self.clauses.iter().filter(|clause| matches!(clause.verdict, Verdict::Broken { .. }))
    }

    /// The first line: whom it is about.
    pub fn head(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let digest = self.digest.get(..12).unwrap_or(&self.digest);
            let name = if self.provider.is_empty() { "a provider" } else { &self.provider };
            let space = if self.version.is_empty() { "" } else { " " };
            write!(f, "{name}{space}{}, {} (sha256:{digest})", self.version, self.component.display())
        })
    }

    /// The last line: how many of each there are.
    pub fn sum(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let broken = self.broken().count();
            let skipped = self.clauses.iter().filter(|it| matches!(it.verdict, Verdict::Skipped { .. })).count();
            let took = self.clauses.iter().map(|clause| clause.took).sum();
            let kept = self.clauses.len() - broken - skipped;
            write!(f, "{kept} kept, {broken} broken, {skipped} skipped in {}", Time(took))
        })
    }
}

/// The whole report for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.head())?;
        for clause in &self.clauses {
            writeln!(f, "{clause}")?;
        }
        write!(f, "\n{}", self.sum())
    }
}

/// One line, and what is there to know if it is not kept.
impl fmt::Display for ClauseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Kept => '✓',
            Verdict::Broken { .. } => '✗',
            Verdict::Skipped { .. } => '–',
        };
        write!(f, "{mark} {:<18} {:<66} {:>8}", self.id, self.title, Time(self.took).to_string())?;
        match &self.verdict {
            Verdict::Kept => Ok(()),
            Verdict::Skipped { reason } => detail(f, "skipped", reason),
            Verdict::Broken { expected, came } => {
                detail(f, "expected", expected)?;
                detail(f, "came", came)?;
                detail(f, "contract", &format!("{}: {}", self.section, self.contract))
            }
        }
    }
}

/// Text below a clause, broken into lines that a terminal has room for.
fn detail(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    const WIDTH: usize = 96;
    const INDENT: usize = 13;
    let mut label = label;
    for line in text.lines() {
        write!(f, "\n    {label:<9}")?;
        label = "";
        let mut column = INDENT;
        for (index, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            if index > 0 && column + 1 + length > WIDTH {
                write!(f, "\n{:INDENT$}", "")?;
                column = INDENT;
            } else if index > 0 {
                f.write_str(" ")?;
                column += 1;
            }
            f.write_str(word)?;
            column += length;
        }
    }
    Ok(())
}

/// A duration in the unit that fits it.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        if *time < Duration::from_secs(1) {
            write!(f, "{} ms", time.as_millis())
        } else {
            write!(f, "{:.1} s", time.as_secs_f64())
        }
    }
}

fn milliseconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
