//! A batch of a file, or some rows of one, with its place in the dataset.
//!
//! Which place that is, `partition` decides.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, UInt64Array};
use arrow_select::take::take_record_batch;

use crate::dataset::ChunkId;
use crate::error::FileError;
use crate::ipc::batch_metadata::BatchMetadata;
use crate::ipc::block::Block;
use crate::ipc::{Codec, IpcError};

use super::compact::compact;

/// A chunk-to-be.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) id: ChunkId,
    pub(crate) part: Part,
}

/// What becomes one chunk.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// A batch as it is.
    Whole(Block),
    /// Some rows of a batch, at these places in it.
    Rows(Arc<Divided>, UInt64Array),
    /// A batch that stands in no file.
    Made(RecordBatch),
}

impl Part {
    /// How the rows are compressed where they lie.
    pub(crate) fn codec(&self) -> Codec {
        match self {
            Self::Whole(block) => block.codec(),
            Self::Rows(divided, _) => divided.block.codec(),
            Self::Made(_) => Codec::Uncompressed,
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::Whole(block) => block.rows(),
            Self::Rows(_, rows) => rows.len() as u64,
            Self::Made(batch) => batch.num_rows() as u64,
        }
    }

    /// What the batch's message carries beside it.
    pub(crate) fn metadata(&self) -> BatchMetadata {
        match self {
            Self::Whole(block) => block.metadata(),
            Self::Rows(divided, _) => divided.block.metadata(),
            Self::Made(_) => BatchMetadata::default(),
        }
    }

    /// The rows, decoded; `path` is named in errors.
    pub(crate) fn decode(&self, path: &Path) -> Result<RecordBatch, FileError> {
        let content = |source| FileError::Content { path: path.to_owned(), source };
        match self {
            Self::Whole(block) => block.decode().map_err(content),
            Self::Rows(divided, rows) => {
                let batch = divided.batch().map_err(content)?;
                let rows = take_record_batch(&batch, rows).and_then(|rows| compact(&rows));
                rows.map_err(|error| content(IpcError::arrow("a batch cannot be divided")(error)))
            }
            Self::Made(batch) => Ok(batch.clone()),
        }
    }
}

/// A batch that becomes several chunks, decoded by whoever needs it first.
#[derive(Debug)]
pub(crate) struct Divided {
    block: Block,
    batch: Mutex<Option<RecordBatch>>,
}

impl Divided {
    pub(crate) fn new(block: Block) -> Arc<Self> {
        Arc::new(Self { block, batch: Mutex::default() })
    }

    /// The whole batch. Who comes meanwhile waits: decoded twice, it would take its room twice.
    fn batch(&self) -> Result<RecordBatch, IpcError> {
        // Nothing panics between lock and store but the decoder, whose panics are caught.
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        match &*batch {
            Some(batch) => Ok(batch.clone()),
            None => Ok(batch.insert(self.block.decode()?).clone()),
        }
    }
}
