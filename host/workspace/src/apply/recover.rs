//! Completing an apply that was interrupted.

use super::log::Log;
use super::outcome::{Applied, ApplyError};
use super::run::{FOLDER, Gate, count_files, name};
use super::site::Site;
use super::watch::{Stamps, Watch};
use crate::disk::subfolder;
use crate::rules::is_reserved;
use crate::workspace::Workspace;
use longhaul_core::path::StagePath;
use std::sync::PoisonError;

impl Workspace {
    /// Completes an apply that was interrupted by a crash; gives nothing where there was none. Done by
    /// [`Workspace::open`].
    ///
    /// # Errors
    /// [`ApplyError`].
    pub fn recover_apply(&self) -> Result<Option<Applied>, ApplyError> {
        let _one = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        self.recover_with(&mut || Ok(()))
    }

    pub(super) fn recover_with(&self, gate: Gate<'_>) -> Result<Option<Applied>, ApplyError> {
        let waiting = subfolder(&self.state, FOLDER)
            .map_err(|source| ApplyError::Prepare { path: "the folder `apply` of the state folder".into(), source })?;
        let Some(log) = Log::read(&waiting).map_err(|reason| ApplyError::Log { reason })? else { return Ok(None) };
        let site = Site { root: &self.root, waiting: &waiting, objects: &self.objects };
        let watch = Watch::new(&log.steps, Stamps::new());
        if let Some(path) = watch.paths().find(|path| path.is_root() || path.components().any(is_reserved)) {
            return Err(ApplyError::Log { reason: format!("it names `{path}`") });
        }
        let stuck = |path: &StagePath| {
            let path = path.clone();
            move |source| ApplyError::Stuck { path, source }
        };
        let touched = watch.touched(&site).map_err(|(path, source)| ApplyError::Stuck { path, source })?;
        if !touched.is_empty() {
            return Err(ApplyError::Interrupted { paths: touched });
        }
        for (done, step) in log.steps.iter().enumerate() {
            gate().map_err(stuck(&step.path))?;
            if !watch.is_untouched(&site, &step.path).map_err(stuck(&step.path))? {
                return Err(ApplyError::Interrupted { paths: vec![step.path.clone()] });
            }
            site.step(step, &name(done)).map_err(stuck(&step.path))?;
        }
        self.finish(&site, &log.steps, gate).map_err(stuck(&StagePath::root()))?;
        Ok(Some(Applied { version: log.to, files: count_files(&log.steps) }))
    }
}
