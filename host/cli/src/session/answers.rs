//! Answers to questions, brought to the process that carries the run.
//!
//! An answer is a file in the state folder, `requests/RUN.answer-NUMBER`. The process that carries the run takes it into the record and removes it; where it is
//! not taken, `requests/RUN.refused-NUMBER` says why. What nobody takes is taken back by who answered.

use super::request::{FOLDER, LOOK, PATIENCE, is_carried};
use crate::failure::{Exit, Failure};
use crate::terminal::one_line;
use longhaul_core::id::RunId;
use longhaul_core::people::Answer;
use longhaul_engine::RunControl;
use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The most that is read of an answer: as JSON it can be six times as long as it is.
const MAX_ANSWER: u64 = 512 << 10;
/// The most that is read of a refusal.
const MAX_REASON: u64 = 4 << 10;

/// Gives an answer to the process that carries `run`, and waits until it is recorded or refused. None where nobody carries it.
pub(crate) fn give_answer(
    state: &Path,
    run: &RunId,
    number: u32,
    answer: &Answer,
) -> Result<Option<Result<(), String>>, Failure> {
    let failed = |e: io::Error| Failure::of(Exit::Internal, "give the answer to the run", &e);
    if !is_carried(state, run).map_err(failed)? {
        return Ok(None);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(state.join(FOLDER)).map_err(failed)?;
    let (path, refusal) = (file(state, run, "answer", number), file(state, run, "refused", number));
    drop(fs::remove_file(&refusal));
    let written = path.with_extension("new");
    let text = serde_json::to_vec(answer).map_err(|e| failed(e.into()))?;
    fs::write(&written, text).and_then(|()| fs::rename(&written, &path)).map_err(failed)?;
    let deadline = Instant::now() + PATIENCE;
    while path.exists() && is_carried(state, run).map_err(failed)? {
        if Instant::now() >= deadline {
            drop(fs::remove_file(&path));
            let message = format!("run {run} did not take the answer within a minute");
            return Err(Failure::new(Exit::Internal, message).hint("answer again, or end its process"));
        }
        std::thread::sleep(LOOK);
    }
    if let Some(reason) = read(&refusal, MAX_REASON) {
        drop(fs::remove_file(&refusal));
        return Ok(Some(Err(one_line(&reason, 1_000))));
    }
    match fs::remove_file(&path) {
        // Its process ended before it took the answer.
        Ok(()) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Ok(()))),
        Err(error) => Err(failed(error)),
    }
}

/// Takes the answers that are there for `run`.
pub(super) async fn take(state: &Path, run: &RunId, control: &RunControl) {
    let Ok(entries) = fs::read_dir(state.join(FOLDER)) else { return };
    let prefix = format!("{run}.answer-");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix)).and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        let answer = read(&entry.path(), MAX_ANSWER).and_then(|text| serde_json::from_str::<Answer>(&text).ok());
        let taken = match answer {
            Some(answer) => match control.answer(number, answer).await {
                Some(taken) => taken.map_err(|error| error.to_string()),
                // The run is over; who answered finds that out.
                None => return,
            },
            None => Err("the answer cannot be read".to_owned()),
        };
        if let Err(reason) = taken
            && let Err(error) = fs::write(file(state, run, "refused", number), &reason)
        {
            tracing::warn!(%run, number, reason, %error, "nobody can be told why an answer is not taken");
        }
        drop(fs::remove_file(entry.path()));
    }
}

fn read(path: &Path, max: u64) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(max).read_to_string(&mut text).ok()?;
    Some(text)
}

fn file(state: &Path, run: &RunId, what: &str, number: u32) -> PathBuf {
    state.join(FOLDER).join(format!("{run}.{what}-{number}"))
}
