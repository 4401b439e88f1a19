//! Tells of questions as they are asked: on the terminal, and by the operator's program.
//!
//! A question is told when its task waits for the answer: the record has it for good then.

use super::notice;
use crate::progress::Progress;
use crate::question::QuestionRow;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::{RunId, TaskId};
use longhaul_core::people::Asked;
use longhaul_core::state::TaskState;
use longhaul_engine::ports::Observer;
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// Watches a run for questions, beside its progress.
pub(super) struct Bell {
    progress: Arc<Progress>,
    run: RunId,
    /// Whether they are shown on the terminal too.
    shows: bool,
    /// What tasks ask that do not wait yet.
    asked: Mutex<HashMap<TaskId, Asked>>,
    /// As many as questions: each waits for a person.
    news: Option<UnboundedSender<String>>,
}

impl Bell {
    /// A bell, and what rings it where there is a program for that.
    pub(super) fn new(
        progress: &Arc<Progress>,
        run: &RunId,
        shows: bool,
        program: Option<PathBuf>,
    ) -> (Arc<Self>, Option<JoinHandle<()>>) {
        let (news, ringing) = match program {
            None => (None, None),
            Some(program) => {
                let (news, told) = unbounded_channel();
                (Some(news), Some(tokio::spawn(ring(program, told, Arc::clone(progress)))))
            }
        };
        let (progress, run, asked) = (Arc::clone(progress), run.clone(), Mutex::default());
        (Arc::new(Self { progress, run, shows, asked, news }), ringing)
    }
}

impl Observer for Bell {
    fn live(&self, task: &TaskId, line: &str) {
        self.progress.live(task, line);
    }

    fn seen(&self, record: &Record) {
        self.progress.seen(record);
        let Some(task) = &record.task else { return };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = match &record.entry {
            Entry::Published(outbox) => {
                outbox.asked.iter().for_each(|one| drop(asked.insert(task.clone(), one.clone())));
                None
            }
            Entry::TaskChanged { to: TaskState::Waiting, .. } => asked.remove(task),
            _ => None,
        };
        drop(asked);
        let Some(ready) = ready else { return };
        let row = QuestionRow::of(&self.run, task, &ready);
        if self.shows {
            self.progress.say(row.to_text().trim_end());
        }
        if let Some(news) = &self.news {
            // An error means that the program is not run any more.
            drop(news.send(format!("{}\n", json!({ "run": self.run, "status": "asks", "question": row }))));
        }
    }
}

/// Runs `program` with each piece of news.
async fn ring(program: PathBuf, mut told: UnboundedReceiver<String>, progress: Arc<Progress>) {
    while let Some(news) = told.recv().await {
        if let Err(untold) = notice::give(&program, &news).await {
            tracing::warn!(program = %program.display(), %untold, "nobody was told of a question");
            progress.say(&format!("warning: `{}` was to tell somebody of a question: {untold}", program.display()));
        }
    }
}
