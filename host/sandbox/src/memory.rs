//! Memory that outlives the attempt: each call is checked and recorded with its answer, from which a replay answers.
//!
//! What an attempt writes is held back outside of the sandbox; a replay holds it back again, so that what is published is what it was.

use crate::audit::Deed;
use crate::bindings::agent::longhaul::plugin::{memory, types};
use crate::guest::Guest;
use crate::host::short;
use crate::service;
use longhaul_core::action::Exchange;
use longhaul_core::digest::Digest;
use longhaul_core::effect::Answered;
use longhaul_core::grant::{Capability, Permissions};
use longhaul_core::memory::{Hit, Keys, MemoryError, MemoryScope};
use longhaul_core::payload::Payload;
use longhaul_core::reach::ServiceError;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// A call to memory.
struct Asked<'a> {
    operation: &'static str,
    scope: MemoryScope,
    /// What it is about: a key, the beginning of one, a query.
    about: &'a str,
    /// What else is asked.
    more: String,
    /// What is to be kept.
    value: Option<&'a Payload>,
}

impl memory::Host for Guest {
    async fn get(
        &mut self,
        scope: memory::Scope,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, types::Error>> {
        let scope = scope_of(scope);
        let asked = Asked { operation: "get", scope, about: &key, more: String::new(), value: None };
        let memory = Arc::clone(&self.reach.memory);
        let live = async { memory.get(scope, &key).await };
        let answer = self.remember(asked, live, |_| {}).await?;
        Ok(answer.map(|value| value.map(|value| value.as_bytes().to_vec())))
    }

    async fn set(
        &mut self,
        scope: memory::Scope,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        let (scope, value) = (scope_of(scope), Payload::from(value));
        let asked = Asked { operation: "set", scope, about: &key, more: String::new(), value: Some(&value) };
        let memory = Arc::clone(&self.reach.memory);
        let live = async { memory.set(scope, &key, value.clone()).await };
        self.remember(asked, live, |()| memory.put_again(scope, &key, Some(value.clone()))).await
    }

    async fn delete(&mut self, scope: memory::Scope, key: String) -> wasmtime::Result<Result<bool, types::Error>> {
        let scope = scope_of(scope);
        let asked = Asked { operation: "delete", scope, about: &key, more: String::new(), value: None };
        let memory = Arc::clone(&self.reach.memory);
        let live = async { memory.delete(scope, &key).await };
        let again = |was_there: &bool| {
            if *was_there {
                memory.put_again(scope, &key, None);
            }
        };
        self.remember(asked, live, again).await
    }

    async fn keys(
        &mut self,
        scope: memory::Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, types::Error>> {
        let scope = scope_of(scope);
        let more = match &after {
            Some(after) => format!("{limit} after {after}"),
            None => limit.to_string(),
        };
        let asked = Asked { operation: "keys", scope, about: &prefix, more, value: None };
        let wanted = Keys { prefix: &prefix, after: after.as_deref(), limit: limit as usize };
        let memory = Arc::clone(&self.reach.memory);
        self.remember(asked, async { memory.keys(scope, wanted).await }, |_| {}).await
    }

    async fn search(
        &mut self,
        scope: memory::Scope,
        query: String,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<memory::Hit>, types::Error>> {
        let scope = scope_of(scope);
        let asked = Asked { operation: "search", scope, about: &query, more: limit.to_string(), value: None };
        let memory = Arc::clone(&self.reach.memory);
        let live = async { memory.search(scope, &query, limit as usize).await };
        let hits = self.remember(asked, live, |_| {}).await?;
        let hit = |Hit { key, excerpt, score }| memory::Hit { key, excerpt, score };
        Ok(hits.map(|hits| hits.into_iter().map(hit).collect()))
    }
}

impl Guest {
    /// Answers from the record, where `again` does once more what the answer meant, or `live`.
    async fn remember<T: Serialize + DeserializeOwned>(
        &mut self,
        asked: Asked<'_>,
        live: impl Future<Output = Result<T, MemoryError>>,
        again: impl FnOnce(&T),
    ) -> wasmtime::Result<Result<T, types::Error>> {
        const CAPABILITY: Capability = Capability::Memory;
        let Asked { operation, scope, about, more, value } = asked;
        let line = format!("memory: [\"{scope}\"]");
        let is_named = move |given: &String| given == scope.as_str() || given == "*";
        let named = move |p: &Permissions| p.memory.as_ref().is_some_and(|all| all.iter().any(is_named));
        if let Err(denied) = self.granted(CAPABILITY, operation, about, line, named)? {
            return Ok(Err(denied));
        }
        self.meter.charge_call(more.len() + value.map_or(0, Payload::len));
        let answer = match self.audit.replayed(CAPABILITY, operation) {
            Some(action) => {
                let answer = service::answer_of(action).and_then(|text| {
                    serde_json::from_str(&text).map_err(|error| ServiceError::Failed(error.to_string()))
                });
                if let Ok(answer) = &answer {
                    again(answer);
                }
                answer
            }
            None => match live.await {
                Ok(answer) => Ok(answer),
                Err(MemoryError::Refused(error)) => Err(error),
                Err(MemoryError::Record(error)) => return Err(self.audit.fail(error).into()),
            },
        };
        let text = answer.as_ref().map(|answer| serde_json::to_string(answer).unwrap_or_default());
        let digest = value.map(|value| Digest::of(value.as_bytes()));
        let request = (operation, scope, about, &more, digest.map(|digest| digest.to_string()));
        // Texts are always JSON.
        let request = Digest::of(&serde_json::to_vec(&request).unwrap_or_default());
        let detail = if more.is_empty() { scope.to_string() } else { format!("{scope}, {}", short(&more)) };
        let mut deed = Deed::new(CAPABILITY, operation, short(about)).detail(detail);
        deed.digest = digest;
        let answered = match &text {
            Ok(text) => Answered::ok(text.as_str()),
            Err(error) => service::refusal(error),
        };
        self.meter.charge_call(answered.answer.len());
        deed.bytes = value.map_or(answered.bytes.0, |value| value.len() as u64);
        deed.result = answered.result;
        deed.exchange = Some(Box::new(Exchange::answered(request, answered.answer)));
        self.audit.action(deed)?;
        Ok(answer.map_err(types::Error::from))
    }
}

fn scope_of(scope: memory::Scope) -> MemoryScope {
    match scope {
        memory::Scope::Task => MemoryScope::Task,
        memory::Scope::Run => MemoryScope::Run,
        memory::Scope::Workflow => MemoryScope::Workflow,
    }
}
