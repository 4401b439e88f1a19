//! The store's memory as the engine reads it.
//!
//! Guests ask for it from threads that may open no file, and so may what these threads start. So memory is read on a thread of its own, that
//! was there before.

use crate::place::Place;
use longhaul_core::memory::{Finder, Found, Keys, MemorySpace, Room};
use longhaul_core::payload::Payload;
use longhaul_engine::ports::{Looked, Memories, MemoryFailed};
use longhaul_store::{MemoryReader, StoreError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Reads the memory of a state folder.
pub struct MemoryPort {
    memory: Arc<Mutex<Opened>>,
    reader: Option<Thread>,
}

/// The memory, opened when it is first asked, which most runs never do.
struct Opened {
    state: PathBuf,
    reader: Option<MemoryReader>,
}

/// A look into memory that waits for its turn.
type Look = Box<dyn FnOnce() + Send>;

/// Where memory is read.
struct Thread {
    looks: Sender<Look>,
    thread: JoinHandle<()>,
}

impl MemoryPort {
    /// The memory of the state folder `state`.
    ///
    /// # Errors
    /// [`std::io::Error`] where there is no thread for it.
    pub fn new(state: &Path, place: Place) -> std::io::Result<Self> {
        let memory = Arc::new(Mutex::new(Opened { state: state.to_owned(), reader: None }));
        let reader = match place {
            Place::Inline => None,
            Place::Threads => {
                // There is never more in it than one look for each guest.
                let (looks, waiting) = channel::<Look>();
                let thread = std::thread::Builder::new().name("memory".to_owned());
                Some(Thread { looks, thread: thread.spawn(move || waiting.iter().for_each(|look| look()))? })
            }
        };
        Ok(Self { memory, reader })
    }

    fn read<'a, T: Send + 'static>(
        &'a self,
        read: impl FnOnce(&mut MemoryReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Looked<'a, T> {
        let memory = Arc::clone(&self.memory);
        // What a reader knows of memory is as true after a panic as before.
        let look = move || memory.lock().unwrap_or_else(PoisonError::into_inner).look(read);
        Box::pin(async move {
            let looked = match &self.reader {
                None => Some(look()),
                Some(Thread { looks, .. }) => {
                    let (told, answer) = oneshot::channel();
                    // Nobody waits for the answer where the guest is gone meanwhile.
                    let look = Box::new(move || drop(told.send(look())));
                    match looks.send(look) {
                        Ok(()) => answer.await.ok(),
                        Err(_) => None,
                    }
                }
            };
            match looked {
                Some(looked) => looked.map_err(|error| MemoryFailed(error.to_string())),
                None => Err(MemoryFailed("the host failed while it was read".to_owned())),
            }
        })
    }
}

impl Opened {
    fn look<T>(&mut self, read: impl FnOnce(&mut MemoryReader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(MemoryReader::open(&self.state)?),
        };
        read(reader)
    }
}

impl Drop for MemoryPort {
    fn drop(&mut self) {
        if let Some(Thread { looks, thread }) = self.reader.take() {
            drop(looks);
            // A look that panicked has told so.
            drop(thread.join());
        }
    }
}

impl Memories for MemoryPort {
    fn get<'a>(&'a self, space: &'a MemorySpace, key: &'a str) -> Looked<'a, Option<Payload>> {
        let (space, key) = (space.clone(), key.to_owned());
        self.read(move |reader| reader.get(&space, &key))
    }

    fn taken<'a>(&'a self, space: &'a MemorySpace) -> Looked<'a, Room> {
        let space = space.clone();
        self.read(move |reader| reader.taken(&space))
    }

    fn taken_by<'a>(&'a self, space: &'a MemorySpace, key: &'a str) -> Looked<'a, Room> {
        let (space, key) = (space.clone(), key.to_owned());
        self.read(move |reader| reader.taken_by(&space, &key))
    }

    fn keys<'a>(&'a self, space: &'a MemorySpace, wanted: Keys<'a>) -> Looked<'a, Vec<String>> {
        let (space, prefix, after) = (space.clone(), wanted.prefix.to_owned(), wanted.after.map(str::to_owned));
        let limit = wanted.limit;
        self.read(move |reader| reader.keys(&space, Keys { prefix: &prefix, after: after.as_deref(), limit }))
    }

    fn find<'a>(&'a self, space: &'a MemorySpace, finder: &'a Finder, limit: usize) -> Looked<'a, Found> {
        let (space, finder) = (space.clone(), finder.clone());
        self.read(move |reader| reader.find(&space, &finder, limit))
    }
}
