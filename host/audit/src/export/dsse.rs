//! Signed envelopes in the form of DSSE (Dead Simple Signing Envelope), version 1, with the key that heads are signed with.
//!
//! What is signed begins with `DSSEv1` and is one line, since the payload is JSON without newlines; the text of a head has three lines. So neither
//! can pass for the other.

use crate::note::{SignerKey, VerifierKey};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

/// A payload with its type and signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What the payload is, as a media type.
    pub payload_type: String,
    /// The payload in Base64.
    pub payload: String,
    /// Signatures over both.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The key's name and id, `NAME+ID`.
    pub keyid: String,
    /// The signature in Base64.
    pub sig: String,
}

/// An envelope that cannot be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The payload is not text in Base64.
    #[error("the payload of the envelope is not text in Base64")]
    Payload,
    /// There is no signature of the key that holds.
    #[error(
        "the envelope is not signed by the trusted key: payload or signature was altered, or another key has signed"
    )]
    Signature,
}

impl Envelope {
    /// Signs a payload, which is JSON on one line.
    pub fn sign(payload_type: &str, payload: &str, key: &SignerKey) -> Self {
        let signature = key.sign(&signed(payload_type, payload));
        Self {
            payload_type: payload_type.to_owned(),
            payload: BASE64.encode(payload.as_bytes()),
            signatures: vec![Signature { keyid: name(key.verifier()), sig: BASE64.encode(&signature) }],
        }
    }

    /// The payload, when `key` has signed it.
    ///
    /// # Errors
    /// [`EnvelopeError`] where it has not.
    pub fn open(&self, key: &VerifierKey) -> Result<String, EnvelopeError> {
        let payload = BASE64.decode(self.payload.as_bytes()).map_err(|_| EnvelopeError::Payload)?;
        let payload = String::from_utf8(payload).map_err(|_| EnvelopeError::Payload)?;
        let text = signed(&self.payload_type, &payload);
        let holds = |it: &Signature| {
            it.keyid == name(key)
                && BASE64.decode(it.sig.as_bytes()).is_ok_and(|signature| key.signed(&text, &signature))
        };
        if self.signatures.iter().any(holds) { Ok(payload) } else { Err(EnvelopeError::Signature) }
    }
}

fn name(key: &VerifierKey) -> String {
    format!("{}+{}", key.name(), key.id())
}

/// The pre-authentication encoding: what is signed.
fn signed(payload_type: &str, payload: &str) -> String {
    format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::KeyName;

    #[test]
    fn an_envelope_opens_for_its_key_and_its_payload_only() {
        // The example of the specification.
        assert_eq!(
            signed("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        let key = |seed| SignerKey::from_seed(KeyName::new("example").unwrap(), &[seed; 32]);
        let envelope = Envelope::sign("text/json", "{\"a\":1}", &key(1));
        assert_eq!(envelope.open(key(1).verifier()).as_deref(), Ok("{\"a\":1}"));
        assert_eq!(envelope.open(key(2).verifier()), Err(EnvelopeError::Signature));
        let other = Envelope { payload: BASE64.encode(b"{\"a\":2}"), ..envelope.clone() };
        assert_eq!(other.open(key(1).verifier()), Err(EnvelopeError::Signature));
        let other = Envelope { payload_type: "text/other".to_owned(), ..envelope };
        assert_eq!(other.open(key(1).verifier()), Err(EnvelopeError::Signature));
    }
}
