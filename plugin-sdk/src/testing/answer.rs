//! What a scripted model says, and how a scripted command ends, in few words.

use serde_json::Value;

use crate::{
    Error,
    exec::{Completed, ExitStatus},
    model::{Finish, Message, Part, Request, Response, Role, ToolCall},
};

/// The context window of a scripted model where nothing else is said.
const WINDOW: u64 = 128_000;

/// One answer of a scripted model.
#[derive(Clone, Debug)]
pub struct Answer {
    parts: Vec<Part>,
    finish: Option<Finish>,
    tokens: Option<(u64, u64)>,
    window: u64,
    error: Option<Error>,
}

impl Answer {
    fn of(parts: Vec<Part>) -> Self {
        Self { parts, finish: None, tokens: None, window: WINDOW, error: None }
    }

    /// It says this.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(vec![Part::Text(text.into())])
    }

    /// It wants this tool called, with these arguments.
    pub fn call(name: &str, arguments: Value) -> Self {
        Self::of(Vec::new()).and_call(name, arguments)
    }

    /// It wants this tool called, with arguments that are no JSON perhaps.
    pub fn raw_call(name: &str, arguments: &str) -> Self {
        Self::of(Vec::new()).and_raw_call(name, arguments)
    }

    /// The provider fails.
    pub fn error(error: Error) -> Self {
        Self { error: Some(error), ..Self::of(Vec::new()) }
    }

    /// And this tool too, in the same answer.
    #[must_use]
    pub fn and_call(self, name: &str, arguments: Value) -> Self {
        self.and_raw_call(name, &arguments.to_string())
    }

    fn and_raw_call(mut self, name: &str, arguments: &str) -> Self {
        let id = format!("call-{}", self.parts.len());
        self.parts.push(Part::ToolCall(ToolCall { id, name: name.to_owned(), arguments: arguments.to_owned() }));
        self
    }

    /// It took and made this many tokens. Where nothing is said they are estimated from the texts.
    #[must_use]
    pub fn tokens(mut self, input: u64, output: u64) -> Self {
        self.tokens = Some((input, output));
        self
    }

    /// The model's context window has this many tokens.
    #[must_use]
    pub fn window(mut self, tokens: u64) -> Self {
        self.window = tokens;
        self
    }

    /// It stopped for this reason.
    #[must_use]
    pub fn finish(mut self, finish: Finish) -> Self {
        self.finish = Some(finish);
        self
    }

    /// The answer to this request.
    ///
    /// # Errors
    /// The one that the answer is.
    pub fn to(self, request: &Request) -> Result<Response, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let calls = self.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let size = |parts: &[Part]| parts.iter().map(bytes).sum::<usize>() as u64 / 4 + 1;
        let asked = request.messages.iter().map(|message| size(&message.parts)).sum();
        let (input_tokens, output_tokens) = self.tokens.unwrap_or((asked, size(&self.parts)));
        Ok(Response {
            message: Message { role: Role::Assistant, parts: self.parts },
            finish: self.finish.unwrap_or(if calls { Finish::ToolCalls } else { Finish::Stop }),
            input_tokens,
            output_tokens,
            context_window: self.window,
            model: request.model.clone().unwrap_or_else(|| "scripted".to_owned()),
        })
    }
}

fn bytes(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Image(image) => image.data.len(),
        Part::ToolCall(call) => call.name.len() + call.arguments.len(),
        Part::ToolResult(result) => result.content.len(),
    }
}

/// A command that ended with this code after it printed this.
pub fn ran(code: i32, stdout: &str, stderr: &str) -> Completed {
    Completed {
        status: ExitStatus::Code(code),
        stdout: stdout.as_bytes().to_vec(),
        stderr: stderr.as_bytes().to_vec(),
        truncated: false,
        duration: 1,
        isolation: Vec::new(),
        changed: Vec::new(),
        left_out: Vec::new(),
    }
}
