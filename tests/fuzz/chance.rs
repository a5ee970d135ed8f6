//! Chance from a seed, and what it does to bytes.

/// A stream of numbers (SplitMix64): a seed is a whole run.
pub(super) struct Chance(u64);

/// Numbers at which programs break, as texts and as bytes.
const NUMBERS: [i64; 16] = [
    0,
    1,
    -1,
    59,
    60,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    i32::MAX as i64,
    u32::MAX as i64,
    1_700_000_000,
    i64::MAX,
    i64::MIN,
];

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// Below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.number()) * bound as u128) >> 64) as usize
    }

    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// One to a few changes of `input`; `other` is what parts may be taken from.
    pub(super) fn mutate(&mut self, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, other, words);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
        let at = self.below(bytes.len() + 1);
        let length = 1 + self.below(8.max(bytes.len() / 4));
        let end = (at + length).min(bytes.len());
        match self.below(11) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.number() as u8,
            2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            5 => {
                let from = self.below(other.len() + 1);
                let part = &other[from..(from + length).min(other.len())];
                bytes.splice(at..end.min(at + part.len()), part.iter().copied());
            }
            6 => {
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            7 => {
                let word = self.pick(words).copied().unwrap_or_default();
                bytes.splice(at..at, word.bytes());
            }
            8 => self.put_number(bytes, at),
            9 => self.replace_digits(bytes, at),
            _ => bytes.insert(at, self.number() as u8),
        }
    }

    /// A number at the edge, in some encoding.
    fn put_number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let number = *self.pick(&NUMBERS).unwrap_or(&0);
        let encoded = match self.below(4) {
            0 => number.to_le_bytes()[..1 << self.below(4)].to_vec(),
            1 => number.to_be_bytes()[8 - (1 << self.below(4))..].to_vec(),
            _ => varint(number as u64),
        };
        let end = if self.below(2) == 0 { at } else { (at + encoded.len()).min(bytes.len()) };
        bytes.splice(at..end, encoded);
    }

    /// The next number written in digits becomes another one.
    fn replace_digits(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else {
            return;
        };
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = *self.pick(&NUMBERS).unwrap_or(&0);
        bytes.splice(start..start + length, number.to_string().into_bytes());
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
