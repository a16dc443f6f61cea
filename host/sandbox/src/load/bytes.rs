use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::Error;

/// The largest component that is read. The largest known, Python with its library, is 18 MB.
const MAX_SIZE: u64 = 512 << 20;

/// The content of a file that says it is a component.
pub(super) struct ComponentFile {
    pub(super) bytes: Vec<u8>,
    /// SHA-256, in hexadecimal.
    pub(super) digest: String,
}

impl ComponentFile {
    /// Reads it. With an `expected` digest, any other content is refused. Errors call it `name`.
    pub(super) fn read(path: &Path, name: &Path, expected: Option<&str>) -> Result<Self, Error> {
        let bytes = read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound(name.to_owned()),
            _ => Error::Read { path: name.to_owned(), source },
        })?;
        if let Some(found) = other_format(&bytes) {
            return Err(Error::NotAComponent { path: name.to_owned(), found: found.to_owned() });
        }
        let digest = hex::encode(Sha256::digest(&bytes));
        match expected {
            Some(expected) if expected != digest => {
                Err(Error::Exchanged { path: name.to_owned(), expected: expected.to_owned(), found: digest })
            }
            _ => Ok(Self { bytes, digest }),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let too_large = |size: u64| {
        io::Error::other(format!(
            "it has {size} bytes, of {MAX_SIZE} at most. Is it really a provider? They have a few MB"
        ))
    };
    // Nothing is read of what is too large, and the end is looked for in what grows meanwhile.
    if metadata.len() > MAX_SIZE {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// What the bytes are if they are no component: the magic number is followed by a version and a layer, 1 for components.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => None,
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Some(
            "it is a core module. Build it with `wasm-component-ld` as linker, or make a component of it with \
             `wasm-tools component new`",
        ),
        [b'\0', b'a', b's', b'm', ..] => Some("it is WebAssembly of an unknown version. Build it anew"),
        [b'(', ..] => Some("it is WebAssembly text. Make a binary of it with `wasm-tools parse`"),
        [] => Some("it is empty. Build or copy it anew"),
        _ => Some("it is not WebAssembly. Give the path of a .wasm file"),
    }
}

#[cfg(test)]
mod tests {
    use super::other_format;

    #[test]
    fn formats_are_told_apart() {
        assert_eq!(other_format(b"\0asm\x0d\0\x01\0rest"), None);
        let found = |bytes: &[u8]| other_format(bytes).unwrap();
        assert!(found(b"\0asm\x01\0\0\0").contains("core module"));
        assert!(found(b"\0asm\x02\0\0\0").contains("unknown version"));
        assert!(found(b"\0as").contains("not WebAssembly"));
        assert!(found(b"(component)").contains("text"));
        assert!(found(b"").contains("empty"));
        assert!(found(b"#!/bin/sh\n").contains("not WebAssembly"));
    }
}
