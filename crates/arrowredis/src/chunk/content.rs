//! What a key's value holds: parsed and checked first, decoded when asked.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;

use crate::ipc::IpcError;
use crate::ipc::block::Block;
use crate::ipc::schema::SchemaMessage;
use crate::ipc::stream::Stream;

/// A chunk's messages, whole and consistent with its schema.
///
/// What this project writes holds one batch. Values that others wrote may hold several, or none:
/// they are taken as they are, in order.
#[derive(Debug)]
pub(crate) struct ChunkContent {
    pub(crate) schema: Arc<SchemaMessage>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) bytes: usize,
}

impl ChunkContent {
    /// Walks a value from its schema to its end mark; `known` saves parsing a schema again.
    pub(crate) fn parse(
        value: Buffer,
        known: Option<&Arc<SchemaMessage>>,
    ) -> Result<Self, IpcError> {
        let bytes = value.len();
        let stream = Stream::open(value, known)?;
        let blocks = stream.blocks().collect::<Result<_, _>>()?;
        Ok(Self { schema: stream.schema, blocks, bytes })
    }

    /// Bytes of memory that decoding will take beyond the value's own.
    pub(crate) fn bytes_to_decode(&self) -> u64 {
        self.blocks.iter().map(Block::bytes_to_decode).sum()
    }

    /// The batches as arrays, fully validated.
    pub(crate) fn decode(&self) -> Result<Vec<RecordBatch>, IpcError> {
        self.blocks.iter().map(Block::decode).collect()
    }
}
