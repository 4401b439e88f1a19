//! Judging what an instance made, before it is committed: by an agent that looks at it, or by a check of the workflow.

use super::Try;
use crate::deadlines::missed;
use crate::executor::check::Check;
use crate::executor::instance::{Access, Instance, Left};
use crate::executor::work::Ending;
use crate::ports::OpenStage;
use crate::transcript::Fault;
use longhaul_core::attempt::{NeverCommits, Outcome};
use longhaul_core::digest::Digest;
use longhaul_core::id::Name;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::reach::Reach;
use longhaul_core::workflow::model::CheckSpec;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a validator says.
pub(super) enum Verdict {
    Accepted,
    Refused(Problem),
    /// It did not come to say anything.
    Left(Ending),
}

impl Try<'_> {
    /// Lets `validator`, an agent or a check, look at what the instance made. It is an attempt of its own, so that its actions are told apart.
    pub(super) async fn validate(
        &mut self,
        validator: &Name,
        output: &Value,
        stage: &Arc<dyn OpenStage>,
        judged: u32,
        base: Digest,
    ) -> Result<Verdict, Fault> {
        let refused = |problem: Problem| {
            let message = format!("`{validator}` does not accept the work: {}", problem.message);
            let evidence = json!({
                "validator": validator.as_str(), "class": problem.class.as_str(), "evidence": problem.evidence,
            });
            Verdict::Refused(Problem::new(IncidentClass::Validation, message).with_evidence(evidence))
        };
        if let Some(spec) = self.shared.checks.get(validator) {
            return match self.check(validator, spec, (stage, judged, base)).await? {
                None => Ok(Verdict::Left(Ending::Interrupted)),
                Some(Ok(_)) => Ok(Verdict::Accepted),
                Some(Err(problem)) => Ok(refused(problem)),
            };
        }
        let (transcript, attempt) = (self.transcript.clone(), self.next_attempt());
        let before = self.before(&attempt)?;
        let instance = Instance {
            shared: self.shared,
            transcript: &transcript,
            attempt,
            agent: validator,
            permissions: &self.work.permissions.clone(),
            access: Access::ReadOnly,
            limits: self.limits(before),
            work: None,
            deadline: self.work.deadline,
            input: json!({ "task": self.work.task.as_str(), "output": output }),
            state: None,
            base,
            judges: Some(judged),
            stop: &self.stop.clone(),
        };
        let started = match instance.start()? {
            Ok(started) => started,
            Err(problem) => return Ok(refused(problem)),
        };
        self.count(started.noted());
        let reach = Reach {
            ground: stage.ground(),
            live: self.shared.live(&self.work.task),
            ..Reach::alone(self.shared.ports.services.clone())
        };
        let (result, usage) = match started.run(0, stage.files(), Arc::new(NeverCommits), reach).await? {
            Left::Ended(result, usage) => (result, usage),
            left => return Ok(Verdict::Left(left.into())),
        };
        self.add(usage);
        Ok(match result {
            Ok(Outcome::Completed(_)) => Verdict::Accepted,
            Ok(Outcome::ContinueAsNew(_)) => {
                let message = "it wants to continue as new, and a validator has to decide at once";
                refused(Problem::new(IncidentClass::Fatal, message))
            }
            // That is nothing that the validator says of the work.
            Err(problem) if self.work.deadline.is_some_and(|span| problem.message == missed(span).message) => {
                Verdict::Refused(problem)
            }
            Err(problem) => refused(problem),
        })
    }

    /// Runs a check of the workflow on what the instance made; none where the run stops meanwhile.
    async fn check(
        &mut self,
        name: &Name,
        spec: &CheckSpec,
        (stage, judges, base): (&Arc<dyn OpenStage>, u32, Digest),
    ) -> Result<Option<Result<Outcome, Problem>>, Fault> {
        let (transcript, attempt) = (self.transcript.clone(), self.next_attempt());
        let before = self.before(&attempt)?;
        let limits = self.limits(before);
        let ground = stage.ground();
        let check =
            Check { shared: self.shared, transcript: &transcript, attempt, name, spec, ground, limits, base, judges };
        let (shared, stop) = (self.shared, self.stop.clone());
        let Some(checked) = shared.stop.unless(stop.unless(check.run())).await.flatten() else {
            transcript.close();
            return Ok(None);
        };
        let (noted, result, usage) = checked?;
        self.count(noted);
        self.add(usage);
        Ok(Some(result))
    }
}
