//! The checksum of stored bytes: XXH3-64, with the seed 0 and the default secret.
//!
//! It finds damage, not malice. Source of the algorithm: the XXH3 specification at
//! <https://github.com/Cyan4973/xxHash>.

use std::fmt;

use arrow_buffer::Buffer;
use serde::{Serialize, Serializer};
use twox_hash::xxhash3_64::Hasher;

use crate::chunk::Payload;

/// The XXH3-64 of some bytes. Shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(pub u64);

impl Checksum {
    /// Of bytes that lie in one piece.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Hasher::oneshot(bytes))
    }

    /// Of a payload's pieces, as if they lay in one.
    pub fn of_payload(payload: &Payload) -> Self {
        let mut running = RunningChecksum::default();
        payload.pieces().iter().for_each(|piece| running.add(piece));
        running.finish()
    }
}

/// A value and its checksum.
#[derive(Debug, Clone)]
pub struct Summed {
    /// The value.
    pub value: Buffer,
    /// That of the value.
    pub checksum: Checksum,
}

impl Summed {
    /// Sums a value up.
    pub fn of(value: Buffer) -> Self {
        let checksum = Checksum::of(&value);
        Self { value, checksum }
    }
}

/// The checksum of bytes that come piece by piece.
#[derive(Default)]
pub(crate) struct RunningChecksum(Hasher);

impl RunningChecksum {
    pub(crate) fn add(&mut self, piece: &[u8]) {
        use std::hash::Hasher as _;
        self.0.write(piece);
    }

    pub(crate) fn finish(self) -> Checksum {
        use std::hash::Hasher as _;
        Checksum(self.0.finish())
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published values of XXH3_64bits, so that what is stored does not depend on one library.
    #[test]
    fn the_algorithm_is_the_documented_one() {
        assert_eq!(Checksum::of(b"").to_string(), "2d06800538d394c2");
        assert_eq!(Checksum::of(b"a").to_string(), "e6c632b61e964e1f");
    }

    #[test]
    fn pieces_count_as_one() {
        let bytes: Vec<u8> = (0..100_000).map(|n: usize| n.to_le_bytes()[0]).collect();
        for cut in [0, 1, 7, 64, 4_096, 99_999] {
            let (one, two) = bytes.split_at(cut);
            let pieces = vec![Buffer::from(one), Buffer::from(two)];
            assert_eq!(Checksum::of_payload(&(pieces, bytes.len()).into()), Checksum::of(&bytes));
        }
    }
}
