//! The past, for whoever looks at it again: a record that takes nothing, and services that nobody reaches.

use crate::place::Place;
use crate::records::RecordsPort;
use longhaul_core::commands::{Command, Commands, Finished, Follow};
use longhaul_core::entry::{Position, Record};
use longhaul_core::id::RunId;
use longhaul_core::model::{Asker, ChatRequest, Chatted, Models};
use longhaul_core::reach::{BoxFuture, Live, ServiceError, Services};
use longhaul_core::units::Timestamp;
use longhaul_core::web::{Web, WebAnswer, WebRequest};
use longhaul_engine::ports::{Journal, JournalError, Query, Records};
use longhaul_store::Reader;
use std::sync::Arc;
use std::time::Duration;

/// A record that is only read.
pub struct PastJournal(RecordsPort);

impl PastJournal {
    /// The record that `reader` reads.
    pub fn new(reader: Reader, place: Place) -> Self {
        Self(RecordsPort::at(reader, place))
    }
}

impl Records for PastJournal {
    fn read(&self, run: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        self.0.read(run, query)
    }

    fn newest(&self, run: &RunId) -> Result<Timestamp, JournalError> {
        self.0.newest(run)
    }
}

impl Journal for PastJournal {
    fn append(&self, _: &RunId, _: &Record) -> Result<Position, JournalError> {
        Err(JournalError::Failed("nothing is added to what is past".to_owned()))
    }

    fn flush(&self) -> longhaul_engine::ports::BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Services that stand in for `services`, and do nothing: whatever they are asked was answered in the past, or is refused.
pub fn unreached(services: &Services) -> Services {
    Services {
        models: services.models.as_ref().map(|_| Arc::new(Unreached) as _),
        web: services.web.as_ref().map(|_| Arc::new(Unreached) as _),
        commands: services.commands.as_ref().map(|_| Arc::new(Unreached) as _),
    }
}

struct Unreached;

fn refused() -> ServiceError {
    ServiceError::Unavailable("a replay asks nobody".to_owned())
}

impl Models for Unreached {
    fn patience(&self, _: &str) -> Option<Duration> {
        None
    }

    fn chat<'a>(&'a self, _: &'a ChatRequest, _: &'a Asker, _: Arc<dyn Live>) -> BoxFuture<'a, Chatted> {
        Box::pin(std::future::ready(refused().into()))
    }
}

impl Web for Unreached {
    fn fetch(&self, _: WebRequest) -> BoxFuture<'_, Result<WebAnswer, ServiceError>> {
        Box::pin(std::future::ready(Err(refused())))
    }
}

impl Commands for Unreached {
    fn run<'a>(&'a self, _: Command, _: Arc<dyn Follow>) -> BoxFuture<'a, Result<Finished, ServiceError>> {
        Box::pin(std::future::ready(Err(refused())))
    }
}
