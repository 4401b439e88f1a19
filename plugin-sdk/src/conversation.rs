//! A conversation with a model that keeps itself inside the model's window.
//!
//! It estimates its own size, corrected by what each answer says about the tokens that were read. At 80 % of the window it
//! has the model take notes of what lies behind, and goes on from these notes and the last turns. It is plain data: an
//! agent that lives long hands it over by [`Outcome::ContinueAsNew`](crate::Outcome), pictures by their paths.
//!
//! ```
//! use longhaul_sdk::{Conversation, testing::{Answer, Host}};
//!
//! # let host = Host::new();
//! # host.answers([Answer::text("Four.")]);
//! let mut conversation = Conversation::new("You answer in one word.");
//! conversation.say("What is two and two?");
//! assert_eq!(conversation.ask()?.text, "Four.");
//! # Ok::<(), longhaul_sdk::Failure>(())
//! ```

mod patience;
mod room;
mod structured;
mod turn;

use serde::{Deserialize, Serialize};

pub(crate) use structured::schema_of;
pub use turn::shortened;
pub use turn::{Call, CallResult, Picture};

use crate::{
    Failure,
    conversation::{patience::OnFailed, room::Gauge, turn::Turn},
    model::{Finish, Format, Part, Request, Response, Tool, ToolChoice},
};

/// A conversation with a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    system: String,
    settings: Settings,
    turns: Vec<Turn>,
    gauge: Gauge,
    spent: Spent,
}

/// How the model is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A model of the operator's list, by name; the default one where none is given.
    pub model: Option<String>,
    /// The size of its context window in tokens. What an answer says about it counts more.
    pub window: Option<u64>,
    /// The most tokens of one answer.
    pub max_tokens: Option<u32>,
    /// 0 to 2; the provider's default where none is given.
    pub temperature: Option<f32>,
}

/// What a conversation has cost until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Answers of the model, notes included.
    pub answers: u64,
    /// Tokens that it read.
    pub input_tokens: u64,
    /// Tokens that it wrote.
    pub output_tokens: u64,
}

/// What the model may do in one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask<'a> {
    /// The tools on offer.
    pub tools: &'a [Tool],
    /// Whether one has to be called.
    pub choice: ToolChoice,
    /// The form of the answer.
    pub format: Format,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { tools: &[], choice: ToolChoice::Auto, format: Format::Text }
    }
}

/// One answer of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What it says; empty where it only calls tools.
    pub text: String,
    /// The tools that it wants called. Each has to be answered, by [`Conversation::answer`].
    pub calls: Vec<Call>,
    /// Why it stopped.
    pub finish: Finish,
}

impl Conversation {
    /// A conversation in which these are the instructions.
    pub fn new(system: impl Into<String>) -> Self {
        Self::with(system, Settings::default())
    }

    /// The same, with these settings.
    pub fn with(system: impl Into<String>, settings: Settings) -> Self {
        let gauge = Gauge::new(settings.window);
        Self { system: system.into(), settings, turns: Vec::new(), gauge, spent: Spent::default() }
    }

    /// Says something to the model. The first thing that is said is what the work is about: it stays as it is as long as it
    /// takes no more than a quarter of the window.
    pub fn say(&mut self, text: impl Into<String>) {
        self.show(text, Vec::new());
    }

    /// Says something, and shows pictures with it.
    pub fn show(&mut self, text: impl Into<String>, pictures: Vec<Picture>) {
        self.close_open_calls();
        self.turns.push(Turn::Asked { text: text.into(), pictures });
    }

    /// Gives the results of the calls of the last answer.
    pub fn answer(&mut self, results: Vec<CallResult>) {
        if !results.is_empty() {
            self.turns.push(Turn::Results(results));
        }
    }

    /// Asks the model for a text.
    ///
    /// # Errors
    /// The model cannot be asked, or the conversation does not fit its window, whatever is summed up.
    pub fn ask(&mut self) -> Result<Reply, Failure> {
        self.ask_with(&Ask::default())
    }

    /// Asks the model, and says what it may do.
    ///
    /// # Errors
    /// As [`Conversation::ask`].
    pub fn ask_with(&mut self, ask: &Ask<'_>) -> Result<Reply, Failure> {
        let answer = self.ask_as(ask, OnFailed::AskAgain)?;
        answer.map_err(|reason| Failure::transient(format!("the model was asked: {reason}")))
    }

    fn ask_as(&mut self, ask: &Ask<'_>, on_failed: OnFailed) -> Result<Result<Reply, String>, Failure> {
        self.close_open_calls();
        self.make_room(ask)?;
        let estimate = self.estimate(ask);
        let response = match patience::chat(&self.request(ask)?, on_failed)? {
            Ok(response) => response,
            Err(reason) => return Ok(Err(reason)),
        };
        self.count(&response);
        self.gauge.calibrate(estimate, &response);
        let reply = read(response);
        if !(reply.text.is_empty() && reply.calls.is_empty()) {
            self.turns.push(Turn::Answered { text: reply.text.clone(), calls: reply.calls.clone() });
        }
        Ok(Ok(reply))
    }

    /// What it has cost until now.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// How many turns it has, a summary being one.
    pub fn turns(&self) -> usize {
        self.turns.len()
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request, Failure> {
        Ok(Request {
            model: self.settings.model.clone(),
            tools: ask.tools.to_vec(),
            tool_choice: ask.choice.clone(),
            format: ask.format.clone(),
            max_tokens: self.settings.max_tokens,
            temperature: self.settings.temperature,
            ..Request::new(turn::messages(&self.system, &self.turns)?)
        })
    }

    fn count(&mut self, response: &Response) {
        let Spent { answers, input_tokens, output_tokens } = &mut self.spent;
        *answers += 1;
        *input_tokens = input_tokens.saturating_add(response.input_tokens);
        *output_tokens = output_tokens.saturating_add(response.output_tokens);
    }

    /// Providers refuse a conversation in which a call has no result, or two calls have the same name.
    fn close_open_calls(&mut self) {
        let (calls, results) = match self.turns.as_slice() {
            [.., Turn::Answered { calls, .. }] => (calls, &[][..]),
            [.., Turn::Answered { calls, .. }, Turn::Results(results)] => (calls, results.as_slice()),
            _ => return,
        };
        let open = calls.iter().filter(|call| !results.iter().any(|result| result.call == call.id));
        let not_done = |call: &Call| CallResult { call: call.id.clone(), content: "not done".into(), failed: true };
        let missing: Vec<CallResult> = open.map(not_done).collect();
        match self.turns.last_mut() {
            _ if missing.is_empty() => {}
            Some(Turn::Results(results)) => results.extend(missing),
            _ => self.turns.push(Turn::Results(missing)),
        }
    }
}

/// What an answer says, with a name for each call.
fn read(response: Response) -> Reply {
    let (mut text, mut calls) = (String::new(), Vec::<Call>::new());
    for part in response.message.parts {
        match part {
            Part::Text(more) => text += &more,
            Part::ToolCall(call) => {
                let taken = |id: &str| id.is_empty() || calls.iter().any(|known| known.id == id);
                let id = if taken(&call.id) { format!("call-{}", calls.len()) } else { call.id };
                calls.push(Call { id, name: call.name, arguments: call.arguments });
            }
            Part::Image(_) | Part::ToolResult(_) => {}
        }
    }
    Reply { text, calls, finish: response.finish }
}
