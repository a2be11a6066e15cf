//! Arrays to messages, on whatever thread calls.

use std::cell::RefCell;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::root_as_message;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
    StreamEncoder,
};
use arrow_schema::Schema;

use super::compress::compress;
use super::message::CONTINUATION;
use super::{Codec, IpcError};

thread_local! {
    /// Its memory is used again.
    static CONTEXT: RefCell<IpcWriteContext> = RefCell::default();
}

/// A message that was made here rather than found in bytes.
#[derive(Debug, Clone)]
pub(crate) struct EncodedMessage {
    pub(crate) metadata: Buffer,
    /// The body in pieces, of which most lie where the batch has them.
    pub(crate) body: Vec<Buffer>,
}

impl EncodedMessage {
    /// Length of all pieces of the body together, in bytes.
    pub(crate) fn body_len(&self) -> usize {
        self.body.iter().map(Buffer::len).sum()
    }

    fn packed(self, codec: Codec) -> Result<Self, IpcError> {
        match codec {
            Codec::Uncompressed => Ok(self),
            codec => compress(&self, codec),
        }
    }
}

impl From<EncodedData> for EncodedMessage {
    fn from(data: EncodedData) -> Self {
        Self {
            metadata: Buffer::from_vec(data.ipc_message),
            body: vec![Buffer::from_vec(data.arrow_data)],
        }
    }
}

/// The message of a schema. Its dictionaries are numbered from 0 in the format's walk.
pub(crate) fn encode_schema(schema: &Schema) -> EncodedMessage {
    let mut tracker = DictionaryTracker::new(false);
    IpcDataGenerator::default()
        .schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &IpcWriteOptions::default())
        .into()
}

/// A batch with all the dictionaries that it needs, as messages.
pub(crate) fn encode_batch(
    batch: &RecordBatch,
    codec: Codec,
) -> Result<(Vec<EncodedMessage>, EncodedMessage), IpcError> {
    let dictionaries = DictionaryEncoder::new(&batch.schema()).new_dictionaries(batch, codec)?;
    Ok((dictionaries, encode_body(batch, codec)?))
}

/// A batch without its dictionaries, for where they have been written already.
pub(crate) fn encode_body(batch: &RecordBatch, codec: Codec) -> Result<EncodedMessage, IpcError> {
    let refused = IpcError::arrow("the batch is refused");
    // The one encoder of the library that copies nothing. What it makes beside the batch is little.
    let pieces = StreamEncoder::try_new(&batch.schema())
        .and_then(|mut encoder| encoder.encode(batch))
        .map_err(refused)?;
    let message = last_message(pieces).ok_or_else(|| {
        IpcError::invalid("an encoded stream", 0, "messages one after another", "something else")
    })?;
    message.packed(codec)
}

/// The last message of a stream that comes in pieces: of a message its prefix, its metadata and the
/// padding after that, and then its body's buffers with their padding.
fn last_message(pieces: Vec<Buffer>) -> Option<EncodedMessage> {
    let mut pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
    let mut last = None;
    while let Some(prefix) = pieces.next() {
        let length = prefix.as_slice().strip_prefix(&CONTINUATION)?.first_chunk::<4>()?;
        let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
        let metadata = pieces.next()?;
        let padding = length.checked_sub(metadata.len())?;
        if padding > 0 {
            pieces.next().filter(|piece| piece.len() == padding)?;
        }
        let message = root_as_message(&metadata).ok()?;
        let mut missing = usize::try_from(message.bodyLength()).ok()?;
        let mut body = Vec::new();
        while missing > 0 {
            let piece = pieces.next()?;
            missing = missing.checked_sub(piece.len())?;
            body.push(piece);
        }
        last = Some(EncodedMessage { metadata, body });
    }
    last
}

/// Remembers which dictionaries have been written, and encodes those that are new or changed.
#[derive(Debug)]
pub(crate) struct DictionaryEncoder {
    tracker: DictionaryTracker,
}

impl DictionaryEncoder {
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut tracker = DictionaryTracker::new(false);
        number_dictionaries(schema, &mut tracker);
        Self { tracker }
    }

    /// The dictionary messages that a reader of the batch does not have yet, each whole.
    pub(crate) fn new_dictionaries(
        &mut self,
        batch: &RecordBatch,
        codec: Codec,
    ) -> Result<Vec<EncodedMessage>, IpcError> {
        let encoded = CONTEXT.with_borrow_mut(|context| {
            // A slice without rows keeps the whole dictionaries.
            let (batch, options) = (batch.slice(0, 0), IpcWriteOptions::default());
            IpcDataGenerator::default().encode(&batch, &mut self.tracker, &options, context)
        });
        let (new, _) = encoded.map_err(IpcError::arrow("the batch is refused"))?;
        new.into_iter().map(|message| EncodedMessage::from(message).packed(codec)).collect()
    }
}

/// Gives the tracker the numbers that [`encode_schema`] gives the same dictionaries.
fn number_dictionaries(schema: &Schema, tracker: &mut DictionaryTracker) {
    arrow_ipc::convert::IpcSchemaEncoder::new()
        .with_dictionary_tracker(tracker)
        .schema_to_fb(schema);
}
