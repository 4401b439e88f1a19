//! The plugins' side of a process: agents that are functions, strategies that are the bundled ones.

use crate::agents;
use crate::guest::{Guest, Stop};
use crate::project::Project;
use crate::strategies;
use crate::world::Process;
use longhaul_core::attempt::{AttemptReport, Job, Outcome, Ran, Recorder, Wait};
use longhaul_core::digest::Digest;
use longhaul_core::grant::{FsPermissions, Permissions};
use longhaul_core::id::Name;
use longhaul_core::incident::{Decision, IncidentClass, Problem, Situation};
use longhaul_engine::ports::{BoxFuture, PluginInfo, Plugins};
use std::sync::Arc;
use tokio::time::{Instant, sleep};

/// The agents of the simulated workflow.
const AGENTS: [&str; 4] = ["planner", "coder", "writer", "reviewer"];

pub(crate) struct SimPlugins {
    pub(crate) process: Arc<Process>,
    pub(crate) project: Project,
}

fn info(name: &Name) -> PluginInfo {
    let all = FsPermissions { read: vec!["**".into()], write: vec!["**".into()] };
    let asks = Permissions { fs: Some(all), ..Permissions::default() };
    PluginInfo { digest: Digest::of(name.as_str().as_bytes()), version: "1".to_owned(), asks }
}

impl Plugins for SimPlugins {
    fn agent(&self, name: &Name) -> Option<PluginInfo> {
        AGENTS.contains(&name.as_str()).then(|| info(name))
    }

    fn strategy(&self, name: &Name) -> Option<PluginInfo> {
        strategies::NAMES.contains(&name.as_str()).then(|| info(name))
    }

    fn run_agent<'a>(&'a self, agent: &'a Name, job: Job) -> BoxFuture<'a, Ran> {
        Box::pin(async move {
            let _open = self.process.world.tally.instances.one();
            let (limit, recall, began) = (job.limits.time, Arc::clone(&job.recall), Instant::now());
            let guest = Guest::new(&self.process, job);
            let work = agents::work(agent.as_str(), self.project, &guest);
            let worked = tokio::select! {
                biased;
                worked = work => worked,
                () = sleep(limit), if !guest.is_deaf() => {
                    Err(Stop::Failed(Problem::new(IncidentClass::Timeout, "the attempt took longer than it may")))
                }
                problem = recall.recalled(), if !guest.is_deaf() => Err(Stop::Failed(problem)),
            };
            let result = match worked {
                Err(Stop::Suspended(until)) => return Ran::Suspended(Wait::until(until)),
                Err(Stop::Renewed(state)) => Ok(Outcome::ContinueAsNew(state)),
                Err(Stop::Failed(problem)) => Err(problem),
                Ok(output) => Ok(Outcome::Completed(output)),
            };
            Ran::Ended(AttemptReport { result, usage: guest.usage(began.elapsed()) })
        })
    }

    fn decide<'a>(
        &'a self,
        strategy: &'a Name,
        situation: Situation,
        _: Arc<dyn Recorder>,
    ) -> BoxFuture<'a, Result<Option<Decision>, String>> {
        Box::pin(async move { strategies::decide(strategy.as_str(), &situation) })
    }
}
