use super::*;

/// What nginx's own reader makes of a line: words with their quotes and escapes taken away.
fn read(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut bytes = line.iter().copied().peekable();
    while let Some(&byte) = bytes.peek() {
        match byte {
            b' ' | b'\n' => drop(bytes.next()),
            b';' => return words,
            b'"' => {
                bytes.next();
                let mut word = Vec::new();
                loop {
                    match bytes.next().expect("the quote is closed") {
                        b'"' => break,
                        b'\\' => match bytes.next().expect("something is escaped") {
                            escaped @ (b'"' | b'\\') => word.push(escaped),
                            other => panic!("\\{} is not ours", other as char),
                        },
                        plain => word.push(plain),
                    }
                }
                assert!(matches!(bytes.peek(), Some(b' ' | b';')), "nginx wants a space after a quote");
                words.push(word);
            }
            _ => {
                let mut word = Vec::new();
                while let Some(plain) = bytes.next_if(|byte| !b" ;\n".contains(byte)) {
                    word.push(plain);
                }
                words.push(word);
            }
        }
    }
    panic!("the directive ends with a semicolon")
}

fn written(argument: Argument<'_>) -> Result<Vec<u8>, Unwritable> {
    let mut conf = Conf::default();
    conf.directive("name", [argument, code("after")]);
    conf.finish()
}

const HOSTILE: [&str; 14] = [
    "",
    " ",
    "\"",
    "\\",
    "\\\"",
    "a;b",
    "{}",
    "#",
    "'",
    "${x}$y",
    "\\n\\t",
    "\";} server { listen 1; } #",
    "é\u{2028}",
    "trailing\\",
];

/// Every string of up to four of the characters that mean something to nginx.
fn combinations() -> Vec<String> {
    let alphabet = ['"', '\\', ';', '{', '}', '#', '\'', ' ', 'n', 'é'];
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..4 {
        last = last.iter().flat_map(|start| alphabet.iter().map(move |end| format!("{start}{end}"))).collect();
        all.extend_from_slice(&last);
    }
    all
}

#[test]
fn nginx_reads_literals_as_they_are() {
    for text in combinations().iter().map(String::as_str).chain(HOSTILE) {
        let line = written(literal(text)).unwrap();
        assert_eq!(read(&line), [b"name".to_vec(), text.into(), b"after".to_vec()], "{text}");
    }
    let bytes = [b'/', 0x80, 0xff];
    assert_eq!(read(&written(literal(&bytes)).unwrap())[1], bytes, "whatever the encoding");
}

#[test]
fn no_text_becomes_a_variable() {
    for text in combinations().iter().map(|text| text.replace('n', "$")).chain(HOSTILE.map(str::to_owned)) {
        let line = written(template().code("$scheme://").text(&text).code("$request_uri")).unwrap();
        let word = String::from_utf8(read(&line).remove(1)).unwrap();
        let inside = word.strip_prefix("$scheme://").unwrap().strip_suffix("$request_uri").unwrap();
        let plain = inside.replace("${dollar}", "");
        assert!(!plain.contains('$'), "{text}: {inside}");
        assert_eq!(inside.replace("${dollar}", "$"), text);
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    for control in ['\0', '\t', '\n', '\r', '\x1b', '\x7f'] {
        let text = format!("a{control}b");
        let error = Unwritable::ControlCharacter(text.escape_debug().to_string());
        assert_eq!(written(literal(&text)), Err(error.clone()));
        assert_eq!(written(template().text(&text)), Err(error));
    }
    assert!(written(literal(&"x".repeat(3990))).is_ok());
    assert!(matches!(written(literal(&"x".repeat(4000))), Err(Unwritable::TooLong(_))));
    assert!(matches!(written(literal(&"é".repeat(4000))), Err(Unwritable::TooLong(_))));
    assert!(written(variable("targets_0a")).is_ok());
    for name in ["a-b", "a b", "a}", "A", "a$"] {
        assert!(matches!(written(variable(name)), Err(Unwritable::NotAName(_))), "{name}");
    }
}

#[test]
fn a_comment_stays_in_its_line() {
    let mut conf = Conf::default();
    conf.comment("a\nlisten 1;\r\0\u{85}");
    conf.comment("é".repeat(5000));
    let text = String::from_utf8(conf.finish().unwrap()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "# alisten 1;"));
    assert!(lines[1].len() < 4096);
}

#[test]
fn an_error_in_a_part_spares_the_whole() {
    let mut conf = Conf::default();
    conf.block("server", [], |conf| {
        let mut part = conf.nested();
        part.directive("bad", [literal("\n")]);
        assert!(conf.append(part).is_err());
        let mut part = conf.nested();
        part.directive("good", [number(1_u64, "s")]);
        assert_eq!(conf.append(part), Ok(()));
    });
    assert_eq!(String::from_utf8(conf.finish().unwrap()).unwrap(), "server {\n    good 1s;\n}\n");
}
