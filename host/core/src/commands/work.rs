//! A command in the ground of a stage, from the laying of the ground to what the record is told.

use super::{Command, Commands, Follow, Ran};
use crate::effect::Answered;
use crate::grant::Grant;
use crate::ground::{Claim, Ground, GroundError};
use crate::reach::ServiceError;
use crate::units::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How much longer than the command itself laying its ground and taking what it left may take.
pub const AROUND: Duration = Duration::from_secs(300);

/// Runs a command in the ground, and takes what it left as far as `grant` lets it be written. The answer is a [`Ran`]. Waiting for `claim`
/// ([`Ground::claim`]) comes before: that time is bounded by what others do.
///
/// # Errors
/// [`ServiceError`]; then the stage is as it was.
pub async fn run_in(
    commands: &dyn Commands,
    (ground, claim): (&dyn Ground, Claim),
    grant: &Grant,
    wanted: Command,
    follow: Arc<dyn Follow>,
) -> Result<Answered, ServiceError> {
    let shown = wanted.limits.shown;
    let site = ground.lay(grant, &claim).await.map_err(refused)?;
    let finished = match commands.run(Command { site, ..wanted }, follow).await {
        Ok(finished) => finished,
        Err(error) => {
            // What it did until it was ended is undone: nothing of it is granted.
            if let Ok(nothing) = Grant::new([]) {
                drop(ground.take(&nothing).await);
            }
            return Err(error);
        }
    };
    let taken = ground.take(grant).await.map_err(refused)?;
    drop(claim);
    let kept = taken.tree;
    let bytes = Bytes(finished.stdout.size.saturating_add(finished.stderr.size));
    let digest = Some(finished.stdout.digest);
    let ran = Ran::of(finished, taken, shown);
    let answer =
        ran.text().map_err(|error| ServiceError::Failed(format!("the outcome cannot be recorded: {error}")))?;
    Ok(Answered { bytes, digest, kept, ..Answered::ok(answer) })
}

fn refused(error: GroundError) -> ServiceError {
    match error {
        GroundError::None => ServiceError::Unavailable(error.to_string()),
        GroundError::Quota(reason) => ServiceError::Exhausted(reason),
        GroundError::Io(_) => ServiceError::Failed(error.to_string()),
    }
}
