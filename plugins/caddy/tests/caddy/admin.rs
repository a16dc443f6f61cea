//! The granted API: what the provider sends goes to the real Caddy.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use lb_provider::{HttpError, Request, Response};

/// Carries a request to an address, on a connection of its own.
pub(crate) fn forward(address: SocketAddr, request: &Request) -> Result<Response, HttpError> {
    let mut stream = TcpStream::connect(address).map_err(|error| HttpError::Connect(error.to_string()))?;
    let mut head = format!("{} {} HTTP/1.0\r\nHost: {address}\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head += &[name, ": ", &String::from_utf8_lossy(value), "\r\n"].concat();
    }
    head += &["Content-Length: ", &request.body.len().to_string(), "\r\n\r\n"].concat();
    let io = |error: std::io::Error| HttpError::Io(error.to_string());
    stream.write_all(&[head.as_bytes(), &request.body].concat()).map_err(io)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // The answer was whole, whatever came after it.
        Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(io(error)),
        _ => {}
    }
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| HttpError::Io("no answer".to_owned()))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| HttpError::Io(format!("no status: {head}")))?;
    Ok(Response { status, headers: vec![], body: answer[end + 4..].to_vec() })
}
