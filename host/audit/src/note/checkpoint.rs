//! Checkpoints: the head of a tree as a signed note.

use super::keys::{SignerKey, VerifierKey};
use super::line::{self, LineError};
use super::signed::{Note, NoteError};
use crate::tree::{RootHash, TreeHead, TreeSize};
use data_encoding::BASE64;
use longhaul_core::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What identifies a tree among all others, so that no head of one passes for a head of another: one line, not empty. A URL without a
/// scheme is best.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// Checks the form of `text`.
    ///
    /// # Errors
    /// [`LineError`] where it cannot be a line of a note.
    pub fn new(text: impl Into<String>) -> Result<Self, LineError> {
        let text = text.into();
        line::line(&text)?;
        Ok(Self(text))
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Origin {
    type Error = LineError;
    fn try_from(text: String) -> Result<Self, LineError> {
        Self::new(text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.0
    }
}

/// The head of the tree of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose tree it is.
    pub origin: Origin,
    /// How large it is, and its root.
    pub head: TreeHead,
    extensions: Vec<String>,
}

/// A note that is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is not even a note, or nobody who counts has signed it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It has fewer than three lines.
    #[error("the checkpoint has not the three lines of origin, size and root")]
    TooShort,
    /// A line is empty or has control characters.
    #[error("line {number} of the checkpoint is wrong: {problem}")]
    Line {
        /// Which one, from 1 on.
        number: usize,
        /// What is wrong with it.
        problem: LineError,
    },
    /// The size is not a decimal number without leading zeroes, or is too large.
    #[error("the second line of the checkpoint is not the size of a tree in plain decimal digits")]
    Size,
    /// The root is not 32 bytes in Base64.
    #[error("the third line of the checkpoint is not a root hash of 32 bytes in Base64")]
    Root,
}

/// A checkpoint and who of those who are trusted has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened<'k> {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// By whom: one at least.
    pub signers: Vec<&'k VerifierKey>,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: Origin, head: TreeHead) -> Self {
        Self { origin, head, extensions: Vec::new() }
    }

    /// The same with extension lines, which are signed and mean nothing to this crate.
    ///
    /// # Errors
    /// [`CheckpointError::Line`] where one of them cannot be a line.
    pub fn with_extensions(self, extensions: Vec<String>) -> Result<Self, CheckpointError> {
        for (at, text) in extensions.iter().enumerate() {
            line::line(text).map_err(|problem| CheckpointError::Line { number: at + 4, problem })?;
        }
        Ok(Self { extensions, ..self })
    }

    /// The lines after the third one.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`CheckpointError`] where it is not written exactly as the format demands.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').ok_or(NoteError::NoNewline)?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, extensions @ ..] = lines.as_slice() else { return Err(CheckpointError::TooShort) };
        let origin = Origin::new(*origin).map_err(|problem| CheckpointError::Line { number: 1, problem })?;
        let number: u64 = size.parse().map_err(|_| CheckpointError::Size)?;
        // Whatever else can be read as this number, such as `+1` or `01`, is not how it is written.
        if number.to_string() != *size {
            return Err(CheckpointError::Size);
        }
        let size = TreeSize::new(number).map_err(|_| CheckpointError::Size)?;
        let root = line::base64(root).and_then(|root| root.try_into().ok());
        let root = RootHash(Digest::from_bytes(root.ok_or(CheckpointError::Root)?));
        let extensions = extensions.iter().map(|&text| text.to_owned()).collect();
        Self::new(origin, TreeHead { size, root }).with_extensions(extensions)
    }

    /// The checkpoint as a note with the signatures of `keys`.
    ///
    /// # Errors
    /// [`NoteError::TooLong`] where its extensions are too much for a note.
    pub fn sign<'k>(&self, keys: impl IntoIterator<Item = &'k SignerKey>) -> Result<Note, NoteError> {
        let mut note = Note::new(self.to_string())?;
        for key in keys {
            note.sign(key);
        }
        Ok(note)
    }

    /// Reads a signed checkpoint and verifies its signatures: the only way to one that can be believed.
    ///
    /// # Errors
    /// [`CheckpointError`] where it is malformed, a signature of a trusted key does not hold, or none of them has signed.
    pub fn open<'k>(
        note: &[u8],
        trusted: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Opened<'k>, CheckpointError> {
        let note = Note::parse(note)?;
        let signers = note.verify(trusted)?;
        Ok(Opened { checkpoint: Self::parse(note.text())?, signers })
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = BASE64.encode(self.head.root.0.as_bytes());
        writeln!(f, "{}\n{}\n{root}", self.origin, self.head.size)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::KeyName;

    /// The example of the C2SP specification.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
        let checkpoint = Checkpoint::parse(note.text()).unwrap();
        assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.head.size.get(), 20_852_163);
        let root = "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62";
        assert_eq!(checkpoint.head.root.to_string(), root);
        assert_eq!(checkpoint.to_string(), note.text());
    }

    #[test]
    fn what_is_signed_can_be_opened_by_who_trusts_the_key() {
        let key = |seed| SignerKey::from_seed(KeyName::new("example.org/longhaul").unwrap(), &[seed; 32]);
        let (ours, other) = (key(1), key(2));
        let origin = Origin::new("example.org/longhaul/run").unwrap();
        let checkpoint =
            Checkpoint::new(origin, TreeHead::empty()).with_extensions(vec!["more — ü".to_owned()]).unwrap();
        let note = checkpoint.sign([&ours]).unwrap().to_string();
        let opened = Checkpoint::open(note.as_bytes(), [other.verifier(), ours.verifier()]).unwrap();
        assert_eq!(opened, Opened { checkpoint, signers: vec![ours.verifier()] });
        let refused = Checkpoint::open(note.as_bytes(), [other.verifier()]).unwrap_err();
        assert!(matches!(refused, CheckpointError::Note(NoteError::Untrusted(_))), "{refused}");
    }

    #[test]
    fn what_is_wrong_with_a_checkpoint_is_said() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let error = |text: &str| Checkpoint::parse(text).unwrap_err();
        let line = |number, problem| CheckpointError::Line { number, problem };
        assert_eq!(error("a\n1\n"), CheckpointError::TooShort);
        assert_eq!(error(&format!("a\n1\n{root}")), CheckpointError::Note(NoteError::NoNewline));
        assert_eq!(error(&format!("\n1\n{root}\n")), line(1, LineError::Empty));
        assert_eq!(error(&format!("a\n1\n{root}\n\nx\n")), line(4, LineError::Empty));
        assert_eq!(error(&format!("a\n1\n{root}\nx\ty\n")), line(4, LineError::Control));
        for size in ["", "01", "00", "+1", "-1", " 1", "1 ", "0x1", "١", "18446744073709551616", "18446744073709551615"]
        {
            assert_eq!(error(&format!("a\n{size}\n{root}\n")), CheckpointError::Size, "{size}");
        }
        for root in
            ["", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=", "AAAA"]
        {
            assert_eq!(error(&format!("a\n1\n{root}\n")), CheckpointError::Root, "{root}");
        }
    }
}
