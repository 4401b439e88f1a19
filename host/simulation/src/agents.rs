//! The agents: one that plans, one that changes sources chunk by chunk, one that writes documents for hours, one that reviews.
//!
//! What each leaves behind depends on its task and on the sources alone, never on when or how often it worked: so the result of
//! a run has to be the same whatever went wrong on the way.

use crate::guest::{Guest, Stop};
use crate::project::{DOCUMENT_WORK, DOCUMENTS, IN_COMMON, NEW, OLD, Project};
use longhaul_core::incident::{IncidentClass, Problem};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the writer works in one instance.
const RENEWED_AFTER: Duration = Duration::from_secs(2 * 3600);

/// Lets the agent of this name work on its task.
pub(crate) async fn work(agent: &str, project: Project, guest: &Guest) -> Result<Value, Stop> {
    match agent {
        "planner" => plan(project, guest).await,
        "coder" => change(project, guest).await,
        "writer" => document(guest).await,
        _ => review(guest).await,
    }
}

/// Looks at the sources and splits them into chunks.
async fn plan(project: Project, guest: &Guest) -> Result<Value, Stop> {
    let files = guest.files("src")?;
    guest.think("the plan", Duration::from_secs(5 * 60)).await?;
    let size = usize::try_from(project.chunk()).unwrap_or(1).max(1);
    let chunk = |(index, files): (usize, &[String])| json!({ "index": index, "files": files });
    Ok(json!({ "chunks": files.chunks(size).enumerate().map(chunk).collect::<Vec<_>>() }))
}

/// Replaces the call in the files of one chunk. Some chunks wait in the middle, some commit there, and some enter themselves in a
/// list that another one enters itself in at the same time. Each remembers how often it was tried, and tells the world outside, once.
async fn change(project: Project, guest: &Guest) -> Result<Value, Stop> {
    let chunk = &guest.job.task.input["chunk"];
    let Some(index) = chunk["index"].as_u64().and_then(|index| u32::try_from(index).ok()) else {
        return Err(Stop::Failed(Problem::new(IncidentClass::Fatal, "no chunk was given")));
    };
    let files: Vec<&str> = chunk["files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let key = format!("chunk {index:04}");
    // Each try counts on where the last one had committed, or waited.
    let tries: u32 = guest.recall(&key).await?.and_then(|text| text.parse().ok()).unwrap_or_default();
    guest.remember(&key, &(tries + 1).to_string()).await?;
    for (number, file) in files.iter().enumerate() {
        let text = guest.read(file)?.unwrap_or_default();
        guest.think(file, project.work()).await?;
        guest.write(file, &text.replace(OLD, NEW))?;
        if number == files.len() / 2 {
            if index % 4 == 1 {
                guest.wait(Duration::from_secs(5 * 60)).await?;
            }
            if index % 3 == 0 {
                guest.checkpoint().await?;
            }
        }
    }
    if index % IN_COMMON < 2 {
        let list = format!("lists/{}.txt", index / IN_COMMON);
        let text = guest.read(&list)?.unwrap_or_default();
        let own = format!("chunk {index:04}");
        let mut lines: Vec<&str> = text.lines().chain([own.as_str()]).collect();
        lines.sort_unstable();
        lines.dedup();
        guest.write(&list, &(lines.join("\n") + "\n"))?;
    }
    guest.publish(&format!("chunk {index:04} is done")).await?;
    Ok(json!({ "files": files.len() }))
}

/// Writes one document after the other, in a fresh instance every two hours.
async fn document(guest: &Guest) -> Result<Value, Stop> {
    let first = guest.job.task.state.as_ref().and_then(|state| state["next"].as_u64()).unwrap_or_default();
    let mut worked = Duration::ZERO;
    for number in first..u64::from(DOCUMENTS) {
        if worked >= RENEWED_AFTER {
            return Err(Stop::Renewed(json!({ "next": number })));
        }
        guest.read(&Project::path(u32::try_from(number).unwrap_or_default()))?;
        guest.think("a document", DOCUMENT_WORK).await?;
        worked += DOCUMENT_WORK;
        guest.write(&format!("docs/{number:02}.md"), &format!("# Document {number}\n\nWritten once.\n"))?;
        if number % 5 == 4 {
            guest.announce("five more documents").await?;
            guest.checkpoint().await?;
        }
    }
    Ok(json!({ "documents": DOCUMENTS }))
}

/// Accepts the work of one task, or all of it at the end, where nothing of the old is left.
async fn review(guest: &Guest) -> Result<Value, Stop> {
    guest.think("the review", Duration::from_secs(4 * 60)).await?;
    let input = &guest.job.task.input;
    let files = match input.get("task") {
        // It judges one task's work, and looks only at the beginning of it.
        Some(_) => Vec::new(),
        None => guest.files("src")?,
    };
    for file in &files {
        if guest.read(file)?.is_none_or(|text| text.contains(OLD)) {
            return Err(Stop::Failed(Problem::new(IncidentClass::Validation, format!("{file} was not changed"))));
        }
    }
    Ok(json!({ "reviewed": files.len() }))
}
