//! Tells of questions as they are asked: on the terminal, and by the operator's program.

use super::notice;
use crate::progress::Progress;
use crate::question::QuestionRow;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::RunId;
use longhaul_engine::ports::Observer;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// Watches a run for questions, beside its progress.
pub(super) struct Bell {
    progress: Arc<Progress>,
    run: RunId,
    /// Whether they are shown on the terminal too.
    shows: bool,
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
        (Arc::new(Self { progress: Arc::clone(progress), run: run.clone(), shows, news }), ringing)
    }
}

impl Observer for Bell {
    fn seen(&self, record: &Record) {
        self.progress.seen(record);
        let (Entry::Published(outbox), Some(task)) = (&record.entry, &record.task) else { return };
        let Some(asked) = &outbox.asked else { return };
        let row = QuestionRow::of(&self.run, task, asked);
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
