//! Servers that Caddy forwards to.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use lb_provider::{Endpoint, testing::records};

/// What an endpoint does with a connection.
pub(crate) type Handler = dyn Fn(TcpStream) -> io::Result<()> + Send + Sync;

/// A server on a port of its own. Dropping it closes its connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
    ended: Arc<AtomicBool>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers every request with what it was asked, its own name first. Upgraded connections echo bytes.
    pub(crate) fn echo(name: &str) -> Self {
        Self::echo_at(name, "127.0.0.1:0")
    }

    pub(crate) fn echo_at(name: &str, address: &str) -> Self {
        let name = name.to_owned();
        Self::new(address, move |stream| echo(&name, stream))
    }

    pub(crate) fn new(address: &str, handle: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            open: Arc::default(),
            ended: Arc::default(),
            connections: Arc::default(),
        };
        let (open, ended, connections) =
            (Arc::clone(&server.open), Arc::clone(&server.ended), Arc::clone(&server.connections));
        let handle: Arc<Handler> = Arc::new(handle);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let handle = Arc::clone(&handle);
                let connection = stream.try_clone().unwrap();
                open.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || {
                    // A client that goes away is nothing to fail for.
                    let _ = handle(stream);
                    let _ = connection.shutdown(Shutdown::Both);
                });
            }
        });
        server
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        records::endpoint(&self.address.ip().to_string(), self.address.port())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// An endpoint that refuses connections.
pub(crate) fn dead() -> Endpoint {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    records::endpoint("127.0.0.1", listener.local_addr().unwrap().port())
}

/// Reads the lines of a request's head; `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => return Ok(Some(lines)),
            line => lines.push(line.to_owned()),
        }
    }
}

fn header<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|it| it.1)
}

fn echo(name: &str, stream: TcpStream) -> io::Result<()> {
    let mut output = stream.try_clone()?;
    serve_echo(name, &mut BufReader::new(stream), &mut output)
}

/// The echo on any transport.
pub(crate) fn serve_echo(name: &str, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    while let Some(lines) = read_head(input)? {
        if header(&lines, "upgrade") == Some("websocket") {
            output
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")?;
            let mut buffer = [0; 1024];
            loop {
                match input.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => output.write_all(&buffer[..count])?,
                }
            }
        }
        let length = header(&lines, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let answer = format!("{name}\n{}\n", lines.join("\n"));
        // In one piece: the system holds back the second of two small ones.
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        output.write_all(answer.as_bytes())?;
    }
    Ok(())
}
