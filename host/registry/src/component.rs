//! What a component imports and exports, for the config of its artifact.

use serde::Serialize;
use wasmparser::{Parser, Payload};

use crate::Digest;

/// The config of a WebAssembly artifact, version 0 of the CNCF layout.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    /// Wanted by readers. Always the same, so that one component has one digest.
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    component: Interfaces,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Interfaces {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

impl Config {
    /// The config for a component; the error says what the bytes are instead.
    pub(crate) fn of(component: &[u8]) -> Result<Self, String> {
        Ok(Self {
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [Digest::of(component)],
            component: Interfaces::read(component)?,
        })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings can be written as JSON")
    }
}

impl Interfaces {
    fn read(component: &[u8]) -> Result<Self, String> {
        if !Parser::is_component(component) {
            let module = Parser::is_core_wasm(component);
            let what = if module { "it is a core module" } else { "it is not WebAssembly" };
            return Err(format!("{what}, and not a component; build it as the guide for authors says"));
        }
        let broken = |error: wasmparser::BinaryReaderError| format!("it is no whole component: {error}; build it anew");
        let mut interfaces = Self { exports: Vec::new(), imports: Vec::new(), target: None };
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(broken)? {
                // Only what the outermost component has is of interest.
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        interfaces.imports.push(import.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        interfaces.exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(interfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::Interfaces;

    #[test]
    fn what_is_no_component_is_told() {
        assert!(Interfaces::read(b"\0asm\x01\0\0\0").unwrap_err().contains("core module"));
        assert!(Interfaces::read(b"#!/bin/sh").unwrap_err().contains("not WebAssembly"));
        assert!(Interfaces::read(b"\0asm\x0d\0\x01\0\x0a\xff").unwrap_err().contains("no whole component"));
    }

    #[test]
    fn what_the_outermost_component_has_is_told() {
        const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
        let import = |name: u8| [b"\x0a\x0a\x01\0\x05a:b/", &[name][..], b"\x05\0"].concat();
        let inner = [HEADER, &import(b'x')].concat();
        let inner = [&[4, u8::try_from(inner.len()).unwrap()][..], &inner].concat();
        let export = b"\x0b\x0b\x01\0\x05a:b/d\x05\0\0";
        let component = [HEADER, &inner, &import(b'c'), export].concat();
        let interfaces = Interfaces::read(&component).unwrap();
        assert_eq!((interfaces.imports, interfaces.exports), (vec!["a:b/c".to_owned()], vec!["a:b/d".to_owned()]));
        let nothing = Interfaces::read(HEADER).unwrap();
        assert_eq!(nothing, Interfaces { exports: Vec::new(), imports: Vec::new(), target: None });
    }
}
