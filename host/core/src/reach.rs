//! What an attempt reaches beyond its files: the run that it is part of, and the services of the host.
//!
//! What belongs to the run (children, and whatever else becomes part of it with a commit) the engine provides for each attempt.
//! [`Services`] are what host calls reach outside; they are the same for all attempts, and know nothing of runs or records.

use crate::attachment::{Attachments, NoAttachments};
use crate::children::{Children, NoChildren};
use crate::commands::Commands;
use crate::ground::{Ground, NoGround};
use crate::memory::{Memory, NoMemory};
use crate::messages::{Mailbox, NoMailbox};
use crate::model::Models;
use crate::people::{NoPeople, People};
use crate::web::Web;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What one attempt reaches.
#[derive(Clone)]
pub struct Reach {
    /// What its task is given beside its input.
    pub attachments: Arc<dyn Attachments>,
    /// The tasks that it asks for.
    pub children: Arc<dyn Children>,
    /// Its stage as a folder, for commands.
    pub ground: Arc<dyn Ground>,
    /// Who watches it as it works.
    pub live: Arc<dyn Live>,
    /// Messages from and to other agents.
    pub mailbox: Arc<dyn Mailbox>,
    /// Memory that outlives it.
    pub memory: Arc<dyn Memory>,
    /// The people that it can ask.
    pub people: Arc<dyn People>,
    /// What its host calls reach outside.
    pub services: Services,
}

impl Reach {
    /// Nothing of a run: for an attempt whose work is not its own. Services are reached as granted.
    pub fn alone(services: Services) -> Self {
        Self {
            attachments: Arc::new(NoAttachments),
            children: Arc::new(NoChildren),
            ground: Arc::new(NoGround),
            live: Arc::new(Unwatched),
            mailbox: Arc::new(NoMailbox),
            memory: Arc::new(NoMemory),
            people: Arc::new(NoPeople),
            services,
        }
    }
}

/// Shows what an attempt does while it does it, to whoever watches. Nothing of it is recorded.
pub trait Live: Send + Sync {
    /// A line of output: of a command, of a model. Must not block.
    fn show(&self, line: &str);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Live for Unwatched {
    fn show(&self, _: &str) {}
}

/// The services of a host.
#[derive(Clone, Default)]
pub struct Services {
    /// Language models; none where the host has none.
    pub models: Option<Arc<dyn Models>>,
    /// The web; none where the host does not reach it.
    pub web: Option<Arc<dyn Web>>,
    /// Runs commands; none where this host does not.
    pub commands: Option<Arc<dyn Commands>>,
}

/// Why a service did not do what it was asked to do; the guest is told, and so are its replays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "error", content = "about")]
pub enum ServiceError {
    /// This host has no such service, or it is not configured. The text says why.
    #[error("{0}")]
    Unavailable(String),
    /// The arguments make no sense. The text names the argument.
    #[error("{0}")]
    Invalid(String),
    /// A quota, a size limit or a budget is used up. The text names it with its value.
    #[error("{0}")]
    Exhausted(String),
    /// It took longer than this.
    #[error("it took more than {}", crate::units::show_duration(*.0))]
    TimedOut(Duration),
    /// The service asks to wait; the value says how long, where it told.
    #[error("the service asks to wait")]
    RateLimited(Option<Duration>),
    /// The service tried and failed. The text is its own word.
    #[error("{0}")]
    Failed(String),
}
