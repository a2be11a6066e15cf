//! What a verb did, as data. No formatting.
//!
//! Sizes are in bytes, times in seconds of wall time unless said otherwise.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::dataset::DatasetId;
use crate::ipc::Codec;
use crate::manifest::StoredCodec;

/// What `generate` wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerateReport {
    /// The file.
    pub out: PathBuf,
    /// Partitions in it.
    pub partitions: u32,
    /// Batches in each partition.
    pub batches: u32,
    /// Rows in all batches.
    pub rows: u64,
    /// Batches in all partitions, each of which becomes one chunk.
    pub chunks: u64,
    /// The file's size.
    pub bytes: u64,
    /// How its buffers are compressed.
    pub compression: Codec,
    /// Time from start to the file standing under its name.
    pub seconds: f64,
}

/// What partition numbers were taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionedBy {
    /// The values of the column `partition`.
    Column,
    /// The place in the file, so many batches to a partition.
    Batches,
    /// Nothing: all is partition 0.
    Nothing,
}

/// What `split` stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitReport {
    /// The dataset.
    pub dataset: String,
    /// What tells this writing of it from others.
    pub dataset_id: DatasetId,
    /// The store's address, without secrets.
    pub store: String,
    /// What partition numbers were taken from.
    pub partitioned_by: PartitionedBy,
    /// Partitions stored.
    pub partitions: u64,
    /// Rows stored.
    pub rows: u64,
    /// Chunks stored.
    pub chunks: u64,
    /// Bytes of all values.
    pub bytes: u64,
    /// How the chunks are compressed.
    pub codec: StoredCodec,
    /// Whether a dataset of that name was replaced.
    pub replaced: bool,
    /// How long the dataset lives; `None` for ever.
    pub time_to_live_seconds: Option<f64>,
    /// Size of the input file.
    pub file_bytes: u64,
    /// Part of `seconds`: the commit, if all is there, and renaming.
    pub publish_seconds: f64,
    /// Time from opening the file to the dataset being in place.
    pub seconds: f64,
}

/// What `read` fetched.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReadReport {
    /// The dataset.
    pub dataset: String,
    /// The writing of it that was read; `None` when it has no manifest.
    pub dataset_id: Option<DatasetId>,
    /// The store's address, without secrets.
    pub store: String,
    /// Rows read.
    pub rows: u64,
    /// Chunks read; the same as `chunks_present`.
    pub chunks: u64,
    /// Chunks that were there.
    pub chunks_present: u64,
    /// Chunks that were asked for.
    pub chunks_expected: u64,
    /// Bytes of all values fetched.
    pub bytes: u64,
    /// Time from the call to the last row, discovery and output included.
    pub seconds: f64,
    /// Time from the first request to the last reply.
    pub fetch_seconds: f64,
    /// Time spent decoding, added up over the threads that did it; it overlaps fetching.
    pub parse_seconds: f64,
    /// Keys that were absent and allowed to be: the first [`ReadReport::MOST_KEYS`] of them.
    pub missing: Vec<String>,
    /// Chunks that were there, were not what the manifest says, and were left out: the first
    /// [`ReadReport::MOST_KEYS`] of them.
    pub damaged: Vec<Fault>,
    /// How often the read began anew because the dataset was replaced meanwhile.
    pub restarts: u32,
    /// Keys that are there although they lie beyond the number of batches that was given: the
    /// first of each partition, at most [`ReadReport::MOST_KEYS`].
    pub beyond: Vec<String>,
    /// The file written, if one was.
    pub out: Option<PathBuf>,
    /// Bytes written to it or to the stream.
    pub out_bytes: Option<u64>,
}

impl ReadReport {
    /// The longest list of keys in a report.
    pub const MOST_KEYS: usize = 100;
}

/// A chunk that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its key.
    pub key: String,
    /// What is wrong with it: what was expected, and what was found.
    pub what: String,
}

/// What `list` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListReport {
    /// The store's address, without secrets.
    pub store: String,
    /// Datasets and aliases, by name.
    pub entries: Vec<ListedEntry>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedEntry {
    /// The name.
    pub name: String,
    /// What it stands for.
    #[serde(flatten)]
    pub kind: ListedKind,
}

/// What a name can stand for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ListedKind {
    /// A dataset.
    Dataset {
        /// What tells this writing of it from others.
        dataset_id: DatasetId,
        /// Rows in all chunks.
        rows: u64,
        /// Partitions.
        partitions: u64,
        /// Chunks.
        chunks: u64,
        /// Bytes of all values.
        bytes: u64,
        /// How the chunks are compressed.
        codec: StoredCodec,
        /// When it was published.
        created_ms: Timestamp,
        /// How long ago that was.
        age_seconds: f64,
        /// How long it will live; `None` for ever.
        time_to_live_seconds: Option<f64>,
    },
    /// Another name.
    Alias {
        /// The dataset that it stands for.
        dataset: String,
    },
    /// Something that cannot be read.
    Unreadable {
        /// Why.
        what: String,
    },
}

/// Whether a dataset's chunks are there. Their content is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All of them, under their own names and with the lengths of the manifest.
    Whole,
    /// All of them, some under the names under which they were staged: the writer did not come to
    /// rename them yet. Readers find them; other programs do not.
    WholeNotRenamed,
    /// Some are absent or of another length.
    Damaged,
}

/// What is known of one dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InfoReport {
    /// The dataset.
    pub dataset: String,
    /// The alias by which it was named, if it was.
    pub alias: Option<String>,
    /// What tells this writing of it from others.
    pub dataset_id: DatasetId,
    /// The store's address, without secrets.
    pub store: String,
    /// Whether its chunks are there.
    pub state: State,
    /// Rows in all chunks.
    pub rows: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of all values.
    pub bytes: u64,
    /// Memory that the store uses for the chunks that are there and for the manifest.
    pub memory_bytes: u64,
    /// How the chunks are compressed.
    pub codec: StoredCodec,
    /// When it was published.
    pub created_ms: Timestamp,
    /// How long ago that was.
    pub age_seconds: f64,
    /// The program that published it.
    pub writer: String,
    /// How long it will live; `None` for ever.
    pub time_to_live_seconds: Option<f64>,
    /// Who has claimed it, if somebody has: it is about to be replaced or removed.
    pub being_written_by: Option<String>,
    /// The schema's columns.
    pub columns: Vec<ColumnInfo>,
    /// The schema's metadata.
    pub metadata: BTreeMap<String, String>,
    /// The partitions, ascending.
    pub partitions: Vec<PartitionInfo>,
    /// Chunks that are absent or of another length.
    pub absent: u64,
    /// Chunks that are under the names under which they were staged.
    pub staged: u64,
    /// Keys of absent chunks: the first [`ReadReport::MOST_KEYS`] of them.
    pub missing: Vec<String>,
}

/// A column of a dataset's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    pub data_type: String,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// What is known of it beside that.
    pub metadata: BTreeMap<String, String>,
}

/// A partition of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartitionInfo {
    /// Its number.
    pub partition: u64,
    /// Its chunks.
    pub chunks: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// What `touch` did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TouchReport {
    /// The dataset.
    pub dataset: String,
    /// The store's address, without secrets.
    pub store: String,
    /// Its chunks.
    pub chunks: u64,
    /// Those of them that are absent or of another length.
    pub absent: u64,
    /// How long it lives from now on; `None` for ever.
    pub time_to_live_seconds: Option<f64>,
}

/// What `alias` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AliasReport {
    /// The alias.
    pub alias: String,
    /// The dataset that it stands for now.
    pub dataset: String,
    /// The dataset that it stood for before, if it did.
    pub before: Option<String>,
    /// The store's address, without secrets.
    pub store: String,
}

/// What `remove` did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RemoveReport {
    /// The name.
    pub name: String,
    /// The dataset that it stood for, if it was an alias. That one is still there.
    pub alias_of: Option<String>,
    /// The store's address, without secrets.
    pub store: String,
    /// Chunks removed.
    pub chunks: u64,
    /// Keys removed that interrupted writers had left behind.
    pub leftovers: u64,
    /// Time that it took.
    pub seconds: f64,
}

/// What `adopt` found and described.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdoptReport {
    /// The dataset.
    pub dataset: String,
    /// What tells it from others from now on.
    pub dataset_id: DatasetId,
    /// The store's address, without secrets.
    pub store: String,
    /// Partitions.
    pub partitions: u64,
    /// Rows in all chunks.
    pub rows: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of all values.
    pub bytes: u64,
    /// How the chunks are compressed.
    pub codec: StoredCodec,
    /// Time that it took.
    pub seconds: f64,
}

/// What `copy` did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyReport {
    /// The dataset that was copied, after an alias was followed.
    pub dataset: String,
    /// Where it is, without secrets.
    pub store: String,
    /// The copy.
    pub copy: String,
    /// What tells the copy from others.
    pub copy_id: DatasetId,
    /// Where the copy is, without secrets.
    pub copy_store: String,
    /// Whether a dataset of that name was replaced.
    pub replaced: bool,
    /// Rows in all chunks.
    pub rows: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of all values.
    pub bytes: u64,
    /// Time that it took.
    pub seconds: f64,
}

/// What `verify` found of a dataset that was compared with its manifest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetVerifyReport {
    /// The dataset.
    pub dataset: String,
    /// The writing of it.
    pub dataset_id: Option<DatasetId>,
    /// The store's address, without secrets.
    pub store: String,
    /// Whether every chunk is there and as it was written.
    pub whole: bool,
    /// Rows of the chunks that are.
    pub rows: u64,
    /// Chunks that are.
    pub chunks: u64,
    /// Chunks that the manifest lists.
    pub chunks_expected: u64,
    /// Bytes of the chunks that are.
    pub bytes: u64,
    /// Keys of absent chunks: the first [`ReadReport::MOST_KEYS`] of them.
    pub missing: Vec<String>,
    /// Chunks that are not as they were written: the first [`ReadReport::MOST_KEYS`] of them.
    pub damaged: Vec<Fault>,
    /// Time that it took.
    pub seconds: f64,
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Whether both hold the same schema, rows and values.
    pub equal: bool,
    /// The first difference, if there is one.
    pub difference: Option<Difference>,
    /// Rows compared.
    pub rows: u64,
    /// Batches read from both files together.
    pub chunks: u64,
    /// Size of both files together.
    pub bytes: u64,
    /// Time from opening the files to the result.
    pub seconds: f64,
}

/// The first difference between two files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// The schemas differ; rows were not compared.
    Schema {
        /// In what, with both sides.
        what: String,
    },
    /// A value differs.
    Value {
        /// The row, from 0 over the whole file.
        row: u64,
        /// The column.
        column: String,
        /// The first file's value.
        value1: String,
        /// The second file's value.
        value2: String,
    },
    /// A value of a stored chunk differs from the file's.
    StoredValue {
        /// The chunk's key.
        key: String,
        /// The row, from 0 in the chunk.
        row: u64,
        /// The column.
        column: String,
        /// The file's value.
        value1: String,
        /// The stored value.
        value2: String,
    },
    /// A chunk is stored and not in the file, or the reverse, or has another number of rows.
    Chunk {
        /// Its key.
        key: String,
        /// What the file has.
        file: String,
        /// What is stored.
        stored: String,
    },
    /// One has more rows; all before are equal.
    Rows {
        /// The first file's rows.
        rows1: u64,
        /// The second file's rows.
        rows2: u64,
    },
}
