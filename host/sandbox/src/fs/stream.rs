//! Streams over open files, as WASI wants them. A stage never makes a reader wait, so they are always ready.

use super::handle::{FileError, OpenFile};
use bytes::Bytes;
use std::sync::Arc;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// The most bytes that a guest may write in one call.
const PERMIT: usize = 1 << 20;

/// Reads a file from a position on.
pub(crate) struct FileInput {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) position: u64,
    pub(crate) max_read: usize,
}

/// Where the bytes of an output stream go.
pub(crate) enum Place {
    /// To this position, which moves on.
    At(u64),
    /// To the end.
    End,
}

/// Writes a file.
pub(crate) struct FileOutput {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) place: Place,
}

#[async_trait::async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {}
}

impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let data = self.file.read(size.min(self.max_read), self.position).map_err(stream_error)?;
        if data.is_empty() {
            return Err(StreamError::Closed);
        }
        self.position += data.len() as u64;
        Ok(data.into())
    }
}

#[async_trait::async_trait]
impl Pollable for FileOutput {
    async fn ready(&mut self) {}
}

impl OutputStream for FileOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match &mut self.place {
            Place::End => self.file.append(&bytes),
            Place::At(position) => self.file.write(&bytes, *position).map(|()| *position += bytes.len() as u64),
        }
        .map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

/// The guest can ask for the code of a failed operation; a record that cannot be kept ends the attempt.
fn stream_error(error: FileError) -> StreamError {
    match error {
        FileError::Audit(error) => StreamError::Trap(error.into()),
        FileError::Fs(error) => StreamError::LastOperationFailed(error.into()),
    }
}
