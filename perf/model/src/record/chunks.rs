//! The chunks of one response, packed: [`Chunks`].
//!
//! A run keeps every stamp of every token, so what one takes decides how long a run may be. A chunk
//! is kept as its distance from the one before, which for a token every 10 ms takes three bytes
//! where the plain pair takes sixteen. Nothing is rounded: any stamps in any order, however far
//! apart, come out as they went in.
//!
//! Each chunk is one number, seven bits a byte with the lowest first, and the eighth bit set on all
//! bytes but the last (LEB128). Its lowest bit says whether the chunk carried another number of
//! tokens than one, which then follows as a number of its own; the other bits are the distance in
//! microseconds.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A piece of a response that carried tokens.
///
/// A chunk is not a token: servers put several tokens into one when they fall behind or are configured
/// to. Serialised as a pair, `[at_us, tokens]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32)", into = "(u64, u32)")]
pub struct Chunk {
    /// When its first byte had arrived, in microseconds since the run began.
    pub at_us: u64,
    /// How many output tokens it carried.
    pub tokens: u32,
}

impl From<(u64, u32)> for Chunk {
    fn from((at_us, tokens): (u64, u32)) -> Self {
        Self { at_us, tokens }
    }
}

impl From<Chunk> for (u64, u32) {
    fn from(chunk: Chunk) -> Self {
        (chunk.at_us, chunk.tokens)
    }
}

/// The chunks of one response, in the order they came. Serialised as a list of pairs, `[[at_us,
/// tokens], …]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Chunks {
    packed: Vec<u8>,
    len: usize,
    last_us: u64,
}

/// The chunks one after the other.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    packed: &'a [u8],
    left: usize,
    before_us: u64,
}

impl Chunks {
    /// Adds a chunk behind the others.
    pub fn push(&mut self, chunk: Chunk) {
        // Stamps that go back wrap around, and back again when they are read.
        let distance = chunk.at_us.wrapping_sub(self.last_us);
        if chunk.tokens == 1 && distance < 0x40 {
            // The usual case where several events came with one read.
            self.packed.push((distance << 1).to_le_bytes()[0]);
        } else {
            put(&mut self.packed, u128::from(distance) << 1 | u128::from(chunk.tokens != 1));
            if chunk.tokens != 1 {
                put(&mut self.packed, u128::from(chunk.tokens));
            }
        }
        self.last_us = chunk.at_us;
        self.len += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first.
    pub fn first(&self) -> Option<Chunk> {
        self.iter().next()
    }

    /// When the last had arrived, in microseconds.
    pub fn last_us(&self) -> Option<u64> {
        (self.len > 0).then_some(self.last_us)
    }

    /// One after the other.
    pub fn iter(&self) -> Iter<'_> {
        Iter { packed: &self.packed, left: self.len, before_us: 0 }
    }

    /// Gives back the memory that was kept ready for more.
    pub fn shrink(&mut self) {
        self.packed.shrink_to_fit();
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Iterator for Iter<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        self.left = self.left.checked_sub(1)?;
        let number = take(&mut self.packed);
        let tokens = if number & 1 == 0 { 1 } else { take(&mut self.packed) };
        // Both fit: only what `push` was given is ever packed.
        self.before_us =
            self.before_us.wrapping_add(u64::try_from(number >> 1).unwrap_or_default());
        Some(Chunk { at_us: self.before_us, tokens: u32::try_from(tokens).unwrap_or_default() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Chunks {
    type Item = Chunk;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl FromIterator<Chunk> for Chunks {
    fn from_iter<I: IntoIterator<Item = Chunk>>(chunks: I) -> Self {
        let mut packed = Self::default();
        for chunk in chunks {
            packed.push(chunk);
        }
        packed.shrink();
        packed
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl Serialize for Chunks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Chunks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Chunks;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of pairs of microseconds and tokens")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Chunks, A::Error> {
                let mut chunks = Chunks::default();
                while let Some(chunk) = pairs.next_element()? {
                    chunks.push(chunk);
                }
                chunks.shrink();
                Ok(chunks)
            }
        }
        deserializer.deserialize_seq(Pairs)
    }
}

/// Appends a number.
fn put(packed: &mut Vec<u8>, mut number: u128) {
    while number > 0x7f {
        packed.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    packed.push(number.to_le_bytes()[0]);
}

/// Takes the number that comes first.
fn take(packed: &mut &[u8]) -> u128 {
    let mut number = 0;
    let mut shift = 0;
    while let Some((byte, rest)) = packed.split_first() {
        *packed = rest;
        number |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(pairs: &[(u64, u32)]) -> Chunks {
        pairs.iter().copied().map(Chunk::from).collect()
    }

    #[test]
    fn a_token_every_fifty_milliseconds_takes_three_bytes() {
        let pairs: Vec<(u64, u32)> =
            (1..=256).map(|token| (3_600_000_000 + token * 50_000, 1)).collect();
        assert_eq!(packed(&pairs).packed.len(), 5 + 255 * 3);
    }

    #[test]
    fn hours_between_two_chunks_are_kept_to_the_microsecond() {
        let pairs = [(7, 1), (7 + 100 * 3_600_000_000, 1), (u64::MAX, 3)];
        assert!(packed(&pairs).iter().map(<(u64, u32)>::from).eq(pairs));
    }

    #[test]
    fn chunks_are_serialised_as_pairs() {
        let chunks = packed(&[(21_000, 1), (31_000, 3)]);
        assert_eq!(serde_json::to_string(&chunks).unwrap(), "[[21000,1],[31000,3]]");
        assert_eq!(serde_json::from_str::<Chunks>("[[21000,1],[31000,3]]").unwrap(), chunks);
        assert_eq!(format!("{:?}", packed(&[(7, 2)])), "[Chunk { at_us: 7, tokens: 2 }]");
    }

    #[test]
    fn no_chunks_have_neither_a_first_nor_a_last() {
        let mut chunks = packed(&[(5, 1)]);
        assert_eq!(
            (chunks.first(), chunks.last_us(), chunks.len()),
            (Some(Chunk { at_us: 5, tokens: 1 }), Some(5), 1)
        );
        chunks.clear();
        assert_eq!((chunks.first(), chunks.last_us(), chunks.is_empty()), (None, None, true));
    }

    proptest! {
        #[test]
        fn any_chunks_in_any_order_come_out_as_they_went_in(
            pairs in prop::collection::vec(
                (
                    prop_oneof![0_u64..100, 0..10_000_000_000_u64, any::<u64>()],
                    prop_oneof![Just(1), any::<u32>()],
                ),
                0..50,
            ),
        ) {
            let chunks = packed(&pairs);
            prop_assert!(chunks.iter().map(<(u64, u32)>::from).eq(pairs.iter().copied()));
            prop_assert_eq!(chunks.iter().len(), pairs.len());
            prop_assert_eq!(chunks.last_us(), pairs.last().map(|pair| pair.0));
        }
    }
}
