//! WASI 0.2 for guests of other toolchains, whose standard libraries import it whether they use it or not. It denies
//! everything but clocks, randomness and the standard error stream, whose lines become log lines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lb_model::bindings::lb_controller::provider::log::Level;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    ResourceTable, WasiCtx, WasiCtxView, WasiView, async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use super::log::ProviderLog;
use crate::{call::CallContext, line::MAX_LINE};

/// What WASI keeps for one call.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    pub(crate) fn denying(log: &ProviderLog) -> Self {
        let context = WasiCtx::builder()
            .stderr(ErrorStream(Arc::new(Mutex::new(Line { log: log.clone(), bytes: Vec::new() }))))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(65536)
            .build();
        Self { context, table: ResourceTable::new() }
    }
}

impl WasiView for CallContext {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { context, table } = self.wasi.as_mut().expect("linked only if the component imports WASI");
        WasiCtxView { ctx: context, table }
    }
}

/// The standard error stream. All its handles write to one line.
#[derive(Clone)]
struct ErrorStream(Arc<Mutex<Line>>);

/// A line until it ends; the last one ends with the call.
struct Line {
    log: ProviderLog,
    bytes: Vec<u8>,
}

impl ErrorStream {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn end(&mut self) {
        if !self.bytes.is_empty() {
            self.log.write(Level::Warn, &String::from_utf8_lossy(&self.bytes), &[]);
            self.bytes.clear();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end();
    }
}

impl IsTerminal for ErrorStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for ErrorStream {
    /// Serves WASI 0.3 only, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for ErrorStream {
    async fn ready(&mut self) {}
}

impl OutputStream for ErrorStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut line = self.line();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.bytes.extend_from_slice(part);
            if part.ends_with(b"\n") || line.bytes.len() > MAX_LINE {
                line.end();
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(1 << 16)
    }
}
