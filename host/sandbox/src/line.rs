//! Lines that come from something that is not trusted.

use std::fmt::Write;

/// The longest line that is kept, in bytes.
pub(crate) const MAX_LINE: usize = 4096;

/// The text as it may stand in a log: cut, and with nothing in it that could move the cursor or forge another line.
pub(crate) fn printable(text: &str) -> String {
    let kept = &text[..text.floor_char_boundary(MAX_LINE)];
    let mut line = String::with_capacity(kept.len());
    for character in kept.trim_end_matches(['\n', '\r']).chars() {
        if character.is_control() || is_direction_mark(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if kept.len() < text.len() {
        let cut = text.len() - kept.len();
        write!(line, " ... ({cut} bytes cut)").expect("writing to a string does not fail");
    }
    line
}

/// Characters that make a terminal show what follows in another order.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINE, printable};

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\nINFO forged\r\n"), "a\\u{1b}[31mb\\nINFO forged");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(printable("grün"), "grün");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = printable(&"ä".repeat(MAX_LINE));
        assert!(line.ends_with("ä ... (4096 bytes cut)"), "{}", &line[line.len() - 40..]);
    }
}
