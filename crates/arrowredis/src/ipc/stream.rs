//! The streaming format: a schema, then dictionaries and batches in order, then the end mark.
//!
//! A chunk's value is such a stream, and a file may be one.

use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_ipc::MessageHeader;

use super::IpcError;
use super::block::Block;
use super::dictionaries::{Dictionaries, Replacement};
use super::message::{CONTINUATION, Message, Next};
use super::schema::SchemaMessage;

/// A stream whose schema has been read.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) schema: Arc<SchemaMessage>,
    bytes: Buffer,
    first: usize,
}

impl Stream {
    /// Reads the schema at the start of `bytes`, or takes the known one if the same bytes stand there.
    pub(crate) fn open(
        bytes: Buffer,
        known: Option<&Arc<SchemaMessage>>,
    ) -> Result<Self, IpcError> {
        if !begins_like_a_stream(&bytes) {
            let start = format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii());
            return Err(IpcError::NotArrow { len: bytes.len(), start });
        }
        if let Some(known) = known
            && let Some(first) = known.message.repeated_by(&bytes)
        {
            return Ok(Self { schema: Arc::clone(known), bytes, first });
        }
        match Message::read(&bytes, 0)? {
            Next::Message(message, first) => {
                Ok(Self { schema: SchemaMessage::parse(message)?, bytes, first })
            }
            Next::End(_) => {
                Err(IpcError::invalid("the first message", 0, "a schema", "the end of the stream"))
            }
        }
    }

    /// The batches in order. Ends after the first error.
    pub(crate) fn blocks(&self) -> StreamBlocks {
        StreamBlocks {
            stream: self.clone(),
            position: Some(self.first),
            dictionaries: Arc::default(),
        }
    }
}

/// A stream begins with the continuation marker or, before format 0.15, with the length of its
/// schema message, which no sensible schema takes past 16 MiB.
fn begins_like_a_stream(bytes: &[u8]) -> bool {
    let legacy_length = bytes.first_chunk::<4>().map_or(0, |word| i32::from_le_bytes(*word));
    bytes.starts_with(&CONTINUATION) || (1..1 << 24).contains(&legacy_length)
}

/// The batches of a stream. The end mark must be there and must be the last of the bytes: without
/// it a stream that was cut between two messages could not be told from a whole one.
#[derive(Debug)]
pub(crate) struct StreamBlocks {
    stream: Stream,
    position: Option<usize>,
    dictionaries: Arc<Dictionaries>,
}

impl StreamBlocks {
    fn next_block(&mut self, position: usize) -> Result<Option<Block>, IpcError> {
        let Stream { schema, bytes, .. } = &self.stream;
        let mut position = position;
        loop {
            match Message::read(bytes, position)? {
                Next::End(end) if end == bytes.len() => return Ok(None),
                Next::End(end) => {
                    let found = format!("{} more bytes", bytes.len() - end);
                    let expected = "nothing after the end mark";
                    return Err(IpcError::invalid("the stream", end as u64, expected, found));
                }
                Next::Message(message, next) => {
                    position = next;
                    if message.kind() == MessageHeader::DictionaryBatch {
                        let dictionaries = Arc::make_mut(&mut self.dictionaries);
                        dictionaries.apply(message, schema, Replacement::Allowed)?;
                    } else {
                        self.position = Some(position);
                        let dictionaries = Arc::clone(&self.dictionaries);
                        return Block::new(Arc::clone(schema), dictionaries, message).map(Some);
                    }
                }
            }
        }
    }
}

impl Iterator for StreamBlocks {
    type Item = Result<Block, IpcError>;

    fn next(&mut self) -> Option<Self::Item> {
        let position = self.position.take()?;
        let block = self.next_block(position);
        if block.is_err() {
            self.position = None;
        }
        block.transpose()
    }
}
