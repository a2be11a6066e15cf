//! Arrays to messages, on whatever thread calls.

use std::cell::RefCell;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};
use arrow_schema::Schema;

use super::{Codec, IpcError};

thread_local! {
    /// Compression contexts are dear to make and cheap to use again.
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
    encode(batch, &mut tracker(batch), &options(codec)?)
}

/// A batch without its dictionaries, for where they have been written already.
pub(crate) fn encode_body(batch: &RecordBatch, codec: Codec) -> Result<EncodedMessage, IpcError> {
    let mut tracker = tracker(batch);
    // Shows the tracker the dictionaries, at no cost but a copy of them, so that none is encoded.
    encode(&batch.slice(0, 0), &mut tracker, &options(Codec::Uncompressed)?)?;
    encode(batch, &mut tracker, &options(codec)?).map(|(_, body)| body)
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
        encode(&batch.slice(0, 0), &mut self.tracker, &options(codec)?).map(|(new, _)| new)
    }
}

fn options(codec: Codec) -> Result<IpcWriteOptions, IpcError> {
    let level = (codec == Codec::Zstd).then_some(Codec::ZSTD_LEVEL);
    IpcWriteOptions::default()
        .try_with_compression(codec.compression_type())
        .and_then(|options| options.try_with_compression_level(level))
        .map_err(IpcError::arrow("the codec is refused"))
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
    options: &IpcWriteOptions,
) -> Result<(Vec<EncodedMessage>, EncodedMessage), IpcError> {
    CONTEXT.with_borrow_mut(|context| {
        let (dictionaries, body) = IpcDataGenerator::default()
            .encode(batch, tracker, options, context)
            .map_err(IpcError::arrow("the batch is refused"))?;
        Ok((dictionaries.into_iter().map(Into::into).collect(), body.into()))
    })
}
