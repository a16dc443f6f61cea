use std::{
    fs::{self, File},
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
}

impl ComponentFile {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound(path.to_owned()),
            _ => Error::Read { path: path.to_owned(), source },
        })?;
        match other_format(&bytes) {
            None => Ok(Self { bytes }),
            Some(found) => Err(Error::NotAComponent { path: path.to_owned(), found: found.to_owned() }),
        }
    }

    /// SHA-256, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_SIZE)).unwrap_or(0));
    File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(io::Error::other(format!("it is larger than {MAX_SIZE} bytes")));
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
