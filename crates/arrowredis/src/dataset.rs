//! The nouns: a dataset's name and its id, its partitions, its batches, and the chunk that both name.
//!
//! How a chunk's name is spelled as a Redis key is `key`'s matter.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The name of a dataset, which is the prefix of all its keys.
///
/// Any text without control characters and without `{` or `}`: the braces of the key mark the
/// hash tag that keeps a partition in one cluster slot, and a brace in the name would move it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DatasetName(String);

/// Why a text cannot name a dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text was empty.
    #[error("the prefix is empty; name the dataset, for example 'demo:v1'")]
    Empty,
    /// The text holds a character that a key cannot carry.
    #[error(
        "the prefix {name:?} holds {found:?}: braces would move the cluster hash tag and control \
         characters cannot be typed back; use letters, digits, ':', '-', '_' or '.'"
    )]
    Forbidden {
        /// The refused text.
        name: String,
        /// The first character of it that is not allowed.
        found: char,
    },
    /// The text is longer than [`DatasetName::MAX_BYTES`].
    #[error(
        "the prefix is {len} bytes long; the longest allowed is {max}",
        max = DatasetName::MAX_BYTES
    )]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl DatasetName {
    /// Longest name in bytes. Redis would take far more; every chunk repeats the name in its key.
    pub const MAX_BYTES: usize = 1024;

    /// Takes a text as a dataset's name.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long, or holds braces or control characters.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            return Err(NameError::TooLong { len: name.len() });
        }
        if let Some(found) = name.chars().find(|c| matches!(c, '{' | '}') || c.is_control()) {
            return Err(NameError::Forbidden { name, found });
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DatasetName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

/// What tells one writing of a dataset from all others: 128 random bits.
///
/// Shown and stored as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetId(pub u128);

impl DatasetId {
    /// An id that nobody else has.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_le_bytes(bytes)))
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for DatasetId {
    type Err = ();

    /// Takes the one spelling that [`fmt::Display`] gives.
    fn from_str(text: &str) -> Result<Self, ()> {
        let id = u128::from_str_radix(text, 16).map(Self).map_err(drop)?;
        if id.to_string() == text { Ok(id) } else { Err(()) }
    }
}

impl Serialize for DatasetId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A partition's number: the value of the `partition` column, or a count in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PartitionId(pub u64);

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A batch's place within its partition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BatchIndex(pub u32);

impl fmt::Display for BatchIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One chunk of a dataset: one encoded batch under one key.
///
/// The derived order, by partition and then by batch, is the order in which a dataset is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ChunkId {
    /// The partition that the chunk belongs to.
    pub partition: PartitionId,
    /// Its place in that partition.
    pub batch: BatchIndex,
}

impl ChunkId {
    /// The chunk of the given partition and batch.
    pub const fn new(partition: u64, batch: u32) -> Self {
        Self { partition: PartitionId(partition), batch: BatchIndex(batch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_key_are_refused() {
        assert_eq!(DatasetName::new(""), Err(NameError::Empty));
        for bad in ["a{b", "a}b", "a\nb", "a\u{7f}", "\0"] {
            assert!(matches!(DatasetName::new(bad), Err(NameError::Forbidden { .. })), "{bad:?}");
        }
        let long = "x".repeat(DatasetName::MAX_BYTES + 1);
        assert_eq!(DatasetName::new(long), Err(NameError::TooLong { len: 1025 }));
    }

    #[test]
    fn names_with_glob_characters_spaces_and_letters_of_any_script_are_allowed() {
        for good in ["demo:v1", "a*b?[c]\\", "with space", "größe:日本"] {
            assert_eq!(DatasetName::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = DatasetId(0xabc);
        assert_eq!(id.to_string(), "00000000000000000000000000000abc");
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in
            ["abc", "00000000000000000000000000000ABC", "", "+0000000000000000000000000000abc"]
        {
            assert_eq!(other.parse::<DatasetId>(), Err(()), "{other}");
        }
        assert_ne!(DatasetId::random().unwrap(), DatasetId::random().unwrap());
    }

    #[test]
    fn chunks_sort_by_partition_then_batch() {
        let mut ids = [ChunkId::new(1, 0), ChunkId::new(0, 10), ChunkId::new(0, 9)];
        ids.sort();
        assert_eq!(ids, [ChunkId::new(0, 9), ChunkId::new(0, 10), ChunkId::new(1, 0)]);
    }
}
