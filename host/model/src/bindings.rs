//! The contract of `wit/` in Rust: the only `bindgen!` of the host.

#![allow(missing_docs, reason = "generated; the documentation stands in wit/")]
#![allow(clippy::pedantic, reason = "generated")]
#![allow(unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugin",
    imports: { default: async | trappable },
    exports: { default: async },
    additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
});

pub use lb_controller::provider::types;
