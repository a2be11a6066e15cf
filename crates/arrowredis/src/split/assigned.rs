//! A batch of a file, or some rows of one, with its place in the dataset.
//!
//! Which place that is, `partition` decides, and where a batch is divided by size, `divide`.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::ArrowError;
use arrow_select::take::take_record_batch;

use crate::dataset::ChunkId;
use crate::error::FileError;
use crate::ipc::batch_metadata::BatchMetadata;
use crate::ipc::block::Block;
use crate::ipc::{Codec, IpcError};

use super::compact::{compact, compact_slice};

/// A chunk-to-be.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) id: ChunkId,
    pub(crate) part: Part,
    /// The place in the file of its batch's first row.
    pub(super) first_row: u64,
}

impl Assigned {
    /// The place in the file of one of its rows; of its batch, if it has no rows.
    pub(super) fn row(&self, row: u64) -> u64 {
        let in_batch = match &self.part {
            Part::Rows(_, places) => places.get(row),
            Part::Whole(_) | Part::Made(_) => row,
        };
        self.first_row.saturating_add(in_batch)
    }
}

/// What becomes one chunk.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// A batch as it is.
    Whole(Block),
    /// Some rows of a batch.
    Rows(Arc<Divided>, Places),
    /// A batch that stands in no file.
    Made(RecordBatch),
}

impl Part {
    /// How the rows are compressed where they lie.
    pub(crate) fn codec(&self) -> Codec {
        self.block().map_or(Codec::Uncompressed, Block::codec)
    }

    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::Whole(block) => block.rows(),
            Self::Rows(_, places) => places.len(),
            Self::Made(batch) => batch.num_rows() as u64,
        }
    }

    /// What the batch's message carries beside it.
    pub(crate) fn metadata(&self) -> BatchMetadata {
        self.block().map(Block::metadata).unwrap_or_default()
    }

    /// Where the batch's message begins in the file.
    pub(super) fn at(&self) -> u64 {
        self.block().map_or(0, |block| block.message.at)
    }

    /// Most bytes of a chunk that it is encoded to.
    pub(super) fn most_encoded_bytes(&self) -> u64 {
        self.block().map_or(u64::MAX, Block::most_encoded_bytes)
    }

    fn block(&self) -> Option<&Block> {
        match self {
            Self::Whole(block) => Some(block),
            Self::Rows(divided, _) => Some(&divided.block),
            Self::Made(_) => None,
        }
    }

    /// The same rows, with portions that share what is decoded.
    pub(super) fn shared(self) -> Self {
        match self {
            Self::Whole(block) => {
                let rows = 0..block.rows();
                Self::Rows(Divided::new(block), Places::Between(rows))
            }
            other => other,
        }
    }

    /// Some of the rows. A whole batch should be [`Part::shared`] first.
    pub(super) fn portion(&self, rows: Range<u64>) -> Self {
        match self {
            Self::Whole(block) => Self::Rows(Divided::new(block.clone()), Places::Between(rows)),
            Self::Rows(divided, places) => Self::Rows(Arc::clone(divided), places.some(rows)),
            Self::Made(batch) => {
                let rows = in_memory(rows);
                Self::Made(batch.slice(rows.start, rows.len()))
            }
        }
    }

    /// The rows, decoded; `path` is named in errors.
    pub(crate) fn decode(&self, path: &Path) -> Result<RecordBatch, FileError> {
        let content = |source| FileError::Content { path: path.to_owned(), source };
        match self {
            Self::Whole(block) => block.decode().map_err(content),
            Self::Rows(divided, places) => {
                let batch = divided.batch().map_err(content)?;
                let rows = places.take_from(&batch);
                rows.map_err(|error| content(IpcError::arrow("a batch cannot be divided")(error)))
            }
            Self::Made(batch) => Ok(batch.clone()),
        }
    }
}

/// Which rows of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// Those at these places, ascending.
    Listed(UInt64Array),
    /// All between two.
    Between(Range<u64>),
}

impl Places {
    fn len(&self) -> u64 {
        match self {
            Self::Listed(rows) => rows.len() as u64,
            Self::Between(rows) => rows.end - rows.start,
        }
    }

    /// The place of one of the rows; the first one's before it, if there is none.
    fn get(&self, row: u64) -> u64 {
        match self {
            Self::Listed(rows) => {
                let row = usize::try_from(row).unwrap_or(usize::MAX);
                rows.values().get(row).copied().unwrap_or(0)
            }
            Self::Between(rows) => rows.start + row,
        }
    }

    fn some(&self, rows: Range<u64>) -> Self {
        match self {
            Self::Listed(places) => {
                let rows = in_memory(rows);
                Self::Listed(places.slice(rows.start, rows.len()))
            }
            Self::Between(all) => Self::Between(all.start + rows.start..all.start + rows.end),
        }
    }

    /// The rows, without data of others.
    fn take_from(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        match self {
            Self::Listed(rows) => take_record_batch(batch, rows).and_then(|rows| compact(&rows)),
            Self::Between(rows) => compact_slice(batch, in_memory(rows.clone())),
        }
    }
}

/// Rows of a batch that is decoded.
fn in_memory(rows: Range<u64>) -> Range<usize> {
    let place = |row| usize::try_from(row).expect("a batch in memory has no more rows than bytes");
    place(rows.start)..place(rows.end)
}

/// A batch that becomes several chunks, decoded by whoever needs it first.
#[derive(Debug)]
pub(crate) struct Divided {
    block: Block,
    batch: Mutex<Option<RecordBatch>>,
}

impl Divided {
    pub(super) fn new(block: Block) -> Arc<Self> {
        Arc::new(Self { block, batch: Mutex::default() })
    }

    /// The whole batch. Who comes meanwhile waits: decoded twice, it would take its room twice.
    fn batch(&self) -> Result<RecordBatch, IpcError> {
        // A panic could only leave it as it was before.
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        match &*batch {
            Some(batch) => Ok(batch.clone()),
            None => Ok(batch.insert(self.block.decode()?).clone()),
        }
    }
}
