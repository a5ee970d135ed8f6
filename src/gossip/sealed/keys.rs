//! The keys of gossip: the first seals, all open. So a key is replaced without a gap: install the new one
//! on every server, use it on every server, remove the old one.
//!
//! A key of 16, 24 or 32 bytes is only what real keys are derived from (HKDF-SHA256), so that one algorithm
//! serves all three lengths, and each process seals with a key of its own: its counter is a safe nonce.

use super::super::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use std::fmt;

/// More keys than this are a mistake: a rotation needs two.
pub(in crate::gossip) const KEYS_MAX: usize = 8;

/// The public name of a key, derived from it: what is listed and logged, and what a datagram names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl std::str::FromStr for KeyId {
    type Err = Error;

    /// A name as it is shown, or the whole key, whose name it then is.
    fn from_str(text: &str) -> Result<KeyId, Error> {
        match text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => u32::from_str_radix(text, 16).map(KeyId).map_err(|_| Error::KeyText),
            false => Key::parse(text).map(|key| key.id()),
        }
    }
}

/// A key. It is never printed; its id is.
#[derive(Clone)]
pub struct Key {
    bytes: Vec<u8>,
    id: KeyId,
    root: Prk,
}

impl Key {
    /// A key of 16, 24 or 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Key, Error> {
        if ![16, 24, 32].contains(&bytes.len()) {
            return Err(Error::KeyLength { bytes: bytes.len() });
        }
        let root = Salt::new(HKDF_SHA256, b"dkron gossip v1").extract(bytes);
        let [a, b, c, d, ..] = derive(&root, &[b"id"]);
        Ok(Key { bytes: bytes.to_vec(), id: KeyId(u32::from_be_bytes([a, b, c, d])), root })
    }

    /// A key as `encrypt` and `dkron keygen` have it.
    pub fn parse(base64: &str) -> Result<Key, Error> {
        let bytes = STANDARD.decode(base64.trim()).map_err(|_| Error::KeyText)?;
        Key::new(&bytes)
    }

    /// Its public name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// As `parse` reads it: for the keyring's file only.
    pub(super) fn secret(&self) -> String {
        STANDARD.encode(&self.bytes)
    }

    /// The key with which the sender of this salt seals.
    pub(super) fn sealing(&self, salt: &[u8; 16]) -> Option<LessSafeKey> {
        let bytes = derive(&self.root, &[b"datagram", salt]);
        UnboundKey::new(&AES_256_GCM, &bytes).ok().map(LessSafeKey::new)
    }
}

/// 32 bytes for this purpose. HKDF fails only where more than 8,160 bytes are asked for.
fn derive(root: &Prk, purpose: &[&[u8]]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let filled = root.expand(purpose, HKDF_SHA256).and_then(|made| made.fill(&mut bytes));
    debug_assert!(filled.is_ok());
    bytes
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.id)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Key {}

/// The keys of a server; none if its gossip is plain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::gossip) struct Keyring(Vec<Key>);

impl Keyring {
    /// A ring of these keys, the first of which seals. One that comes twice is taken once.
    pub(in crate::gossip) fn new(keys: Vec<Key>) -> Result<Keyring, Error> {
        let mut ring = Keyring::default();
        keys.into_iter().try_for_each(|key| ring.put(key))?;
        Ok(ring)
    }

    pub(in crate::gossip) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that seals.
    pub(super) fn first(&self) -> Option<&Key> {
        self.0.first()
    }

    /// All keys, the one that seals first.
    pub(super) fn keys(&self) -> &[Key] {
        &self.0
    }

    /// The keys of this id: more than one only if two ids collide.
    pub(super) fn named(&self, id: KeyId) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| key.id == id)
    }

    /// The ids of all keys, the one that seals first.
    pub(in crate::gossip) fn ids(&self) -> Vec<KeyId> {
        self.0.iter().map(Key::id).collect()
    }

    /// Takes in a key that opens, but does not seal yet.
    pub(in crate::gossip) fn install(&mut self, key: Key) -> Result<(), Error> {
        if self.is_empty() { Err(Error::NotEncrypted) } else { self.put(key) }
    }

    fn put(&mut self, key: Key) -> Result<(), Error> {
        if self.0.contains(&key) {
            return Ok(());
        }
        if self.0.len() == KEYS_MAX {
            return Err(Error::KeyringFull { limit: KEYS_MAX });
        }
        self.0.push(key);
        Ok(())
    }

    /// Seals with this key from now on.
    pub(in crate::gossip) fn choose(&mut self, id: KeyId) -> Result<(), Error> {
        let at = self.position(id)?;
        self.0[..=at].rotate_right(1);
        Ok(())
    }

    /// Forgets a key that does not seal.
    pub(in crate::gossip) fn remove(&mut self, id: KeyId) -> Result<(), Error> {
        match self.position(id)? {
            0 => Err(Error::KeyInUse(id)),
            at => {
                self.0.remove(at);
                Ok(())
            }
        }
    }

    fn position(&self, id: KeyId) -> Result<usize, Error> {
        if self.is_empty() {
            return Err(Error::NotEncrypted);
        }
        self.0.iter().position(|key| key.id == id).ok_or(Error::UnknownKey(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8, length: usize) -> Key {
        Key::new(&vec![byte; length]).expect("a key")
    }

    #[test]
    fn a_key_has_16_24_or_32_bytes_and_is_never_shown() {
        for length in [16, 24, 32] {
            let key = key(7, length);
            assert_eq!(Key::parse(&key.secret()).expect("a key"), key);
            let shown = format!("{key:?} {}", key.id());
            assert!(!shown.contains(&key.secret()) && !shown.contains("7, 7"), "{shown}");
        }
        assert!(matches!(Key::new(&[0; 15]), Err(Error::KeyLength { bytes: 15 })));
        assert!(matches!(Key::parse("not base64!"), Err(Error::KeyText)));
        let refusal = Key::parse("c2VjcmV0").expect_err("too short").to_string();
        assert_eq!(refusal, "an encryption key has 6 bytes; allowed are 16, 24 or 32, as base64");
        assert_ne!(key(1, 16).id(), key(1, 32).id());
        let named = |text: &str| text.parse::<KeyId>().ok();
        assert_eq!(named(&key(1, 16).id().to_string()), Some(key(1, 16).id()));
        assert_eq!(named(&key(1, 16).secret()), Some(key(1, 16).id()));
        assert_eq!(named("c2VjcmV0"), None);
    }

    #[test]
    fn a_rotation_never_leaves_the_ring_without_a_key_that_seals() {
        let (old, new) = (key(1, 16), key(2, 32));
        let mut ring = Keyring::new(vec![old.clone(), old.clone()]).expect("a ring");
        assert_eq!(ring.ids(), [old.id()]);
        assert!(matches!(ring.choose(new.id()), Err(Error::UnknownKey(_))));
        ring.install(new.clone()).expect("installed");
        assert_eq!(ring.ids(), [old.id(), new.id()]);
        assert!(matches!(ring.remove(old.id()), Err(Error::KeyInUse(_))));
        ring.choose(new.id()).expect("used");
        assert_eq!(ring.ids(), [new.id(), old.id()]);
        ring.remove(old.id()).expect("removed");
        assert_eq!(ring.ids(), [new.id()]);
    }

    #[test]
    fn a_plain_ring_takes_no_key_and_a_full_one_no_more() {
        assert!(matches!(Keyring::default().install(key(1, 16)), Err(Error::NotEncrypted)));
        let keys = (0..=KEYS_MAX as u8).map(|byte| key(byte, 16)).collect();
        assert!(matches!(Keyring::new(keys), Err(Error::KeyringFull { .. })));
    }
}
