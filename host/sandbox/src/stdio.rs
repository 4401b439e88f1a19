//! Standard output and error of a guest. Nobody reads them; what is written there becomes debug lines of the log, and the
//! end of it is kept, since a panic's message arrives this way.

use crate::audit::Audit;
use crate::meter::Bill;
use bytes::Bytes;
use longhaul_core::attempt::LogLevel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes of the end of an output that are kept.
const KEPT: usize = 4 << 10;
/// Longest line; what is longer is broken.
const MAX_LINE: usize = 8 << 10;

/// One output of a guest.
#[derive(Clone)]
pub(crate) struct Output {
    name: &'static str,
    audit: Arc<Audit>,
    bill: Bill,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    line: Vec<u8>,
    tail: Vec<u8>,
}

impl Output {
    pub(crate) fn new(name: &'static str, audit: Arc<Audit>, bill: Bill) -> Self {
        Self { name, audit, bill, state: Arc::default() }
    }

    /// The end of what was written.
    pub(crate) fn tail(&self) -> String {
        let state = self.lock();
        String::from_utf8_lossy(&state.tail).trim().to_owned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // WASI 0.2 asks for `p2_stream` only.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.bill.add(bytes.len());
        let mut state = self.lock();
        let new_tail = &bytes[bytes.len().saturating_sub(KEPT)..];
        let surplus = (state.tail.len() + new_tail.len()).saturating_sub(KEPT).min(state.tail.len());
        state.tail.drain(..surplus);
        state.tail.extend_from_slice(new_tail);
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            state.line.extend_from_slice(&part[..part.len().min(MAX_LINE)]);
            if part.ends_with(b"\n") || state.line.len() >= MAX_LINE {
                let line = std::mem::take(&mut state.line);
                let message = format!("{}: {}", self.name, String::from_utf8_lossy(&line).trim_end());
                // A failure stays in the audit, and ends the attempt when this call returns to the guest.
                drop(self.audit.log(LogLevel::Debug, &message));
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}
