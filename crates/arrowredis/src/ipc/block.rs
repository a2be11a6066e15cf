//! One record batch where it lies, with all that is needed to forward or decode it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::{MessageHeader, RecordBatch as FlatBatch};
use arrow_schema::DataType;

use super::batch_metadata::BatchMetadata;
use super::check::{BatchShape, check_batch};
use super::dictionaries::Dictionaries;
use super::guard::guard;
use super::message::Message;
use super::schema::{SchemaMessage, children, refuse_header};
use super::unpack::{Unpacked, unpack};
use super::{Codec, IpcError};

/// A batch message whose metadata agrees with its body and its schema.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) schema: Arc<SchemaMessage>,
    pub(crate) dictionaries: Arc<Dictionaries>,
    pub(crate) message: Message,
    shape: BatchShape,
}

impl Block {
    /// Takes a message that must hold a record batch of this schema.
    pub(crate) fn new(
        schema: Arc<SchemaMessage>,
        dictionaries: Arc<Dictionaries>,
        message: Message,
    ) -> Result<Self, IpcError> {
        let header = message.header();
        let (Some(batch), MessageHeader::RecordBatch) =
            (header.header_as_record_batch(), message.kind())
        else {
            return Err(refuse_header(&message));
        };
        let fields = schema.schema.fields();
        let shape = check_batch(batch, &message.body, fields, message.version(), message.at)?;
        Ok(Self { schema, dictionaries, message, shape })
    }

    pub(crate) fn rows(&self) -> u64 {
        self.shape.rows
    }

    /// What its message carries beside the batch.
    pub(crate) fn metadata(&self) -> BatchMetadata {
        BatchMetadata::of(&self.message)
    }

    pub(crate) fn codec(&self) -> Codec {
        self.shape.codec
    }

    /// Bytes of memory that decoding the batch takes beyond its message's own, without those of
    /// its dictionaries.
    pub(crate) fn bytes_to_decode(&self) -> u64 {
        self.shape.bytes_to_decode()
    }

    /// Most bytes of a stream that the batch, or some of its rows, is encoded to with all that it
    /// needs, whatever the codec.
    pub(crate) fn most_encoded_bytes(&self) -> u64 {
        let fields = self.schema.schema.fields();
        let dictionaries = fields.iter().map(|field| dictionaries_in(field.data_type())).sum();
        let dictionary = self.dictionaries.most_encoded_bytes();
        most_encoded_bytes(&self.schema.message, 0)
            .saturating_add(dictionary.saturating_mul(dictionaries))
            .saturating_add(most_encoded_bytes(&self.message, self.shape.decoded_bytes))
    }

    /// The batch as arrays, fully validated.
    pub(crate) fn decode(&self) -> Result<RecordBatch, IpcError> {
        self.decode_columns(None)
    }

    /// Only the columns at the given places, decompressing nothing else.
    pub(crate) fn decode_projected(&self, columns: &[usize]) -> Result<RecordBatch, IpcError> {
        self.decode_columns(Some(columns))
    }

    fn decode_columns(&self, columns: Option<&[usize]>) -> Result<RecordBatch, IpcError> {
        let dictionaries = self.dictionaries.decoded(&self.schema)?;
        guard("a record batch", || {
            let Some(batch) = self.message.header().header_as_record_batch() else {
                return Err(refuse_header(&self.message));
            };
            // Of a few columns not all need to be unpacked.
            if self.shape.codec == Codec::Uncompressed || columns.is_some() {
                let body = aligned(&self.message.body);
                return self.decode_table(batch, &body, dictionaries, columns);
            }
            let Message { at, body, .. } = &self.message;
            let Unpacked { table, body } = unpack(batch, body, self.shape.codec, *at)?;
            let batch = flatbuffers::root::<FlatBatch<'_>>(&table).map_err(|error| {
                IpcError::invalid("an unpacked batch", *at, "a flatbuffer", error)
            })?;
            self.decode_table(batch, &body, dictionaries, None)
        })
    }

    fn decode_table(
        &self,
        batch: FlatBatch<'_>,
        body: &Buffer,
        dictionaries: &HashMap<i64, ArrayRef>,
        columns: Option<&[usize]>,
    ) -> Result<RecordBatch, IpcError> {
        let (schema, version) = (Arc::clone(&self.schema.schema), self.message.version());
        RecordBatchDecoder::try_new(body, batch, schema, dictionaries, &version)
            .and_then(|decoder| decoder.with_projection(columns).read_record_batch())
            .map_err(IpcError::arrow("a record batch is damaged"))
    }
}

/// Most bytes that encoding what a message holds can take, if it holds so many bytes of buffers.
///
/// Each buffer may get a length, padding and an offset where it had none, less than 128 bytes in
/// all, and its place in the metadata takes 16: nine times the metadata cover it and the metadata
/// itself. Another kilobyte covers what other writers leave out.
pub(super) fn most_encoded_bytes(message: &Message, decoded_bytes: u64) -> u64 {
    let metadata = message.metadata.len() as u64;
    metadata.saturating_mul(9).saturating_add(1024).saturating_add(decoded_bytes)
}

/// How often a type holds a dictionary. Fields that share one get one each when they are encoded.
fn dictionaries_in(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Dictionary(_, values) => 1 + dictionaries_in(values),
        other => children(other).iter().map(|child| dictionaries_in(child.data_type())).sum(),
    }
}

/// What every body is aligned to, wherever a writer kept to the format.
const ALIGNMENT: usize = 8;

/// The body, copied if it does not lie where it should: the library panics on some types then.
pub(super) fn aligned(body: &Buffer) -> Cow<'_, Buffer> {
    if body.as_ptr().align_offset(ALIGNMENT) == 0 {
        Cow::Borrowed(body)
    } else {
        Cow::Owned(Buffer::from(body.as_slice()))
    }
}
