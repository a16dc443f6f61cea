//! The terminal: a header, a table that is drawn anew when it changes, and the latest Events below it.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use serde::Serialize;

use super::output::Start;

/// How many notes stay in sight on a terminal.
const NOTES: usize = 8;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) hosts: String,
    pub(crate) address: String,
    pub(crate) ports: String,
}

impl Row {
    fn cells(&self) -> [&str; 6] {
        [&self.namespace, &self.name, &self.class, &self.hosts, &self.address, &self.ports]
    }
}

/// Standard output. On a terminal the table is redrawn in place; elsewhere each state of it is printed.
pub(crate) struct Screen {
    live: bool,
    colours: bool,
    table: String,
    notes: VecDeque<String>,
    /// How many lines of table and notes are on the terminal.
    drawn: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let live = io::stdout().is_terminal();
        let colours = live && std::env::var_os("NO_COLOR").is_none();
        Self { live, colours, table: String::new(), notes: VecDeque::new(), drawn: 0 }
    }

    /// Prints a line for a program.
    #[expect(clippy::unused_self, reason = "whoever writes holds the screen")]
    pub(crate) fn line(&mut self, line: &str) {
        write(&format!("{line}\n"));
    }

    /// Says where everything is.
    pub(crate) fn header(&mut self, start: &Start) {
        let bold = |text: &str| if self.colours { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
        let mut text = format!("\n{} {}\n\n", bold("lb-controller dev"), env!("CARGO_PKG_VERSION"));
        let mut entry = |name: &str, value: &str| _ = writeln!(text, "  {name:<11} {value}");
        entry("provider", &start.provider);
        entry("http", &format!("http://{}", start.http));
        entry("https", &format!("https://{}", start.https));
        entry("kubernetes", &start.api);
        entry("kubeconfig", &start.kubeconfig.display().to_string());
        if let Some(admin) = start.admin {
            entry("admin", &format!("http://{admin}/metrics"));
        }
        entry("log", &start.log.display().to_string());
        let _ = writeln!(text, "\n  kubectl --kubeconfig {} get ingress -A\n", start.kubeconfig.display());
        write(&text);
    }

    /// Shows the table.
    pub(crate) fn table(&mut self, rows: &[Row]) {
        self.table = render(rows);
        if self.live {
            self.redraw();
        } else {
            write(&format!("{}\n", self.table));
        }
    }

    /// Shows an Event or a problem.
    pub(crate) fn note(&mut self, reason: &str, text: &str) {
        let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        let plain = matches!(reason, "Synced");
        let reason = match (self.colours, plain) {
            (true, true) => format!("\x1b[32m{reason}\x1b[0m"),
            (true, false) => format!("\x1b[33m{reason}\x1b[0m"),
            (false, _) => reason.to_owned(),
        };
        let note = format!("{reason}  {text}");
        if self.live {
            if self.notes.len() == NOTES {
                self.notes.pop_front();
            }
            self.notes.push_back(note);
            self.redraw();
        } else {
            write(&format!("{note}\n"));
        }
    }

    fn redraw(&mut self) {
        let mut text = String::new();
        if self.drawn > 0 {
            let _ = write!(text, "\x1b[{}A\x1b[J", self.drawn);
        }
        let mut body = self.table.clone();
        if !self.notes.is_empty() {
            body.push('\n');
        }
        let width = width();
        for note in &self.notes {
            // A line that wraps would spoil the count of lines; escape codes only make it shorter.
            body.extend(note.chars().take(width));
            body.push_str(if self.colours { "\x1b[0m\n" } else { "\n" });
        }
        self.drawn = body.lines().count();
        text.push_str(&body);
        write(&text);
    }
}

/// The width of the terminal.
fn width() -> usize {
    rustix::termios::tcgetwinsize(io::stdout()).map_or(120, |size| usize::from(size.ws_col).max(20))
}

/// Columns as wide as their widest cell.
fn render(rows: &[Row]) -> String {
    const TITLES: [&str; 6] = ["NAMESPACE", "NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS"];
    let mut widths = TITLES.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.cells()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for cells in std::iter::once(TITLES).chain(rows.iter().map(Row::cells)) {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}   ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Nobody listens any more when this fails; the controller goes on.
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        tracing::debug!("standard output is closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |name: &str, address: &str| Row {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            class: "lb".to_owned(),
            hosts: "foo.bar.com".to_owned(),
            address: address.to_owned(),
            ports: "80".to_owned(),
        };
        let text = render(&[row("a", "127.0.0.1"), row("longer", "")]);
        assert_eq!(
            text,
            "NAMESPACE   NAME     CLASS   HOSTS         ADDRESS     PORTS\n\
             default     a        lb      foo.bar.com   127.0.0.1   80\n\
             default     longer   lb      foo.bar.com               80\n"
        );
    }
}
