//! A datagram's outside: who sealed it, with which key, and its number. A pure part: bytes in, bytes out.
//!
//! ```text
//! DKGP | version 1 | 0 plain, 1 sealed | key id (4) | salt (16) | number (8) | body | tag (16, if sealed)
//! ```
//! Numbers are big-endian. The salt is random for each start; with the number it is the nonce, so that no
//! nonce ever comes twice under one key. Everything before the body is under the seal's protection.

use super::counts::Refusal;
use super::keys::{Key, KeyId, Keyring};
use ring::aead::{Aad, NONCE_LEN, Nonce};

const MAGIC: &[u8; 4] = b"DKGP";
const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
/// Where the body begins.
const HEAD_BYTES: usize = 34;
/// What the seal adds at the end.
const TAG_BYTES: usize = 16;
/// The largest UDP datagram.
pub(super) const DATAGRAM_MAX: usize = 65_507;

/// Random for each start of a process: whose numbers these are.
pub(super) type Sender = [u8; 16];

/// A datagram that is what it says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Opened<'a> {
    pub(super) salt: Sender,
    pub(super) number: u64,
    pub(super) body: &'a [u8],
}

/// The datagram with this body; none if it would be too large to send.
pub(super) fn seal(key: Option<&Key>, salt: &Sender, number: u64, body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len() + TAG_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[VERSION, if key.is_some() { SEALED } else { PLAIN }]);
    bytes.extend_from_slice(&key.map_or(0, |key| key.id().0).to_be_bytes());
    bytes.extend_from_slice(salt);
    bytes.extend_from_slice(&number.to_be_bytes());
    match key {
        None => bytes.extend_from_slice(body),
        Some(key) => {
            let head = Aad::from(bytes.clone());
            let mut body = body.to_vec();
            key.sealing(salt)?.seal_in_place_append_tag(nonce(number), head, &mut body).ok()?;
            bytes.extend_from_slice(&body);
        }
    }
    (bytes.len() <= DATAGRAM_MAX).then_some(bytes)
}

/// What is in the datagram. Opened in place: after a refusal the bytes are of no use.
pub(super) fn open<'a>(ring: &Keyring, datagram: &'a mut [u8]) -> Result<Opened<'a>, Refusal> {
    let (head, body) = datagram.split_at_mut_checked(HEAD_BYTES).ok_or(Refusal::NotOurs)?;
    let ([a, b, c, d, version, kind], rest) = head.split_first_chunk::<6>().ok_or(Refusal::NotOurs)?;
    if [*a, *b, *c, *d] != *MAGIC || *version != VERSION {
        return Err(Refusal::NotOurs);
    }
    let (id, rest) = rest.split_first_chunk::<4>().ok_or(Refusal::NotOurs)?;
    let (salt, rest) = rest.split_first_chunk::<16>().ok_or(Refusal::NotOurs)?;
    let (number, _) = rest.split_first_chunk::<8>().ok_or(Refusal::NotOurs)?;
    let (id, salt, number) = (KeyId(u32::from_be_bytes(*id)), *salt, u64::from_be_bytes(*number));
    let body = match (*kind, ring.is_empty()) {
        (PLAIN, true) => body,
        (PLAIN, false) => return Err(Refusal::Plain),
        (SEALED, true) => return Err(Refusal::Sealed),
        (SEALED, false) => {
            let length = open_body(ring.named(id), &salt, number, (head, body))?;
            &body[..length]
        }
        _ => return Err(Refusal::NotOurs),
    };
    Ok(Opened { salt, number, body })
}

/// Opens the body in place with the key that fits; its length without the tag.
fn open_body<'k>(
    keys: impl Iterator<Item = &'k Key>,
    salt: &Sender,
    number: u64,
    (head, body): (&[u8], &mut [u8]),
) -> Result<usize, Refusal> {
    let mut refusal = Refusal::ForeignKey;
    // A key that does not fit destroys what it was tried on: every key gets the bytes as they came.
    let came = body.to_vec();
    for key in keys {
        refusal = Refusal::Damaged;
        let Some(opening) = key.sealing(salt) else { continue };
        body.copy_from_slice(&came);
        if let Ok(opened) = opening.open_in_place(nonce(number), Aad::from(head), body) {
            return Ok(opened.len());
        }
    }
    Err(refusal)
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SALT: Sender = [9; 16];

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 16]).expect("a key")
    }

    fn ring(keys: &[u8]) -> Keyring {
        Keyring::new(keys.iter().map(|byte| key(*byte)).collect()).expect("a ring")
    }

    fn refusal(keys: &[u8], mut datagram: Vec<u8>) -> Option<Refusal> {
        open(&ring(keys), &mut datagram).err()
    }

    #[test]
    fn a_datagram_is_opened_by_whoever_has_its_key() {
        for (sealer, keys) in [(None, &[][..]), (Some(key(1)), &[1]), (Some(key(1)), &[2, 1])] {
            let mut datagram = seal(sealer.as_ref(), &SALT, 7, b"body").expect("sealed");
            let opened = open(&ring(keys), &mut datagram);
            assert_eq!(opened, Ok(Opened { salt: SALT, number: 7, body: b"body" }));
        }
    }

    #[test]
    fn foreign_plain_and_damaged_datagrams_are_told_apart() {
        let sealed = seal(Some(&key(1)), &SALT, 7, b"body").expect("sealed");
        let plain = seal(None, &SALT, 7, b"body").expect("made");
        assert_eq!(refusal(&[2], sealed.clone()), Some(Refusal::ForeignKey));
        assert_eq!(refusal(&[], sealed.clone()), Some(Refusal::Sealed));
        assert_eq!(refusal(&[1], plain), Some(Refusal::Plain));
        assert_eq!(refusal(&[1], b"GET / HTTP/1.1".to_vec()), Some(Refusal::NotOurs));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(refusal(&[1], damaged).is_some(), "byte {at}");
        }
    }

    #[test]
    fn a_sealed_datagram_shows_nothing_and_a_large_one_is_not_sent() {
        let sealed = seal(Some(&key(1)), &SALT, 7, b"a secret body").expect("sealed");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert!(seal(Some(&key(1)), &SALT, 7, &vec![0; DATAGRAM_MAX - 50]).is_some());
        assert_eq!(seal(Some(&key(1)), &SALT, 7, &vec![0; DATAGRAM_MAX - 49]), None);
    }

    #[test]
    fn a_datagram_has_the_bytes_that_it_always_had() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let plain = seal(None, &SALT, 7, b"body").expect("made");
        let head = "444b475001000000000009090909090909090909090909090909";
        assert_eq!(hex(plain), format!("{head}0000000000000007626f6479"));
        let sealed = seal(Some(&key(1)), &SALT, 7, b"body").expect("sealed");
        let head = "444b475001014c31e45c09090909090909090909090909090909";
        let body = "7e83d5383354d0d6961cc7c4cc4529e4b48006620";
        assert_eq!(hex(sealed), format!("{head}000000000000000{body}"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = open(&ring(&[1]), &mut bytes);
            let mut bytes = [&b"DKGP\x01\x01"[..], &key(1).id().0.to_be_bytes(), &bytes].concat();
            prop_assert!(open(&ring(&[1]), &mut bytes).is_err());
        }
    }
}
