//! Signed notes: a text and the signatures under it.

use super::keys::{KeyId, KeyName, SignerKey, VerifierKey};
use super::line::{self, LineError};
use data_encoding::BASE64;
use std::fmt;

/// How many bytes a note may have: a head with sixteen signatures of the largest kinds fits several times.
pub const MAX_NOTE: usize = 256 * 1024;
/// How many signatures a note may have. Readers of notes have to take 16 at least.
pub const MAX_SIGNATURES: usize = 64;

const DASH: &str = "— ";

/// A text and the signatures under it. That it was parsed says nothing about who signed it: see [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature, of whatever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key that made it, so it says.
    pub name: KeyName,
    /// The id of that key.
    pub id: KeyId,
    /// The signature: 64 bytes where it is Ed25519.
    pub bytes: Vec<u8>,
}

/// A note that is malformed, or signed by nobody who counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has too many bytes.
    #[error("the note has {found} bytes, and {MAX_NOTE} are the limit")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// It is not text.
    #[error("the note is not UTF-8 from byte {at} on")]
    NotText {
        /// How many bytes are text.
        at: usize,
    },
    /// A control character other than a newline is in it.
    #[error("the note has a control character at byte {at}")]
    Control {
        /// Where.
        at: usize,
    },
    /// Its text does not end with a newline.
    #[error("the text of the note does not end with a newline")]
    NoNewline,
    /// No empty line stands between text and signatures.
    #[error("the note has no empty line between its text and its signatures")]
    NoSeparator,
    /// There is no signature.
    #[error("the note has no signature")]
    NoSignature,
    /// The note does not end with a newline.
    #[error("the last signature of the note does not end with a newline")]
    CutOff,
    /// There are too many signatures.
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooMany,
    /// A line among the signatures is none.
    #[error("signature {number} of the note is not written as `— NAME BASE64`")]
    Malformed {
        /// Which one, from 1 on.
        number: usize,
    },
    /// A signature has no possible name.
    #[error("signature {number} of the note has a wrong name: {problem}")]
    Name {
        /// Which one, from 1 on.
        number: usize,
        /// What is wrong with it.
        problem: LineError,
    },
    /// A signature is not Base64 of a key id and something.
    #[error("signature {number} of the note is not a key id and a signature in Base64")]
    Encoding {
        /// Which one, from 1 on.
        number: usize,
    },
    /// A trusted key is said to have signed, and did not sign this text.
    #[error("the signature of {name} ({id}) is not one under this text: text or signature was altered")]
    BadSignature {
        /// Whose it says it is.
        name: KeyName,
        /// The id of that key.
        id: KeyId,
    },
    /// No signature is by a trusted key.
    #[error("no trusted key has signed the note: it is signed by {}", signers(.0))]
    Untrusted(Vec<(KeyName, KeyId)>),
}

impl Note {
    /// A note that nobody has signed yet.
    ///
    /// # Errors
    /// [`NoteError`] where `text` does not end with a newline, has control characters, or is too long.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(text.as_bytes())?;
        if text.ends_with('\n') { Ok(Self { text, signatures: Vec::new() }) } else { Err(NoteError::NoNewline) }
    }

    /// Reads a signed note.
    ///
    /// # Errors
    /// [`NoteError`] where it is not written exactly as the format demands.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let note = check_text(bytes)?;
        // The text may have empty lines itself: the last one is the separator.
        let end = note.rfind("\n\n").ok_or(NoteError::NoSeparator)?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        if lines.is_empty() {
            return Err(NoteError::NoSignature);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::CutOff)?;
        let mut signatures = Vec::new();
        for (at, line) in lines.split('\n').enumerate() {
            if at == MAX_SIGNATURES {
                return Err(NoteError::TooMany);
            }
            signatures.push(signature(line, at + 1)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// What is signed, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signatures, whoever made them.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds the signature of `key`.
    pub fn sign(&mut self, key: &SignerKey) {
        let verifier = key.verifier();
        let bytes = key.sign(&self.text).to_vec();
        self.signatures.push(Signature { name: verifier.name().clone(), id: verifier.id(), bytes });
    }

    /// Those of `trusted` that have signed. Signatures by other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] where one of the trusted keys is said to have signed and has not, [`NoteError::Untrusted`] where none
    /// has signed.
    pub fn verify<'k>(
        &self,
        trusted: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signed = Vec::new();
        for key in trusted {
            let theirs = self.signatures.iter().filter(|it| it.id == key.id() && it.name == *key.name());
            let mut any = false;
            for signature in theirs {
                if !key.signed(&self.text, &signature.bytes) {
                    return Err(NoteError::BadSignature { name: key.name().clone(), id: key.id() });
                }
                any = true;
            }
            if any {
                signed.push(key);
            }
        }
        if signed.is_empty() {
            return Err(NoteError::Untrusted(self.signatures.iter().map(|it| (it.name.clone(), it.id)).collect()));
        }
        Ok(signed)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str("\n")?;
        for signature in &self.signatures {
            let bytes = [signature.id.0.as_slice(), &signature.bytes].concat();
            writeln!(f, "{DASH}{} {}", signature.name, BASE64.encode(&bytes))?;
        }
        Ok(())
    }
}

fn check_text(bytes: &[u8]) -> Result<&str, NoteError> {
    if bytes.len() > MAX_NOTE {
        return Err(NoteError::TooLong { found: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|error| NoteError::NotText { at: error.valid_up_to() })?;
    match bytes.iter().position(|byte| *byte < 0x20 && *byte != b'\n') {
        Some(at) => Err(NoteError::Control { at }),
        None => Ok(text),
    }
}

fn signature(line: &str, number: usize) -> Result<Signature, NoteError> {
    let malformed = NoteError::Malformed { number };
    let (name, base64) = line.strip_prefix(DASH).and_then(|line| line.split_once(' ')).ok_or(malformed)?;
    let name = KeyName::new(name).map_err(|problem| NoteError::Name { number, problem })?;
    let bytes = line::base64(base64).ok_or(NoteError::Encoding { number })?;
    match bytes.split_first_chunk::<4>() {
        Some((id, bytes)) if !bytes.is_empty() => Ok(Signature { name, id: KeyId(*id), bytes: bytes.to_vec() }),
        _ => Err(NoteError::Encoding { number }),
    }
}

fn signers(signers: &[(KeyName, KeyId)]) -> String {
    let all: Vec<String> = signers.iter().map(|(name, id)| format!("{name} ({id})")).collect();
    if all.is_empty() { "nobody".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the C2SP specification, with the key that verifies it.
    const EXAMPLE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    /// Another example of it, whose text has an empty line.
    const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    /// The example of Go's `sumdb/note`, which is the first implementation of the format.
    const GO: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const GO_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    fn key() -> VerifierKey {
        KEY.parse().unwrap()
    }

    fn signer(seed: u8) -> SignerKey {
        SignerKey::from_seed(KeyName::new("example.org/longhaul").unwrap(), &[seed; 32])
    }

    #[test]
    fn examples_of_the_specification_are_read_verified_and_written() {
        let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(note.verify([&key()]), Ok(vec![&key()]));
        assert_eq!(note.to_string(), EXAMPLE);
        let poem = Note::parse(POEM.as_bytes()).unwrap();
        assert!(poem.text().ends_with("sole:\n\ned è subito sera.\n"));
        assert_eq!(
            (poem.signatures()[0].name.as_str(), poem.signatures()[0].bytes.len()),
            ("quasimodo.example/salvatore", 64)
        );
        assert_eq!(poem.to_string(), POEM);
        assert!(matches!(poem.verify([&key()]), Err(NoteError::Untrusted(_))));
    }

    #[test]
    fn signing_gives_the_bytes_of_the_first_implementation() {
        let key = SignerKey::from_secret_text(GO_SECRET).unwrap();
        let mut note = Note::new(Note::parse(GO.as_bytes()).unwrap().text()).unwrap();
        note.sign(&key);
        assert_eq!(note.to_string(), GO);
    }

    #[test]
    fn each_altered_bit_is_refused() {
        let key = key();
        for bit in 0..EXAMPLE.len() * 8 {
            let mut bytes = EXAMPLE.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Note::parse(&bytes).and_then(|note| note.verify([&key]).map(|_| ())).is_err(), "bit {bit}");
        }
        for length in 0..EXAMPLE.len() {
            assert!(Note::parse(&EXAMPLE.as_bytes()[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn several_sign_and_strangers_are_ignored() {
        let (one, two, stranger) = (signer(1), signer(2), signer(3));
        let mut note = Note::new("text\n").unwrap();
        note.sign(&one);
        note.sign(&stranger);
        note.sign(&two);
        let mut note = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(note.verify([one.verifier(), two.verifier()]), Ok(vec![one.verifier(), two.verifier()]));
        assert_eq!(note.verify([two.verifier()]), Ok(vec![two.verifier()]));
        // What strangers write is no reason to refuse it, and a trusted signature that does not hold is, beside any number that do.
        note.signatures[1].bytes = b"of a kind that is not known".to_vec();
        assert!(note.verify([one.verifier()]).is_ok());
        note.signatures[2].bytes[5] ^= 1;
        assert!(matches!(note.verify([one.verifier(), two.verifier()]), Err(NoteError::BadSignature { .. })));
        // The same id under another name, or the same name under another id, is a stranger.
        note.signatures[2].id.0[0] ^= 1;
        assert_eq!(note.verify([one.verifier(), two.verifier()]), Ok(vec![one.verifier()]));
    }

    #[test]
    fn what_is_wrong_with_a_note_is_said() {
        let error = |text: &str| Note::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error(""), NoteError::NoSeparator);
        assert_eq!(error("text\n"), NoteError::NoSeparator);
        assert_eq!(error("text\n\n"), NoteError::NoSignature);
        assert_eq!(error("text\n— a AAAAAAA=\n"), NoteError::NoSeparator);
        assert_eq!(error("text\n\n— a AAAAAAA="), NoteError::CutOff);
        assert_eq!(error("text\r\n\n— a AAAAAAA=\n"), NoteError::Control { at: 4 });
        assert_eq!(Note::parse(b"t\xff\n\n"), Err(NoteError::NotText { at: 1 }));
        for line in ["- a AAAAAAA=", "—a AAAAAAA=", "— a", "— AAAAAAA=", "a AAAAAAA="] {
            assert_eq!(error(&format!("text\n\n{line}\n")), NoteError::Malformed { number: 1 }, "{line}");
        }
        let name = |problem| NoteError::Name { number: 2, problem };
        assert_eq!(error("text\n\n— a AAAAAAA=\n—  AAAAAAA=\n"), name(LineError::Empty));
        assert_eq!(error("text\n\n— a AAAAAAA=\n— a+b AAAAAAA=\n"), name(LineError::Separator));
        assert_eq!(error("text\n\n— a AAAAAAA=\n— a\u{a0}b AAAAAAA=\n"), name(LineError::Separator));
        // Four bytes are a key id without signature; the rest is Base64 that has another way to be written.
        for base64 in ["AAAAAA==", "AAAAAAA", "AAAAAAB=", "AAAA AAA=", "AAAAAAA= ", "", "AAAA_AA=", "aa00Aa0=++AA"] {
            assert_eq!(error(&format!("text\n\n— a {base64}\n")), NoteError::Encoding { number: 1 }, "{base64}");
        }
        let many = |number| format!("text\n\n{}", "— a AAAAAAA=\n".repeat(number));
        assert_eq!(Note::parse(many(MAX_SIGNATURES).as_bytes()).map(|note| note.signatures.len()), Ok(MAX_SIGNATURES));
        assert_eq!(error(&many(MAX_SIGNATURES + 1)), NoteError::TooMany);
        assert_eq!(error(&"x".repeat(MAX_NOTE + 1)), NoteError::TooLong { found: MAX_NOTE + 1 });
        assert_eq!(Note::new("text").unwrap_err(), NoteError::NoNewline);
        assert_eq!(Note::new("te\txt\n").unwrap_err(), NoteError::Control { at: 2 });
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused_and_read_as_it_is_written(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(\\PC|\n){0,60}\n\n(— (\\PC){0,9} [A-Za-z0-9+/=]{0,16}\n){0,3}") {
            for bytes in [bytes, text.into_bytes()] {
                if let Ok(note) = Note::parse(&bytes) {
                    prop_assert_eq!(note.to_string().into_bytes(), bytes);
                }
            }
        }
    }
}
