//! How many tokens a text has, about: for providers that do not count, and for limits that are kept before anybody has counted.

use longhaul_core::model::{ChatRequest, Part};
use longhaul_core::units::Tokens;

/// Bytes of a token. English prose has about four, code and other languages fewer.
const BYTES: usize = 4;
/// What a message takes beside its text.
const MESSAGE: usize = 4;
/// What a picture takes.
const PICTURE: usize = 1_000;

/// The tokens of a text.
pub(crate) fn of_text(text: &str) -> Tokens {
    Tokens(text.len().div_ceil(BYTES) as u64)
}

/// The tokens of all that is asked.
pub(crate) fn of_request(request: &ChatRequest) -> Tokens {
    let parts = request.messages.iter().flat_map(|message| &message.parts).map(|part| match part {
        Part::Text(text) | Part::ToolResult { content: text, .. } => text.len().div_ceil(BYTES),
        Part::ToolCall(call) => (call.name.len() + call.arguments.len()).div_ceil(BYTES),
        Part::Image(_) => PICTURE,
    });
    let tools = request.tools.iter().map(|tool| {
        let parameters = tool.parameters.to_string();
        (tool.name.len() + tool.description.len() + parameters.len()).div_ceil(BYTES)
    });
    let tokens = parts.chain(tools).sum::<usize>() + MESSAGE * request.messages.len();
    Tokens(tokens as u64)
}
