//! The orchestrator: knows how far the run is, what may begin next, and when it is over.
//!
//! One dispatcher owns all state of the run. Whatever takes time (an attempt, a recovery, a wait before a retry) is under
//! way beside it, at most one thing for each task, and ends in one [`Event`](events::Event) of a closed set:
//!
//! ```text
//!              begin                          Event::Ended
//!   ready ──► slots ──► dispatcher ──► executor ───────────► dispatcher ──► completed, next ones become ready
//!     ▲                     ▲  │                                 │ failed
//!     │                     │  │        Event::Decided           ▼
//!     │                     │  └────────────────────────────  recovery
//!     └── Event::Due ◄─ wait ◄─ try again ◄─┘
//! ```
//!
//! There is no queue between them: events are the results of what is under way, so there are never more of them than open
//! tasks. No event makes the dispatcher look at all tasks; only circles of waits are looked for among them, once a second at most.

mod begin;
mod book;
mod budgets;
mod checkpoints;
mod children;
mod deadlines;
mod deadlock;
mod dispatcher;
mod events;
mod facts;
mod finish;
mod go_back;
mod incidents;
mod outputs;
mod people;
mod repair;
mod restore;
mod reuse;
mod slots;
mod waits;

pub(crate) use book::Book;
pub(crate) use dispatcher::Dispatcher;
pub(crate) use outputs::Outputs;
