//! The contract of `wit/` in Rust, raw. The names worth having are re-exported by the crate.

#![allow(missing_docs, reason = "generated; the documentation stands in wit/")]
#![allow(clippy::pedantic, reason = "generated")]
#![allow(unreachable_pub, reason = "generated")]

wit_bindgen::generate!({
    path: "../wit",
    world: "plugin",
    additional_derives: [Clone, PartialEq, Eq],
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "lb_provider::bindings",
});
