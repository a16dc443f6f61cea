//! What people see: steps that tick while they run, colours only where they help.

use std::{
    env,
    io::{IsTerminal, Write},
    sync::LazyLock,
    time::{Duration, Instant},
};

/// How often a running step says so where no line can be drawn over.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The shortest time that is worth telling.
const NOTABLE: Duration = Duration::from_millis(100);
const LABEL_WIDTH: usize = 44;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Whether standard output is a screen to draw on.
static LIVE: LazyLock<bool> =
    LazyLock::new(|| std::io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb"));
static COLOUR: LazyLock<bool> = LazyLock::new(|| *LIVE && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));

fn paint(code: &str, text: &str) -> String {
    if *COLOUR { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

pub(crate) fn bold(text: &str) -> String {
    paint("1", text)
}

pub(crate) fn dim(text: &str) -> String {
    paint("2", text)
}

pub(crate) fn green(text: &str) -> String {
    paint("32", text)
}

pub(crate) fn red(text: &str) -> String {
    paint("31", text)
}

pub(crate) fn cyan(text: &str) -> String {
    paint("36", text)
}

/// A headline between steps.
pub(crate) fn headline(text: &str, remark: &str) {
    println!("\n{}  {}", bold(text), dim(remark));
}

/// A duration for people: `12 ms`, `3.4 s`, `2 m 05 s`.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

/// Rows in columns, the header dimmed; empty cells stay empty.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([header[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| -> String {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("  {}", cells.join("  ").trim_end())
    };
    println!("{}", dim(&line(&mut header.iter().copied())));
    for row in rows {
        println!("{}", line(&mut row.iter().map(String::as_str)));
    }
}

/// One thing that is being done. Dropped before [`Step::done`], it shows as failed.
pub(crate) struct Step {
    label: String,
    detail: String,
    started: Instant,
    spoken: Instant,
    frame: usize,
    finished: bool,
}

impl Step {
    pub(crate) fn begin(label: &str) -> Self {
        let now = Instant::now();
        let mut step = Self {
            label: label.to_owned(),
            detail: String::new(),
            started: now,
            spoken: now,
            frame: 0,
            finished: false,
        };
        step.tick();
        step
    }

    /// What it is at, shown at the next tick.
    pub(crate) fn detail(&mut self, detail: impl Into<String>) {
        self.detail = detail.into();
    }

    /// Shows that it still runs; call it several times a second.
    pub(crate) fn tick(&mut self) {
        let elapsed = human(self.started.elapsed());
        if *LIVE {
            let spinner = SPINNER[self.frame % SPINNER.len()];
            self.frame += 1;
            print!(
                "\r\x1b[2K  {} {}  {}",
                cyan(spinner),
                pad(&self.label),
                dim(&format!("{elapsed:>9}  {}", self.detail))
            );
            // A screen that is gone is no reason to stop the work.
            let _ = std::io::stdout().flush();
        } else if self.spoken.elapsed() >= HEARTBEAT {
            self.spoken = Instant::now();
            println!("    {} ... {elapsed}  {}", self.label, self.detail);
        }
    }

    pub(crate) fn done(mut self, remark: &str) {
        self.finish(&green("✓"), remark);
    }

    /// It was not needed, or cannot be done here; that is no failure.
    pub(crate) fn skipped(mut self, remark: &str) {
        self.finish(&dim("-"), remark);
    }

    fn finish(&mut self, mark: &str, remark: &str) {
        self.finished = true;
        if *LIVE {
            print!("\r\x1b[2K");
        }
        let elapsed = self.started.elapsed();
        let elapsed = if elapsed < NOTABLE { String::new() } else { human(elapsed) };
        let line = format!("  {mark} {}  {elapsed:>9}  {}", pad(&self.label), dim(remark));
        println!("{}", line.trim_end());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.finish(&red("✗"), "");
        }
    }
}

fn pad(label: &str) -> String {
    format!("{label:LABEL_WIDTH$}")
}
