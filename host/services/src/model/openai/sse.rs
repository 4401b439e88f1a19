//! Server-sent events, as far as models use them: the data of each event, one after the other.

use super::fault::Fault;

/// The most bytes of one event.
const MAX_EVENT: usize = 8 << 20;

/// Events under way.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The line that is not at its end yet.
    line: Vec<u8>,
    /// The data of the event that is not at its end yet.
    data: String,
}

impl Events {
    /// Takes a piece of the stream; gives the data of the events that it brings to their end.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<String>, Fault> {
        let mut events = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() + self.data.len() > MAX_EVENT {
                return Err(Fault::TooLong);
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8(line).map_err(|_| Fault::malformed("it is not UTF-8"))?;
                self.add(line.trim_end_matches(['\r', '\n']), &mut events);
            }
        }
        Ok(events)
    }

    fn add(&mut self, line: &str, events: &mut Vec<String>) {
        if line.is_empty() {
            if !self.data.is_empty() {
                events.push(std::mem::take(&mut self.data));
            }
        } else if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_the_stream_is_cut() {
        let stream =
            ": hello\r\nevent: x\r\ndata: {\"a\":\r\ndata: \"ö\"}\r\n\r\n\ndata:[DONE]\n\ndata: not at its end\n";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let found: Vec<_> = stream.as_bytes().chunks(size).flat_map(|piece| events.take(piece).unwrap()).collect();
            assert_eq!(found, ["{\"a\":\n\"ö\"}", "[DONE]"], "{size}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        let piece = vec![b'x'; 1 << 20];
        assert!((0..9).any(|_| events.take(&piece).is_err()));
        let mut events = Events::default();
        let piece = format!("data: {}\n", "x".repeat(1_000)).repeat(1_000);
        assert!((0..9).any(|_| events.take(piece.as_bytes()).is_err()));
        assert!(Events::default().take(b"data: \xff\n").is_err());
    }
}
