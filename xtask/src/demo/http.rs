//! As much HTTP/1.1 as the demo needs.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer and how long it took.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) elapsed: Duration,
}

impl Response {
    /// The Service that an echo backend answered for; nothing if no backend did.
    pub(crate) fn service(&self) -> Option<String> {
        self.field("service")
    }

    /// The echo backend that answered.
    pub(crate) fn pod(&self) -> Option<String> {
        self.field("pod")
    }

    fn field(&self, name: &str) -> Option<String> {
        let echo: Value = serde_json::from_str(&self.body).ok()?;
        echo[name].as_str().map(str::to_owned)
    }
}

/// What is asked. Header fields are `Name: value`.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [String],
    pub(crate) body: &'a str,
}

/// Gets a page of a host that a local port serves.
pub(crate) fn get(port: u16, host: &str, path: &str) -> Result<Response> {
    let request = Request { method: "GET", host, path, headers: &[], body: "" };
    send(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &request)
}

/// Sends one request on a connection of its own.
pub(crate) fn send(address: SocketAddr, request: &Request) -> Result<Response> {
    let begun = Instant::now();
    let Request { method, host, path, headers, body } = request;
    let mut stream =
        TcpStream::connect_timeout(&address, TIMEOUT).with_context(|| format!("cannot reach {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT)).context("a socket takes a timeout")?;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: xtask\r\nConnection: close\r\n");
    for header in
        headers.iter().map(String::as_str).chain((!body.is_empty()).then_some("Content-Type: application/json"))
    {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        let _infallible = write!(text, "Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).context("cannot send the request")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("cannot read the answer")?;
    let (status, body) = parse(&answer).with_context(|| format!("{method} http://{host}{path}"))?;
    Ok(Response { status, body, elapsed: begun.elapsed() })
}

/// Status and body of a whole answer.
fn parse(answer: &[u8]) -> Result<(u16, String)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("the answer has no end of header")?;
    let header = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let body = &answer[end + 4..];
    let status = header.split(' ').nth(1).and_then(|status| status.parse().ok()).context("the answer has no status")?;
    let body = if header.contains("\r\ntransfer-encoding: chunked") { unchunk(body)? } else { body.to_vec() };
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").context("a chunk has no size")?;
        let size =
            usize::from_str_radix(String::from_utf8_lossy(&rest[..line]).trim(), 16).context("a chunk has no size")?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Ok(body);
        }
        if rest.len() < size + 2 {
            bail!("the answer was cut off");
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_plain_and_chunked_answers() {
        let plain = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(parse(plain).unwrap(), (404, "no".to_owned()));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap(), (200, "abcde".to_owned()));
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
