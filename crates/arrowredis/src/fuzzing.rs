//! What fuzzers call that users cannot: parsers of outside bytes without a store or a file around them.
//!
//! Compiled only under `cfg(fuzzing)`, which cargo-fuzz sets. The targets and what they demand are in
//! the crate `fuzz`.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;

use crate::chunk::{Chunk, ChunkContent};
use crate::dataset::ChunkId;
use crate::glob;
use crate::ipc::block::Block;
use crate::ipc::source::Container;
use crate::ipc::{Codec, IpcError};
use crate::store;

/// Batches that were walked and checked, and not decoded.
#[derive(Debug)]
pub struct Walked {
    schema: SchemaRef,
    blocks: Vec<Block>,
    bytes_to_decode: u64,
}

impl Walked {
    /// A chunk's value, from its schema to its end mark.
    ///
    /// # Errors
    /// [`IpcError`] as for a reader.
    pub fn chunk(value: &[u8]) -> Result<Self, IpcError> {
        let content = ChunkContent::parse(Buffer::from(value), None)?;
        let schema = SchemaRef::clone(&content.schema.schema);
        Ok(Self { schema, bytes_to_decode: content.bytes_to_decode(), blocks: content.blocks })
    }

    /// An Arrow file or stream, up to `most` batches of it.
    ///
    /// # Errors
    /// [`IpcError`] as for `split`.
    pub fn file(bytes: &[u8], most: usize) -> Result<Self, IpcError> {
        let container = Container::open(&Buffer::from(bytes))?;
        let blocks = container.blocks().take(most).collect::<Result<Vec<_>, _>>()?;
        let bytes_to_decode = blocks
            .iter()
            .map(|block| block.bytes_to_decode() + block.dictionaries.bytes_to_decode())
            .fold(0, u64::saturating_add);
        let schema = SchemaRef::clone(&container.schema_message().schema);
        Ok(Self { schema, blocks, bytes_to_decode })
    }

    /// The batch that `split` stores for a file that has none.
    pub fn empty(&self) -> RecordBatch {
        RecordBatch::new_empty(SchemaRef::clone(&self.schema))
    }

    /// Bytes of memory that decoding is said to take beyond those of the input.
    pub fn bytes_to_decode(&self) -> u64 {
        self.bytes_to_decode
    }

    /// The batches as arrays, or for each of them what inside its buffers is damaged.
    pub fn decode(&self) -> Vec<Result<RecordBatch, IpcError>> {
        self.blocks.iter().map(Block::decode).collect()
    }

    /// The values under which `split` would store the batches as they are.
    ///
    /// # Errors
    /// [`IpcError`] when one is too long.
    pub fn forward(&self) -> Result<Vec<Vec<u8>>, IpcError> {
        self.blocks
            .iter()
            .map(|block| Chunk::forwarded(block).map(|value| value.to_vec()))
            .collect()
    }
}

/// The value under which `split` would store a batch that it encodes anew.
///
/// # Errors
/// [`IpcError`] when the batch holds what Arrow IPC cannot express.
pub fn encode(batch: &RecordBatch, codec: Codec) -> Result<Vec<u8>, IpcError> {
    Chunk::encode(ChunkId::new(0, 0), batch, codec).map(|chunk| chunk.payload.to_vec())
}

/// Whether a pattern of names matches a name.
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    glob::matches(pattern, name)
}

/// The pattern that the server is asked for in place of another one.
pub fn glob_widened(pattern: &str) -> String {
    glob::widened(pattern)
}

/// What is taken for replies to requests for values, of bytes that come so many at a time: each value, or
/// `None` for another reply. It ends with the first that is none.
pub fn replies(bytes: &[u8], at_once: usize) -> Vec<Option<Vec<u8>>> {
    store::heard(bytes, at_once)
}
