//! An ingress controller whose load-balancer providers are sandboxed WebAssembly components.

mod admin;
mod args;
mod component;
mod config;
mod default_certificate;
mod dev;
mod identity;
mod logging;
mod manifests;
mod objects;
mod plugin;
mod provider;
mod render;
mod run;
mod swap;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match args::Args::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<config::Usage>() { 2 } else { 1 })
        }
    }
}
