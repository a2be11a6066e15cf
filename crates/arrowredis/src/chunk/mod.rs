//! A chunk: one batch as a self-contained Arrow IPC stream, on its way to or from a key.

mod content;
mod forwarded;
mod payload;

use std::slice::from_ref;

use arrow_array::RecordBatch;

use crate::checksum::Checksum;
use crate::dataset::ChunkId;
use crate::ipc::batch_metadata::BatchMetadata;
use crate::ipc::block::Block;
use crate::ipc::encode::{encode_batch, encode_schema};
use crate::ipc::layout::{Length, Pieces};
use crate::ipc::{Codec, IpcError};

pub(crate) use content::{ChunkContent, Common};
pub(crate) use forwarded::{ForwardedChunk, Piece};

pub use forwarded::Forwarded;
#[cfg(test)]
pub(crate) use forwarded::tests::written;
pub use payload::Payload;

/// A batch that is encoded and has its place in a dataset.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Its place.
    pub id: ChunkId,
    /// How many rows it holds.
    pub rows: u64,
    /// That of the value.
    pub checksum: Checksum,
    /// The value to store: schema, dictionaries, one batch, end mark.
    pub payload: Payload,
}

impl Chunk {
    /// Encodes a batch with all the dictionaries that it needs.
    ///
    /// # Errors
    /// [`IpcError`] when the batch holds something that Arrow IPC cannot express.
    pub fn encode(id: ChunkId, batch: &RecordBatch, codec: Codec) -> Result<Self, IpcError> {
        let value = Self::encoded(batch, &BatchMetadata::default(), codec)?;
        Ok(Self::new(id, batch.num_rows() as u64, value))
    }

    /// The value that [`Chunk::encode`] makes, with what the batch's message carried where it came
    /// from.
    pub(crate) fn encoded(
        batch: &RecordBatch,
        metadata: &BatchMetadata,
        codec: Codec,
    ) -> Result<Payload, IpcError> {
        let mut pieces = Pieces::default();
        let schema = encode_schema(&batch.schema());
        pieces.message(&schema.metadata, &schema.body)?;
        let (dictionaries, body) = encode_batch(batch, codec)?;
        let body = metadata.attach(body)?;
        for message in dictionaries.iter().chain([&body]) {
            pieces.message(&message.metadata, &message.body)?;
        }
        Ok(pieces.finish().into())
    }

    /// A chunk of a value that is encoded already.
    pub(crate) fn new(id: ChunkId, rows: u64, payload: Payload) -> Self {
        Self { id, rows, checksum: Checksum::of_payload(&payload), payload }
    }

    /// A batch's messages as they lie in a file or stream, not decoded and not copied.
    pub(crate) fn forwarded(block: &Block) -> Result<Payload, IpcError> {
        let mut pieces = Pieces::default();
        for message in block.messages() {
            pieces.message(&message.metadata, from_ref(&message.body))?;
        }
        Ok(pieces.finish().into())
    }

    /// How long that value is in bytes.
    pub(crate) fn forwarded_length(block: &Block) -> Result<u64, IpcError> {
        let mut length = Length::default();
        for message in block.messages() {
            length.message(&message.metadata, message.body.len())?;
        }
        Ok(length.finish() as u64)
    }
}
