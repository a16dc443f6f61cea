//! What is printed for people: a title, sections, columns. Whatever comes from a component is made harmless first: it may be
//! a stranger's, and a terminal obeys control characters.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

/// How wide lines are where there is no terminal, and at most.
const WIDTH: usize = 110;

/// Text that grows, and is printed at once.
pub(super) struct Page {
    colours: bool,
    width: usize,
    text: String,
}

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Bad,
    /// Neither; it is to be known.
    Note,
}

impl Page {
    /// An empty one, for standard output.
    pub(super) fn new() -> Self {
        let stdout = io::stdout();
        let is_screen = stdout.is_terminal();
        let colours = is_screen && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let size = is_screen.then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
        let width = size.map_or(WIDTH, |size| usize::from(size.ws_col).clamp(40, WIDTH));
        Self { colours, width, text: String::new() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.text, "{}", line.trim_end());
    }

    /// What the page is about.
    pub(super) fn title(&mut self, title: &str, remark: &str) {
        let title = self.paint("1", &plain(title));
        self.line(&format!("{title}  {}", plain(remark)));
    }

    /// The head of a section.
    pub(super) fn section(&mut self, head: &str, remark: &str) {
        let (head, remark) = (self.paint("1", head), self.paint("2", remark));
        self.line(&format!("\n{head}  {remark}"));
    }

    /// A name and what it is, in two columns.
    pub(super) fn entry(&mut self, name: &str, value: &str) {
        self.cells(&[(name, 12)], value);
    }

    /// Words in columns of these widths, and a text beside them that is as long as it has to be.
    pub(super) fn cells(&mut self, columns: &[(&str, usize)], text: &str) {
        let mut head = String::from(" ");
        for (word, width) in columns {
            let _infallible = write!(head, " {:width$}", plain(word));
        }
        let indent = head.chars().count() + 1;
        let mut lines = wrapped(&plain(text), self.width.saturating_sub(indent)).into_iter();
        self.line(&format!("{head} {}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.cells(&[], text);
    }

    /// Lines as they are, indented.
    pub(super) fn verbatim(&mut self, text: &str) {
        for line in text.lines() {
            self.line(&format!("  {}", plain(line)));
        }
    }

    /// A thing that was looked at.
    pub(super) fn mark(&mut self, mark: Mark, what: &str, remark: &str) {
        let sign = match mark {
            Mark::Good => self.paint("32", "✓"),
            Mark::Bad => self.paint("31", "✗"),
            Mark::Note => self.paint("2", "-"),
        };
        // The first line flows; what follows it, such as configuration to copy, stays as it is.
        let (first, rest) = remark.split_once('\n').unwrap_or((remark, ""));
        let indent = 16;
        let mut lines = wrapped(&plain(first), self.width.saturating_sub(indent)).into_iter();
        self.line(&format!("  {sign} {what:11} {}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("{:indent$}{line}", ""));
        }
        for line in rest.lines() {
            self.line(&format!("{:indent$}{}", "", plain(line)));
        }
    }

    /// Prints it. A reader that has gone away has read enough.
    pub(super) fn print(self) -> io::Result<()> {
        print(&self.text)
    }
}

/// Prints some text. A reader that has gone away has read enough.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// Without characters that a terminal would obey, or that turn the direction of the text.
fn plain(text: &str) -> String {
    let is_harmful = |character: char| {
        character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if is_harmful(character) { ' ' } else { character }).collect()
}

/// The text in lines of at most so many characters, broken between words; at least one line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Mark, Page, plain, size, wrapped};

    fn page() -> Page {
        Page { colours: false, width: 40, text: String::new() }
    }

    #[test]
    fn what_a_terminal_would_obey_is_gone() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c\n"), "a [2Jb c ");
        let mut page = page();
        page.entry("name", "\x1b]0;pwned\x07");
        page.mark(Mark::Bad, "grants", "first\nsecond\x1b[A");
        assert!(!page.text.contains('\x1b'), "{:?}", page.text);
    }

    #[test]
    fn long_texts_stay_in_their_column() {
        let mut page = page();
        page.cells(&[("key", 6)], "some words that do not fit into one line");
        assert_eq!(page.text, "  key    some words that do not fit into\n         one line\n");
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("incomprehensibilities a b", 5), ["incomprehensibilities", "a b"]);
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!([size(3), size(94_213), size(18_250_000)], ["3 bytes", "95 KB", "18.2 MB"]);
    }
}
