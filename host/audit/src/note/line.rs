//! What may stand on a line of a note.

use data_encoding::BASE64;

/// A text that cannot be a line of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It has a character below U+0020, such as a newline.
    #[error("it has a control character")]
    Control,
    /// A key's name has a space or a plus.
    #[error("it has a space or a `+`, which end a key's name")]
    Separator,
}

/// A line that is not empty and has no control characters.
pub(super) fn line(text: &str) -> Result<(), LineError> {
    if text.is_empty() {
        Err(LineError::Empty)
    } else if text.bytes().any(|byte| byte < 0x20) {
        Err(LineError::Control)
    } else {
        Ok(())
    }
}

/// A line that can be the name of a key.
pub(super) fn name(text: &str) -> Result<(), LineError> {
    line(text)?;
    if text.contains(|c: char| c.is_whitespace() || c == '+') { Err(LineError::Separator) } else { Ok(()) }
}

/// Bytes in Base64 as they are written, and in no other way: decoding alone takes padding in the middle too.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok().filter(|bytes| BASE64.encode(bytes) == text)
}
