//! A plugin that is ready to run: inspected, compiled, linked once. A fresh instance of it costs microseconds.

use crate::bindings::agent::AgentPre;
use crate::bindings::strategy::StrategyPre;
use crate::error::PluginError;
use crate::guest::{Guest, add_wasi};
use crate::inspect::Inspection;
use longhaul_core::manifest::PluginKind;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

/// A plugin that is ready to run; cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) inspection: Arc<Inspection>,
    pub(crate) linked: Linked,
}

#[derive(Clone)]
pub(crate) enum Linked {
    Agent(AgentPre<Guest>),
    Strategy(StrategyPre<Guest>),
}

impl Plugin {
    /// What it says of itself.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }
}

/// The host's interfaces, linked once for each world.
pub(crate) struct Linkers {
    agent: Linker<Guest>,
    strategy: Linker<Guest>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut agent = Linker::new(engine);
        add_wasi(&mut agent)?;
        crate::bindings::agent::Agent::add_to_linker::<_, HasSelf<Guest>>(&mut agent, |guest| guest)?;
        let mut strategy = Linker::new(engine);
        add_wasi(&mut strategy)?;
        crate::bindings::strategy::Strategy::add_to_linker::<_, HasSelf<Guest>>(&mut strategy, |guest| guest)?;
        Ok(Self { agent, strategy })
    }

    /// Links a component. What it imports beyond its world is told by name.
    pub(crate) fn link(&self, component: &Component, inspection: Inspection) -> Result<Plugin, PluginError> {
        let link_error = |e: wasmtime::Error| PluginError::Link(format!("{e:#}"));
        let linked = match inspection.kind {
            PluginKind::Agent => {
                let pre = self.agent.instantiate_pre(component).map_err(link_error)?;
                Linked::Agent(AgentPre::new(pre).map_err(link_error)?)
            }
            PluginKind::Strategy => {
                let pre = self.strategy.instantiate_pre(component).map_err(link_error)?;
                Linked::Strategy(StrategyPre::new(pre).map_err(link_error)?)
            }
        };
        Ok(Plugin { inspection: Arc::new(inspection), linked })
    }
}
