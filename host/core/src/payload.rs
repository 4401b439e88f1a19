//! [`Payload`]: bytes that agents exchange, as they are kept and recorded.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Some bytes. As JSON they are a text where they are one that is not mostly escapes, so that a record can be read by people, and otherwise
/// `{"hex": "00ff…"}`: never more than twice as long. Clones share them.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(Arc<[u8]>);

impl Payload {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that they are; none where they are none.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => fmt::Debug::fmt(text, f),
            Err(_) => write!(f, "{} bytes", self.0.len()),
        }
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Bytes that are no text.
        #[derive(Serialize)]
        struct Binary {
            hex: String,
        }
        match self.text().filter(|text| is_legible(text)) {
            Some(text) => serializer.serialize_str(text),
            None => Binary { hex: hex(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Binary { hex: String },
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => Self::from(text.into_bytes()),
            Form::Binary { hex } => {
                Self::from(bytes(&hex).ok_or_else(|| D::Error::custom("`hex` is not hexadecimal"))?)
            }
        })
    }
}

/// Whether a text as JSON is at most twice as long: a control character takes six bytes.
fn is_legible(text: &str) -> bool {
    let more = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..=31 => 5,
        _ => 0,
    });
    more.sum::<usize>() <= text.len()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_json_whatever_they_are() {
        let all: Vec<u8> = (0..=255).collect();
        for (bytes, json) in [
            (b"hello \"you\"\n".to_vec(), Some(r#""hello \"you\"\n""#)),
            (Vec::new(), Some(r#""""#)),
            (vec![0xff, 0x00, 0x1a], Some(r#"{"hex":"ff001a"}"#)),
            (all, None),
            (vec![1, 2], Some(r#"{"hex":"0102"}"#)),
            (b"a tab\t and a bell\x07".to_vec(), Some(r#""a tab\t and a bell\u0007""#)),
        ] {
            let payload = Payload::from(bytes.clone());
            let text = serde_json::to_string(&payload).unwrap();
            assert!(json.is_none_or(|json| json == text), "{text}");
            assert_eq!(serde_json::from_str::<Payload>(&text).unwrap().as_bytes(), bytes);
        }
        for bad in [r#"{"hex":"f"}"#, r#"{"hex":"zz"}"#, "3", "{}"] {
            assert!(serde_json::from_str::<Payload>(bad).is_err(), "{bad}");
        }
    }
}
