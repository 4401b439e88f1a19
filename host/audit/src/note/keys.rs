//! Keys as texts: who signed, how it is verified, and the secret that signs.

use super::line::{self, LineError};
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature as Ed25519, Signer as _, SigningKey, VerifyingKey};
use longhaul_core::digest::Hasher;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// The signature type of Ed25519 in key ids and in the texts of keys.
const ED25519: u8 = 0x01;
/// What the text of a secret key begins with, as Go's `sumdb/note` has it, so that its tools can sign with the key too.
const PRIVATE: &str = "PRIVATE+KEY+";

/// The name of a key: not empty, without spaces, `+` and control characters. A URL without a scheme is best.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

impl KeyName {
    /// Checks the form of `text`.
    ///
    /// # Errors
    /// [`LineError`] where it cannot be a name.
    pub fn new(text: impl Into<String>) -> Result<Self, LineError> {
        let text = text.into();
        line::name(&text)?;
        Ok(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyName {
    type Error = LineError;
    fn try_from(text: String) -> Result<Self, LineError> {
        Self::new(text)
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> String {
        name.0
    }
}

/// The first four bytes of SHA-256 over name, newline, signature type and public key. It finds a key among those that are
/// trusted and proves nothing by itself. Written as eight lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    fn of(name: &KeyName, public: &[u8; 32]) -> Self {
        let mut hasher = Hasher::default();
        for part in [name.as_str().as_bytes(), &[b'\n', ED25519], public] {
            hasher.update(part);
        }
        let [a, b, c, d, ..] = *hasher.finish().as_bytes();
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// It has not the three parts.
    #[error("a key is written as `NAME+ID+KEY`, and one that signs has `PRIVATE+KEY+` before that")]
    Parts,
    /// The name cannot be one.
    #[error("the key's name is wrong: {0}")]
    Name(LineError),
    /// The last part is not Base64 of 33 bytes.
    #[error("the last part of the key is not 33 bytes in Base64")]
    Key,
    /// It is for another kind of signature than Ed25519.
    #[error("the key is of the type {0:#04x}, and only Ed25519 (0x01) is known")]
    Type(u8),
    /// The public key is not a point that can verify anything.
    #[error("the key is not a valid Ed25519 public key")]
    Point,
    /// Name and key have another id than the one that is written between them: one of the three was altered.
    #[error("the key's id should be {expected}: the text was altered or mistyped, so get it anew from where it came")]
    Id {
        /// What name and key come to.
        expected: KeyId,
    },
}

/// A public key with its name: what signatures are verified with. As text it is a C2SP vkey, `NAME+ID+KEY`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whether `signature` is that of this key under `text`. Of the many ways in which Ed25519 is verified it is the strict one, so that no
    /// signature can be altered and still hold.
    pub(crate) fn signed(&self, text: &str, signature: &[u8]) -> bool {
        Ed25519::from_slice(signature).is_ok_and(|it| self.key.verify_strict(text.as_bytes(), &it).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, BASE64.encode(&key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyTextError;
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let (name, id, key) = parts(text)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| KeyTextError::Point)?;
        if key.is_weak() {
            return Err(KeyTextError::Point);
        }
        let found = Self { id: KeyId::of(&name, key.as_bytes()), name, key };
        found.with_id(id)
    }
}

impl VerifierKey {
    fn with_id(self, id: &str) -> Result<Self, KeyTextError> {
        if self.id.to_string() == id { Ok(self) } else { Err(KeyTextError::Id { expected: self.id }) }
    }
}

impl TryFrom<String> for VerifierKey {
    type Error = KeyTextError;
    fn try_from(text: String) -> Result<Self, KeyTextError> {
        text.parse()
    }
}

impl From<VerifierKey> for String {
    fn from(key: VerifierKey) -> String {
        key.to_string()
    }
}

/// A secret key with its name: what heads are signed with. It is wiped from memory when it is dropped.
pub struct SignerKey {
    secret: SigningKey,
    verifier: VerifierKey,
}

impl SignerKey {
    /// The key that comes out of these 32 bytes, which have to be random and known to nobody.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let key = secret.verifying_key();
        Self { secret, verifier: VerifierKey { id: KeyId::of(&name, key.as_bytes()), name, key } }
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign(&self, text: &str) -> [u8; 64] {
        self.secret.sign(text.as_bytes()).to_bytes()
    }

    /// The key as the text that its file holds. Who reads it can sign.
    pub(crate) fn to_secret_text(&self) -> Zeroizing<String> {
        let key = Zeroizing::new([&[ED25519], self.secret.as_bytes().as_slice()].concat());
        let base64 = Zeroizing::new(BASE64.encode(&key));
        Zeroizing::new(format!("{PRIVATE}{}+{}+{}", self.verifier.name, self.verifier.id, base64.as_str()))
    }

    /// The key of such a text.
    pub(crate) fn from_secret_text(text: &str) -> Result<Self, KeyTextError> {
        let (name, id, seed) = parts(text.strip_prefix(PRIVATE).ok_or(KeyTextError::Parts)?)?;
        let key = Self::from_seed(name, &Zeroizing::new(seed));
        key.verifier.clone().with_id(id)?;
        Ok(key)
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

/// Name, id and the 32 bytes of a key of the type Ed25519.
fn parts(text: &str) -> Result<(KeyName, &str, [u8; 32]), KeyTextError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyTextError::Parts);
    };
    let name = KeyName::new(name).map_err(KeyTextError::Name)?;
    let key = Zeroizing::new(line::base64(key).ok_or(KeyTextError::Key)?);
    match key.split_first() {
        Some((&ED25519, key)) => Ok((name, id, key.try_into().map_err(|_| KeyTextError::Key)?)),
        Some((&other, _)) => Err(KeyTextError::Type(other)),
        None => Err(KeyTextError::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the C2SP specification of signed notes.
    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    /// Of the documentation of Go's `sumdb/note`.
    const SKEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const VKEY_OF_SKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn keys_are_written_as_they_were_read() {
        let key: VerifierKey = VKEY.parse().unwrap();
        assert_eq!((key.name().as_str(), key.id().to_string().as_str()), ("example.com/foo", "530d903a"));
        assert_eq!(key.to_string(), VKEY);
        let key = SignerKey::from_secret_text(SKEY).unwrap();
        assert_eq!(key.verifier().to_string(), VKEY_OF_SKEY);
        assert_eq!(key.to_secret_text().as_str(), SKEY);
        assert!(!format!("{key:?}").contains("AYEKFALV"), "{key:?}");
    }

    #[test]
    fn each_altered_bit_of_a_key_is_refused() {
        for at in 0..VKEY.len() * 8 {
            let mut bytes = VKEY.as_bytes().to_vec();
            bytes[at / 8] ^= 1 << (at % 8);
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(text.parse::<VerifierKey>().is_err(), "bit {at}: {text}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let error = |text: &str| text.parse::<VerifierKey>().unwrap_err();
        assert_eq!(error("example.com/foo"), KeyTextError::Parts);
        assert_eq!(error("+530d903a+AekyeRrm"), KeyTextError::Name(LineError::Empty));
        assert_eq!(error("a b+530d903a+AekyeRrm"), KeyTextError::Name(LineError::Separator));
        assert_eq!(error("a+530d903a+Aeky"), KeyTextError::Key);
        assert_eq!(error("a+530d903a+!"), KeyTextError::Key);
        assert_eq!(error(&VKEY.replace("+Ae", "+Be")), KeyTextError::Type(5));
        assert_eq!(
            error(&VKEY.replace("530d903a", "530D903A")),
            KeyTextError::Id { expected: KeyId([0x53, 0x0d, 0x90, 0x3a]) }
        );
        // The neutral element: signatures under it hold for any text.
        let weak = BASE64.encode(&[&[ED25519, 1], [0; 31].as_slice()].concat());
        assert_eq!(error(&format!("a+00000000+{weak}")), KeyTextError::Point);
    }
}
