//! The key-value pairs that a batch's message may carry, which are no part of the batch itself.
//!
//! A message that is forwarded keeps them by itself. The Arrow library neither reads nor writes
//! them, so a batch that is encoded anew has its message built a second time, with them in it.

use arrow_buffer::Buffer;
use arrow_ipc::{
    KeyValue, KeyValueArgs, Message as FlatMessage, MessageArgs, MessageHeader, root_as_message,
};
use flatbuffers::{FlatBufferBuilder, WIPOffset};

use super::IpcError;
use super::encode::EncodedMessage;
use super::message::Message;
use super::table::copy_table;

/// A message's own metadata, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BatchMetadata(Vec<(String, String)>);

impl BatchMetadata {
    /// What a message carries.
    pub(crate) fn of(message: &Message) -> Self {
        let pairs = message.header().custom_metadata().into_iter().flatten();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self(pairs.map(|pair| (text(pair.key()), text(pair.value()))).collect())
    }

    /// The same message with this metadata.
    pub(crate) fn attach(&self, encoded: EncodedMessage) -> Result<EncodedMessage, IpcError> {
        if self.0.is_empty() {
            return Ok(encoded);
        }
        let flat = root_as_message(&encoded.metadata)
            .map_err(|error| IpcError::invalid("an encoded message", 0, "a flatbuffer", error))?;
        let Some(batch) = flat.header_as_record_batch() else {
            let found = format!("{:?}", flat.header_type());
            return Err(IpcError::invalid("an encoded message", 0, "a record batch", found));
        };
        let mut builder = FlatBufferBuilder::new();
        let buffers: Vec<_> = batch.buffers().into_iter().flatten().copied().collect();
        let compression = batch.compression().map(|compression| compression.codec());
        let header = copy_table(&mut builder, batch, &buffers, compression);
        let pairs: Vec<_> = self.0.iter().map(|pair| copy_pair(&mut builder, pair)).collect();
        let custom_metadata = Some(builder.create_vector(&pairs));
        let arguments = MessageArgs {
            version: flat.version(),
            header_type: MessageHeader::RecordBatch,
            header: Some(header.as_union_value()),
            bodyLength: flat.bodyLength(),
            custom_metadata,
        };
        let message = FlatMessage::create(&mut builder, &arguments);
        builder.finish(message, None);
        let metadata = Buffer::from_vec(builder.finished_data().to_vec());
        Ok(EncodedMessage { metadata, ..encoded })
    }
}

fn copy_pair<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    (key, value): &(String, String),
) -> WIPOffset<KeyValue<'b>> {
    let arguments = KeyValueArgs {
        key: Some(builder.create_string(key)),
        value: Some(builder.create_string(value)),
    };
    KeyValue::create(builder, &arguments)
}
