//! Finds out from nginx's words what it refuses.
//!
//! ```text
//! ... [emerg] ... invalid parameter "x" in /any/where/http/hosts/<listener>-<host>.conf:12
//! ... [emerg] ... cannot load certificate "/any/where/certificates/<digest>.crt": PEM_read_bio_X509() failed ...
//! ... [emerg] ... bind() to 0.0.0.0:80 failed (98: Address already in use)
//! ```

use lb_provider::{Error, FileError, Files};

use crate::{
    exclusions::{Culprit, Exclusion},
    names::{CERTIFICATES, HTTP_HOSTS, HTTP_LISTENERS, STREAM_HOSTS, STREAM_LISTENERS},
    render::{parse_source, parse_sources},
    settings::ListenAddress,
};

/// Errors of the system, as nginx prints them.
const FAMILY_NOT_SUPPORTED: &str = "(97:";
const ADDRESS_NOT_AVAILABLE: &str = "(99:";

/// The first culprit that nginx's output names; `None` if it names none that could be left out. `root` is the tree.
pub(crate) fn find(files: &dyn Files, root: &str, output: &str) -> Result<Option<Culprit>, Error> {
    for message in messages(output, "[emerg] ") {
        let tree = Tree { files, root };
        let culprit = match (socket(message), certificate(message), place(message)) {
            (Some((address, port)), ..) => tree.blame_socket(message, address, port)?,
            (None, Some(digest), _) => Some(tree.blame_certificate(message, digest)?),
            (None, None, Some((path, line))) => tree.blame_line(message, path, line)?,
            (None, None, None) => None,
        };
        if culprit.is_some() {
            return Ok(culprit);
        }
    }
    Ok(None)
}

/// What nginx says of the first error, for people.
pub(crate) fn summary(output: &str) -> String {
    let levels = ["[emerg] ", "[alert] ", "[error] "];
    let worst = levels.iter().find_map(|level| messages(output, level).next());
    let message = worst.or_else(|| output.lines().rfind(|line| !line.is_empty()));
    shorten(message.unwrap_or("it gave no reason"))
}

/// The messages of one level.
fn messages<'a>(output: &'a str, level: &str) -> impl Iterator<Item = &'a str> {
    output.lines().filter_map(move |line| {
        let (_, message) = line.split_once(level)?;
        // A running nginx prints process and thread first.
        let rest = message.trim_start_matches(|character: char| character.is_ascii_digit() || character == '#');
        Some(rest.strip_prefix(": ").unwrap_or(message).trim_end())
    })
}

/// The message without the machine's paths.
fn shorten(message: &str) -> String {
    let message = message.split(" in /").next().unwrap_or(message);
    let mut parts = message.split(" \"/");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_path, rest) = part.split_once('"').unwrap_or((part, ""));
        short.push_str(rest);
    }
    short.chars().take(400).collect()
}

/// Address and port that nginx could not listen on.
fn socket(message: &str) -> Option<(ListenAddress, u16)> {
    let calls = ["bind() to ", "listen() to ", "socket() "];
    let rest = calls.iter().find_map(|call| message.strip_prefix(call))?;
    let (socket, _) = rest.split_once(" failed").or_else(|| rest.split_once(','))?;
    let (address, port) = socket.rsplit_once(':')?;
    Some((address.parse().ok()?, port.parse().ok()?))
}

/// The digest of the certificate whose files the message names.
fn certificate(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(&format!("/{CERTIFICATES}/"))?;
    let (digest, rest) = rest.split_at_checked(32)?;
    (rest.starts_with(".crt") || rest.starts_with(".key")).then_some(digest)
}

/// Path in the tree, and line.
fn place(message: &str) -> Option<(&str, usize)> {
    let (_, place) = message.rsplit_once(" in /")?;
    let (path, line) = place.rsplit_once(':')?;
    let tops = ["/http/", "/stream/", "/modules/"];
    let start = tops.iter().filter_map(|top| path.rfind(top)).max()? + 1;
    Some((&path[start..], line.parse().ok()?))
}

struct Tree<'a> {
    files: &'a dyn Files,
    root: &'a str,
}

impl Tree<'_> {
    fn blame_socket(&self, message: &str, address: ListenAddress, port: u16) -> Result<Option<Culprit>, Error> {
        let is_missing = message.contains(FAMILY_NOT_SUPPORTED)
            || message.contains(ADDRESS_NOT_AVAILABLE) && address.is_unspecified();
        if is_missing {
            return Ok(Some(culprit(Exclusion::Address(address), vec![], message)));
        }
        let port = format!(":{port}\"");
        let listens = |line: &str| line.trim_start().starts_with("listen ") && line.contains(&port);
        for directory in [HTTP_LISTENERS, STREAM_LISTENERS] {
            for name in self.files.list(&format!("{}/{directory}", self.root))? {
                let text = self.read(&format!("{directory}/{name}"))?;
                if let Some(digest) = name.get(..32)
                    && text.lines().any(listens)
                {
                    let exclusion = Exclusion::Listener(digest.to_owned());
                    return Ok(Some(culprit(exclusion, parse_sources(&text), message)));
                }
            }
        }
        Ok(None)
    }

    fn blame_certificate(&self, message: &str, digest: &str) -> Result<Culprit, Error> {
        let chain = self.read(&format!("{CERTIFICATES}/{digest}.crt"))?;
        Ok(culprit(Exclusion::Certificate(digest.to_owned()), parse_sources(&chain), message))
    }

    fn blame_line(&self, message: &str, path: &str, line: usize) -> Result<Option<Culprit>, Error> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        match directory {
            HTTP_HOSTS => {
                let text = self.read(path)?;
                // Whatever follows the mark of an object, up to the next one, came from it.
                let object = text.lines().take(line).filter_map(parse_source).last();
                Ok(Some(match object {
                    Some(object) => {
                        let exclusion = Exclusion::Routes { path: path.to_owned(), uid: object.uid.clone() };
                        culprit(exclusion, vec![object], message)
                    }
                    None => culprit(Exclusion::Host(path.to_owned()), parse_sources(&text), message),
                }))
            }
            STREAM_HOSTS => Ok(Some(culprit(Exclusion::Host(path.to_owned()), vec![], message))),
            HTTP_LISTENERS | STREAM_LISTENERS => {
                let Some(digest) = name.get(..32) else { return Ok(None) };
                let sources = parse_sources(&self.read(path)?);
                Ok(Some(culprit(Exclusion::Listener(digest.to_owned()), sources, message)))
            }
            "stream" | "modules" => Ok(Some(culprit(Exclusion::Stream, vec![], message))),
            _ => Ok(None),
        }
    }

    /// A file as text; empty if it is not there.
    fn read(&self, path: &str) -> Result<String, Error> {
        match self.files.read(&format!("{}/{path}", self.root)) {
            Ok(content) => Ok(String::from_utf8_lossy(&content).into_owned()),
            Err(FileError::NotFound(_)) => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }
}

fn culprit(exclusion: Exclusion, objects: Vec<lb_provider::ObjectRef>, message: &str) -> Culprit {
    Culprit { exclusion, objects, reason: shorten(message) }
}

#[cfg(test)]
mod tests;
