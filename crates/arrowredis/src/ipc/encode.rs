//! Arrays to messages, on whatever thread calls.

use std::cell::RefCell;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};
use arrow_schema::Schema;

use super::compress::compress;
use super::{Codec, IpcError};

thread_local! {
    /// Its memory is used again.
    static CONTEXT: RefCell<IpcWriteContext> = RefCell::default();
}

/// A message that was made here rather than found in bytes.
#[derive(Debug, Clone)]
pub(crate) struct EncodedMessage {
    pub(crate) metadata: Buffer,
    pub(crate) body: Buffer,
}

impl From<EncodedData> for EncodedMessage {
    fn from(data: EncodedData) -> Self {
        Self {
            metadata: Buffer::from_vec(data.ipc_message),
            body: Buffer::from_vec(data.arrow_data),
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
    encode(batch, &mut tracker(batch), codec)
}

/// A batch without its dictionaries, for where they have been written already.
pub(crate) fn encode_body(batch: &RecordBatch, codec: Codec) -> Result<EncodedMessage, IpcError> {
    let mut tracker = tracker(batch);
    // Shows the tracker the dictionaries, at no cost but a copy of them, so that none is encoded.
    encode(&batch.slice(0, 0), &mut tracker, Codec::Uncompressed)?;
    encode(batch, &mut tracker, codec).map(|(_, body)| body)
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
        // A slice without rows keeps the whole dictionaries.
        encode(&batch.slice(0, 0), &mut self.tracker, codec).map(|(new, _)| new)
    }
}

fn tracker(batch: &RecordBatch) -> DictionaryTracker {
    let mut tracker = DictionaryTracker::new(false);
    number_dictionaries(&batch.schema(), &mut tracker);
    tracker
}

/// Gives the tracker the numbers that [`encode_schema`] gives the same dictionaries.
fn number_dictionaries(schema: &Schema, tracker: &mut DictionaryTracker) {
    arrow_ipc::convert::IpcSchemaEncoder::new()
        .with_dictionary_tracker(tracker)
        .schema_to_fb(schema);
}

fn encode(
    batch: &RecordBatch,
    tracker: &mut DictionaryTracker,
    codec: Codec,
) -> Result<(Vec<EncodedMessage>, EncodedMessage), IpcError> {
    let encoded = CONTEXT.with_borrow_mut(|context| {
        let options = IpcWriteOptions::default();
        IpcDataGenerator::default().encode(batch, tracker, &options, context)
    });
    let (dictionaries, body) = encoded.map_err(IpcError::arrow("the batch is refused"))?;
    let finish = |message: EncodedData| match codec {
        Codec::Uncompressed => Ok(message.into()),
        codec => compress(&message.into(), codec),
    };
    let dictionaries = dictionaries.into_iter().map(finish).collect::<Result<_, _>>()?;
    Ok((dictionaries, finish(body)?))
}
