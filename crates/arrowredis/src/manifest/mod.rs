//! What a name stands for: a dataset, chunk by chunk, or an alias of one. Pure.
//!
//! How that is written as bytes is `stored`'s matter, and FORMAT.md says it for other programs.

mod error;
mod stored;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use arrow_schema::SchemaRef;
use serde::{Serialize, Serializer};

use crate::checksum::Checksum;
use crate::clock::Timestamp;
use crate::dataset::{ChunkId, DatasetId, DatasetName, PartitionId};
use crate::ipc::Codec;

pub use error::ManifestError;

/// What a manifest's key holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A dataset.
    Dataset(Manifest),
    /// Another name, whose dataset is meant.
    Alias(DatasetName),
}

/// What a dataset holds: its schema and each of its chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What tells this writing of the dataset from all others.
    pub id: DatasetId,
    /// The schema of every chunk.
    pub schema: SchemaRef,
    /// How the chunks' buffers are compressed.
    pub codec: StoredCodec,
    /// When the dataset was published.
    pub created: Timestamp,
    /// The program that published it, with its version.
    pub writer: String,
    /// How long it was to live when it was published; `None` for ever.
    pub time_to_live: Option<Duration>,
    /// Its chunks, ascending by partition and batch.
    pub chunks: Vec<ChunkEntry>,
}

/// What a manifest knows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Its place.
    pub id: ChunkId,
    /// The rows that it holds.
    pub rows: u64,
    /// The length of its value.
    pub bytes: u64,
    /// The checksum of its value.
    pub checksum: Checksum,
}

impl Manifest {
    /// Rows in all chunks.
    pub fn rows(&self) -> u64 {
        self.chunks.iter().fold(0, |sum, chunk| sum.saturating_add(chunk.rows))
    }

    /// Bytes of all chunks' values.
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().fold(0, |sum, chunk| sum.saturating_add(chunk.bytes))
    }

    /// The partitions that have a chunk.
    pub fn partitions(&self) -> BTreeSet<PartitionId> {
        self.chunks.iter().map(|chunk| chunk.id.partition).collect()
    }
}

/// How the chunks of a dataset are compressed: all in one way, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredCodec {
    /// All in this way.
    All(Codec),
    /// Some in one way and some in another.
    Mixed,
}

impl StoredCodec {
    const MIXED: &str = "mixed";

    /// That of chunks of which some are compressed like `self` and one like `other`.
    pub(crate) fn and(self, other: Codec) -> Self {
        if self == Self::All(other) { self } else { Self::Mixed }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == Self::MIXED {
            return Some(Self::Mixed);
        }
        text.parse().ok().map(Self::All)
    }
}

impl fmt::Display for StoredCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(codec) => codec.fmt(f),
            Self::Mixed => f.write_str(Self::MIXED),
        }
    }
}

impl Serialize for StoredCodec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The last bytes of what a manifest's key holds, by which one content is told from another.
///
/// A manifest ends with a checksum over all of it, its random id included. Nothing, where no
/// manifest is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// How many bytes it has.
    pub const BYTES: usize = 8;

    /// That of a key which holds nothing.
    pub const ABSENT: Self = Self(Vec::new());

    /// That of a key which holds these bytes.
    pub fn of(value: &[u8]) -> Self {
        Self(value[value.len().saturating_sub(Self::BYTES)..].to_vec())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
