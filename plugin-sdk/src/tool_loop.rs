//! The loop of a model-driven agent: ask the model, do what it calls for, tell it the results, until the work is done.
//!
//! ```text
//!            ┌──────────── results, or what is wrong ◄────────────┐
//!            ▼                                                    │
//!  ask the model ──► calls ──► tools, one after the other ────────┤
//!            │                                                    └─► the ending tool: Finished
//!            ├──► text alone, no ending tool: Said
//!            └──► context full or instance old: notes are taken, Renew
//! ```
//!
//! A model can call nonsense for ever, so everything is bounded: turns, tokens, calls that fail in a row, answers that
//! call nothing, going round in circles. The loop is plain data: after [`Ended::Renew`] an agent hands it over by
//! [`Outcome::ContinueAsNew`](crate::Outcome), and the next instance runs it on.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::{Deserialize, Serialize};

use crate::{
    Call, CallResult, Conversation, Failure, Tools, context,
    conversation::{Ask, Reply, shortened},
    log,
    model::{Finish, ToolChoice},
};

/// The most calls of one answer that are done.
const MAX_CALLS: usize = 16;

/// How often in a row the model may answer without calling a tool where it has to end by one.
const MAX_IDLE: u32 = 3;

/// How many calls are remembered to see whether the model goes round in circles.
const REMEMBERED: usize = 12;

/// With so few different calls and results among those remembered nothing moves any more.
const CIRCLE: usize = 2;

/// What bounds a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// The most answers of the model.
    pub max_turns: u64,
    /// The most tokens that the model may read and write.
    pub max_tokens: Option<u64>,
    /// The most calls in a row that fail: unknown tools, arguments that do not fit, tools that refuse.
    pub max_failures: u32,
    /// The most bytes of a result that the model is shown.
    pub max_result: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_turns: 100, max_tokens: None, max_failures: 8, max_result: 24 << 10 }
    }
}

/// Why a loop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The ending tool was called.
    Finished,
    /// The model said this, and there is no ending tool.
    Said(String),
    /// It is time for a fresh instance: hand the loop over, with the agent's own state.
    Renew,
}

/// A loop, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolLoop {
    /// The conversation; what is said between two runs of the loop is said here.
    pub conversation: Conversation,
    bounds: Bounds,
    turns: u64,
    failures: u32,
    idle: u32,
    /// What the last calls and their results were, oldest first.
    last: Vec<u64>,
}

impl ToolLoop {
    /// A loop that begins with this conversation.
    pub fn new(conversation: Conversation, bounds: Bounds) -> Self {
        Self { conversation, bounds, turns: 0, failures: 0, idle: 0, last: Vec::new() }
    }

    /// Answers of the model until now.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Runs until the work is done, a bound is reached, or it is time for a fresh instance.
    ///
    /// # Errors
    /// The model cannot be asked; a tool ended the attempt; a bound is reached (`exhausted`); or the model does not do the
    /// work (`validation`).
    pub fn run<S>(&mut self, tools: &Tools<S>, shared: &mut S) -> Result<Ended, Failure> {
        loop {
            let ask = Ask { tools: tools.offers(), choice: ToolChoice::Auto, ..Ask::default() };
            // Notes are taken either way; in a fresh instance no replay does again what lies behind them.
            if let Some(due) = self.conversation.due().or_else(|| self.conversation.too_full(&ask)) {
                self.conversation.hand_over_with(due, &ask)?;
                log::info(format!("going on in a fresh instance after {} turns ({due:?})", self.turns));
                return Ok(Ended::Renew);
            }
            self.within_bounds()?;
            let reply = self.conversation.ask_with(&ask)?;
            self.turns += 1;
            context::progress(self.turns, None, note(&reply));
            if reply.finish == Finish::ContentFilter {
                return Err(Failure::transient(
                    "the provider held the model's answer back; try again, or another model",
                ));
            }
            if reply.calls.is_empty() {
                match tools.ending() {
                    None if !reply.text.trim().is_empty() && reply.finish != Finish::Length => {
                        return Ok(Ended::Said(reply.text));
                    }
                    ending => self.nudge(&reply, ending)?,
                }
                continue;
            }
            self.idle = 0;
            if self.call_all(tools, shared, reply.calls)? {
                return Ok(Ended::Finished);
            }
        }
    }

    fn within_bounds(&self) -> Result<(), Failure> {
        let used_up = |what: String| {
            Err(Failure::exhausted(format!("the work is not done after {what}; give it more, or a smaller task")))
        };
        if self.turns >= self.bounds.max_turns {
            return used_up(format!("{} answers of the model (`max_turns`)", self.turns));
        }
        let spent = self.conversation.spent();
        let tokens = spent.input_tokens.saturating_add(spent.output_tokens);
        match self.bounds.max_tokens {
            Some(most) if tokens >= most => used_up(format!("{tokens} tokens (`max_tokens` is {most})")),
            _ => Ok(()),
        }
    }

    /// Asks for a tool call where the model only talks.
    fn nudge(&mut self, reply: &Reply, ending: Option<&str>) -> Result<(), Failure> {
        self.idle += 1;
        if self.idle > MAX_IDLE {
            let said = shortened(reply.text.trim(), 300);
            return Err(Failure::validation(format!(
                "the model calls no tool and does not end the work; it says: {said}"
            )));
        }
        let cut = if reply.finish == Finish::Length {
            "Your answer was too long and was cut. Take smaller steps. "
        } else {
            ""
        };
        let end = ending.map_or_else(|| "say what you found".to_owned(), |name| format!("call `{name}`"));
        self.conversation.say(format!(
            "{cut}Nobody reads what you write between tool calls. Call a tool to go on, or {end} when the work is done."
        ));
        Ok(())
    }

    /// Does the calls of one answer, in their order; tells whether the work is done.
    fn call_all<S>(&mut self, tools: &Tools<S>, shared: &mut S, calls: Vec<Call>) -> Result<bool, Failure> {
        let (mut results, mut done) = (Vec::with_capacity(calls.len()), false);
        let most = self.bounds.max_result.min(self.conversation.room_for_result());
        for (index, call) in calls.into_iter().enumerate() {
            let content = if done {
                Err("not done, because the work was ended before".to_owned())
            } else if index >= MAX_CALLS {
                Err(format!("not done: {MAX_CALLS} calls at a time are the most; call it again"))
            } else {
                let called = tools.call(shared, &call.name, &call.arguments)?;
                done = called.ends;
                tell(self.turns, &call, &called.content);
                self.failures = if called.content.is_err() { self.failures + 1 } else { 0 };
                self.remember(&call, &called.content);
                called.content
            };
            let failed = content.is_err();
            let (Ok(content) | Err(content)) = content;
            results.push(CallResult { call: call.id, content: shortened(&content, most), failed });
        }
        if !done {
            self.judge(&mut results)?;
        }
        self.conversation.answer(results);
        Ok(done)
    }

    fn remember(&mut self, call: &Call, content: &Result<String, String>) {
        let mut hasher = DefaultHasher::new();
        (&call.name, &call.arguments, content).hash(&mut hasher);
        if self.last.len() == REMEMBERED {
            self.last.remove(0);
        }
        self.last.push(hasher.finish());
    }

    /// Ends what leads nowhere, after the model was told once.
    fn judge(&mut self, results: &mut [CallResult]) -> Result<(), Failure> {
        let last = results.last().map(|result| shortened(&result.content, 300)).unwrap_or_default();
        if self.failures >= self.bounds.max_failures {
            let failures = self.failures;
            return Err(Failure::validation(format!(
                "{failures} calls of the model in a row failed; the last one: {last}"
            )));
        }
        let circling = |calls: &[u64]| calls.iter().collect::<BTreeSet<_>>().len() <= CIRCLE;
        if self.last.len() == REMEMBERED && circling(&self.last) {
            return Err(Failure::validation(format!(
                "the model goes round in circles: its last {REMEMBERED} calls and their results repeat; the last one: {last}"
            )));
        }
        let recent = &self.last[self.last.len().saturating_sub(REMEMBERED / 2)..];
        if let Some(result) = results.last_mut().filter(|_| recent.len() == REMEMBERED / 2 && circling(recent)) {
            result.content +=
                "\n\nYou have done this before, with the same result. Do something else, or end the work.";
        }
        Ok(())
    }
}

/// One short line about an answer.
fn note(reply: &Reply) -> String {
    let more = if reply.calls.len() > 1 { format!(" and {} more", reply.calls.len() - 1) } else { String::new() };
    match reply.calls.first() {
        Some(call) => format!("{}{more}", described(call)),
        None => "thinking".to_owned(),
    }
}

/// A call in a few words: its name and the beginning of its arguments.
fn described(call: &Call) -> String {
    let arguments: String = call.arguments.chars().take(100).collect();
    let more = if arguments.len() < call.arguments.len() { "…" } else { "" };
    format!("{} {arguments}{more}", call.name)
}

fn tell(turn: u64, call: &Call, content: &Result<String, String>) {
    match content {
        Ok(_) => log::info(format!("turn {turn}: {}", described(call))),
        Err(reason) => log::warn(format!("turn {turn}: {} failed: {}", described(call), shortened(reason, 300))),
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;
    use crate::{
        Error, FailureKind, ToolError,
        testing::{Answer, Host},
    };

    /// Notes a word.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Note {
        word: String,
    }

    fn tools() -> Tools<Vec<String>> {
        Tools::new()
            .with("note", |words: &mut Vec<String>, note: Note| {
                words.push(note.word.clone());
                Ok(format!("noted {} times {}", words.len(), note.word))
            })
            .with("look", |_: &mut Vec<String>, _: crate::Empty| Ok("x".repeat(100_000)))
            .with("refuse", |_: &mut Vec<String>, _: crate::Empty| Err(ToolError::from("no")))
            .ending_with("finish", |words: &mut Vec<String>, note: Note| {
                words.push(format!("finished: {}", note.word));
                Ok("thanks".to_owned())
            })
    }

    fn run(host: &Host, bounds: Bounds) -> (Result<Ended, Failure>, Vec<String>) {
        let mut conversation = Conversation::new("work");
        conversation.say("note three words");
        let (mut all, mut words) = (ToolLoop::new(conversation, bounds), Vec::new());
        let ended = all.run(&tools(), &mut words);
        assert!(host.chats().len() as u64 >= all.turns());
        (ended, words)
    }

    fn results(request: &crate::model::Request) -> Vec<(String, bool)> {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let results = parts.filter_map(|part| match part {
            crate::model::Part::ToolResult(result) => Some((result.content.clone(), result.failed)),
            _ => None,
        });
        results.collect()
    }

    #[test]
    fn calls_of_one_answer_are_done_in_their_order_and_nothing_behind_the_end() {
        let host = Host::new();
        host.answers([
            Answer::call("note", json!({"word": "a"})).and_call("note", json!({"word": "b"})),
            Answer::call("note", json!({"word": "c"}))
                .and_call("finish", json!({"word": "end"}))
                .and_call("note", json!({"word": "d"})),
        ]);
        let (ended, words) = run(&host, Bounds::default());
        assert_eq!(ended, Ok(Ended::Finished));
        assert_eq!(words, ["a", "b", "c", "finished: end"]);
        assert_eq!(results(&host.chats()[1]), [("noted 1 times a".into(), false), ("noted 2 times b".into(), false)]);
        assert!(host.log().iter().any(|line| line.contains("turn 1: note {\"word\":\"a\"}")), "{:?}", host.log());
        assert!(host.progress()[0].contains("and 1 more"));
    }

    #[test]
    fn broken_arguments_and_unknown_tools_are_told_and_the_model_may_mend_them() {
        let host = Host::new();
        host.answers([
            Answer::call("note", json!({"word": 3})),
            Answer::raw_call("note", "{\"word\":"),
            Answer::call("write", json!({})),
            Answer::call("finish", json!({"word": "end"})),
        ]);
        let (ended, words) = run(&host, Bounds::default());
        assert_eq!((ended, words), (Ok(Ended::Finished), vec!["finished: end".to_owned()]));
        let told = results(host.chats().last().unwrap());
        assert!(told.iter().all(|(_, failed)| *failed));
        assert!(
            told[0].0.contains("field `word`") && told[1].0.contains("EOF") && told[2].0.contains("no tool `write`")
        );
    }

    #[test]
    fn a_model_that_calls_nonsense_for_ever_is_stopped_with_the_last_reason() {
        let host = Host::new();
        let mut number = 0;
        host.on_chat(move |request| {
            number += 1;
            Answer::call("note", json!({"wrod": number})).to(request)
        });
        let (ended, words) = run(&host, Bounds { max_failures: 5, ..Bounds::default() });
        let failure = ended.unwrap_err();
        assert_eq!((failure.kind, host.chats().len(), words.len()), (FailureKind::Validation, 5, 0));
        assert!(failure.message.contains("`wrod`"), "{}", failure.message);
    }

    #[test]
    fn turns_and_tokens_are_bounded() {
        let host = Host::new();
        let mut number = 0;
        host.on_chat(move |request| {
            number += 1;
            Answer::call("note", json!({"word": number.to_string()})).tokens(100, 10).to(request)
        });
        let (ended, words) = run(&host, Bounds { max_turns: 7, ..Bounds::default() });
        assert_eq!((ended.unwrap_err().kind, words.len()), (FailureKind::Exhausted, 7));
        let (ended, words) = run(&host, Bounds { max_tokens: Some(500), ..Bounds::default() });
        let failure = ended.unwrap_err();
        assert_eq!(words.len(), 5);
        assert!(failure.message.contains("`max_tokens` is 500"), "{}", failure.message);
    }

    #[test]
    fn going_round_in_circles_is_told_first_and_ends_then() {
        let host = Host::new();
        let mut number = 0;
        host.on_chat(move |request| {
            number += 1;
            let name = if number % 2 == 0 { "look" } else { "refuse" };
            Answer::call(name, json!({})).to(request)
        });
        let (ended, _) = run(&host, Bounds::default());
        let failure = ended.unwrap_err();
        assert!(failure.message.contains("in circles"), "{}", failure.message);
        assert_eq!(host.chats().len(), REMEMBERED);
        assert!(results(&host.chats()[6])[5].0.ends_with("or end the work."));
    }

    #[test]
    fn a_model_that_only_talks_is_asked_for_a_call_and_given_up_at_last() {
        let host = Host::new();
        host.on_chat(|request| Answer::text("I am done, I think.").to(request));
        let (ended, _) = run(&host, Bounds::default());
        let failure = ended.unwrap_err();
        assert_eq!((failure.kind, host.chats().len()), (FailureKind::Validation, 4));
        assert!(failure.message.contains("I am done"), "{}", failure.message);
        let asked = format!("{:?}", host.chats()[1].messages);
        assert!(asked.contains("call `finish`"), "{asked}");

        host.answers([
            Answer::text(""),
            Answer::text("half").finish(Finish::Length),
            Answer::call("finish", json!({"word": "x"})),
        ]);
        assert_eq!(run(&host, Bounds::default()).0, Ok(Ended::Finished));
        let asked = format!("{:?}", host.chats().last().unwrap().messages);
        assert!(asked.contains("was cut"), "{asked}");
    }

    #[test]
    fn without_an_ending_tool_a_text_is_the_end() {
        let host = Host::new();
        host.answers([Answer::text("There are three.")]);
        let mut all = ToolLoop::new(Conversation::new("work"), Bounds::default());
        let ended = all.run(&Tools::<()>::new(), &mut ());
        assert_eq!(ended, Ok(Ended::Said("There are three.".into())));
    }

    #[test]
    fn results_are_cut_to_their_bound_with_a_note() {
        let host = Host::new();
        host.answers([Answer::call("look", json!({})), Answer::call("finish", json!({"word": "x"}))]);
        run(&host, Bounds { max_result: 900, ..Bounds::default() }).0.unwrap();
        let (content, failed) = &results(&host.chats()[1])[0];
        assert!(content.len() < 1_000 && content.contains("99100 bytes are left out") && !failed, "{content}");
    }

    #[test]
    fn more_calls_than_are_taken_at_a_time_are_told_so() {
        let host = Host::new();
        let many =
            (0..20).fold(Answer::text("go"), |answer, n: u32| answer.and_call("note", json!({"word": n.to_string()})));
        host.answers([many, Answer::call("finish", json!({"word": "x"}))]);
        let (_, words) = run(&host, Bounds::default());
        assert_eq!(words.len(), MAX_CALLS + 1);
        let told = results(&host.chats()[1]);
        assert_eq!(told.len(), 20);
        assert!(told[19].1 && told[19].0.contains("16 calls at a time"));
    }

    #[test]
    fn a_provider_that_refuses_ends_the_attempt_with_its_own_kind() {
        let host = Host::new();
        host.answers([Answer::error(Error::Exhausted("tokens".into()))]);
        assert_eq!(run(&host, Bounds::default()).0.unwrap_err().kind, FailureKind::Exhausted);
        host.answers([Answer::text("").finish(Finish::ContentFilter)]);
        assert_eq!(run(&host, Bounds::default()).0.unwrap_err().kind, FailureKind::Transient);
    }

    #[test]
    fn a_loop_is_handed_over_and_goes_on_with_what_it_knew() {
        let (host, tools) = (Host::new(), tools());
        let mut conversation = Conversation::new("work");
        conversation.say("note a word");
        let (mut first, mut words) = (ToolLoop::new(conversation, Bounds::default()), Vec::new());
        host.on_chat(|request| {
            context::pause(context::RENEW_AFTER);
            Answer::call("note", json!({"word": "a"})).to(request)
        });
        assert_eq!(first.run(&tools, &mut words), Ok(Ended::Renew));
        let state = serde_json::to_string(&(first, words)).unwrap();

        host.set_age(std::time::Duration::ZERO);
        host.answers([Answer::call("finish", json!({"word": "end"}))]);
        let (mut second, mut words): (ToolLoop, Vec<String>) = serde_json::from_str(&state).unwrap();
        assert_eq!(second.run(&tools, &mut words), Ok(Ended::Finished));
        assert_eq!((words, second.turns()), (vec!["a".to_owned(), "finished: end".to_owned()], 2));
        let last = host.chats().last().unwrap().clone();
        assert_eq!(results(&last), [("noted 1 times a".to_owned(), false)]);
    }

    #[test]
    fn a_full_context_is_summed_up_before_it_is_handed_over() {
        let host = Host::new();
        let mut number = 0;
        host.on_chat(move |request| {
            number += 1;
            match request.tools.is_empty() {
                true => Answer::text("my notes").tokens(100, 10).window(4_000).to(request),
                false => {
                    let word = format!("{number}-{}", "long ".repeat(100));
                    Answer::call("note", json!({"word": word})).tokens(500 * number, 10).window(4_000).to(request)
                }
            }
        });
        let mut conversation = Conversation::new("work");
        conversation.say("note words");
        let mut all = ToolLoop::new(conversation, Bounds::default());
        let mut words = Vec::new();
        assert_eq!(all.run(&tools(), &mut words), Ok(Ended::Renew));
        assert_eq!(words.len(), 6, "the next question would have filled four fifths");
        let state = serde_json::to_string(&all).unwrap();
        assert!(state.contains("my notes") && state.contains("note words") && !state.contains("1-long"), "{state}");
    }
}
