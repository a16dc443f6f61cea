//! Requests as they go over the wire, and curl where there is TLS.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The first line of an echo: who answered.
    pub(crate) fn who(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        self.body.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A header that the endpoint was sent.
    pub(crate) fn forwarded(&self, name: &str) -> Option<&str> {
        let lines = self.body.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Gets a path of a host.
pub(crate) fn get(port: u16, host: &str, path: &str) -> Answer {
    request(port, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"), "")
}

/// Sends a head without its last, empty line, and a body, on a connection of its own.
pub(crate) fn request(port: u16, head: &str, body: &str) -> Answer {
    try_request(port, head, body).unwrap_or_else(|error| panic!("{head}: {error}"))
}

pub(crate) fn try_request(port: u16, head: &str, body: &str) -> Result<Answer, String> {
    let mut length = String::new();
    if !body.is_empty() {
        length = format!("Content-Length: {}\r\n", body.len());
    }
    raw(port, &format!("{head}{length}Connection: close\r\n\r\n{body}"))
}

/// Sends bytes as they are and reads one answer up to the end of the connection.
pub(crate) fn raw(port: u16, bytes: &str) -> Result<Answer, String> {
    let mut stream = connect(port);
    // The answer may come, and the connection end, before all is sent.
    let _ = stream.write_all(bytes.as_bytes());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no answer: {answer:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("no status: {head}"))?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// What curl prints; an error holds what it complains of.
pub(crate) fn curl(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("curl").args(["-sS", "--max-time", "30"]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
