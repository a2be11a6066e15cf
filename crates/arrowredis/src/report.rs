//! What a verb did, as data. No formatting.
//!
//! Sizes are in bytes, times in seconds of wall time unless said otherwise.

use std::path::PathBuf;

use serde::Serialize;

use crate::ipc::Codec;

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
    /// Size of the input file.
    pub file_bytes: u64,
    /// Time from opening the file to the last acknowledgement.
    pub seconds: f64,
}

/// What `read` fetched.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReadReport {
    /// The dataset.
    pub dataset: String,
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
    /// One has more rows; all before are equal.
    Rows {
        /// The first file's rows.
        rows1: u64,
        /// The second file's rows.
        rows2: u64,
    },
}
