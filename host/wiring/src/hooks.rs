//! Calls hooks: commands in a folder that shows the run's files, addresses by way of the host's web service.

use longhaul_core::attempt::Limits;
use longhaul_core::commands::{Command, CommandLimits, ExitStatus, NotFollowed};
use longhaul_core::grant::Denial;
use longhaul_core::hook::{HookCall, HookTarget, Hooks};
use longhaul_core::id::{AttemptId, TaskId};
use longhaul_core::path::StagePath;
use longhaul_core::reach::{BoxFuture, ServiceError, Services};
use longhaul_core::web::{Address, WebRequest};
use longhaul_engine::ports::{OpenStage, Workspace};
use std::sync::Arc;
use std::time::Duration;

/// How much of what a command wrote last is told where it ended badly.
const TOLD: usize = 200;

/// The engine's port for hooks.
pub struct HooksPort {
    /// Where commands find the run's files.
    pub workspace: Arc<dyn Workspace>,
    /// What commands and addresses are reached by.
    pub services: Services,
}

impl Hooks for HooksPort {
    fn call<'a>(&'a self, call: &'a HookCall) -> BoxFuture<'a, Result<String, ServiceError>> {
        Box::pin(async move {
            match &call.target {
                HookTarget::Run(argv) => self.run(call, argv).await,
                HookTarget::Post { url, headers } => self.post(call, url, headers).await,
            }
        })
    }
}

impl HooksPort {
    async fn run(&self, call: &HookCall, argv: &[String]) -> Result<String, ServiceError> {
        call.grant.check_exec(argv).map_err(|denial| refused(&denial))?;
        if self.services.commands.is_none() {
            return Err(ServiceError::Unavailable("this host runs no commands".to_owned()));
        }
        let failed = |error: &dyn std::error::Error| ServiceError::Failed(error.to_string());
        let task = TaskId::new(format!("_hook-{}", call.hook)).map_err(|error| failed(&error))?;
        let attempt = AttemptId { task, number: 1 };
        let stage = self.workspace.stage(call.version, &attempt, &Limits::default()).await;
        let stage = stage.map_err(|error| failed(&error))?;
        let ended = self.run_in(call, argv, stage.as_ref()).await;
        stage.discard().await;
        ended
    }

    async fn run_in(&self, call: &HookCall, argv: &[String], stage: &dyn OpenStage) -> Result<String, ServiceError> {
        let Some(commands) = &self.services.commands else { return Err(ServiceError::Unavailable(String::new())) };
        let ground = stage.ground();
        let claim = ground.claim().await;
        let site = ground.lay(&call.grant, &claim).await.map_err(|error| ServiceError::Failed(error.to_string()))?;
        let command = Command {
            argv: argv.to_vec(),
            env: vec![
                ("LONGHAUL_HOOK".to_owned(), call.hook.to_string()),
                ("LONGHAUL_KEY".to_owned(), call.key.to_string()),
            ],
            site,
            cwd: StagePath::root(),
            stdin: call.body.clone().into_bytes(),
            limits: CommandLimits { time: call.timeout, ..CommandLimits::default() },
        };
        let finished = commands.run(command, Arc::new(NotFollowed)).await?;
        match finished.status {
            ExitStatus::Code(0) => Ok("exit code 0".to_owned()),
            ExitStatus::TimedOut => Err(ServiceError::TimedOut(call.timeout)),
            status => {
                let wrote = if finished.stderr.size > 0 { &finished.stderr } else { &finished.stdout };
                let last = if wrote.tail.is_empty() { &wrote.head } else { &wrote.tail };
                let last = String::from_utf8_lossy(&last[last.len().saturating_sub(TOLD)..]).trim().to_owned();
                let said = if last.is_empty() { String::new() } else { format!(": {last}") };
                Err(ServiceError::Failed(format!("{status}{said}")))
            }
        }
    }
}

impl HooksPort {
    async fn post(&self, call: &HookCall, url: &str, headers: &[(String, String)]) -> Result<String, ServiceError> {
        let Some(web) = &self.services.web else {
            return Err(ServiceError::Unavailable("this host reaches no web addresses".to_owned()));
        };
        let address = Address::parse(url).map_err(|error| ServiceError::Invalid(format!("`post`: {error}")))?;
        let refused = call.grant.check_web("POST", &address);
        refused.map_err(|refused| ServiceError::Invalid(refused.to_string()))?;
        let own = [("content-type", "application/json".to_owned()), ("idempotency-key", call.key.to_string())];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let request = WebRequest {
            method: "POST".to_owned(),
            address,
            headers: own.into_iter().chain(headers.iter().cloned()).collect(),
            body: call.body.clone().into_bytes(),
            timeout: call.timeout,
            grant: call.grant.clone(),
        };
        let answer = web.fetch(request).await?;
        let wait =
            answer.headers.iter().find(|(name, _)| name == "retry-after").and_then(|(_, value)| value.parse().ok());
        match answer.status {
            status @ 200..=299 => Ok(format!("status {status}")),
            429 => Err(ServiceError::RateLimited(wait.map(Duration::from_secs))),
            status => Err(ServiceError::Failed(format!("status {status}"))),
        }
    }
}

fn refused(denial: &Denial) -> ServiceError {
    ServiceError::Invalid(denial.to_string())
}
