//! One record batch where it lies, with all that is needed to forward or decode it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::slice::from_ref;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::{Buffer as Place, FieldNode, MessageHeader, RecordBatch as FlatBatch};
use arrow_schema::DataType;

use super::batch_metadata::BatchMetadata;
use super::check::{BatchShape, ColumnSpan, check_batch};
use super::dictionaries::Dictionaries;
use super::guard::guard;
use super::message::Message;
use super::reread::Rereader;
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

/// One column of a batch as it lies in its message: the lengths and null counts, and the bytes. Two of the
/// same file that are equal are certain to hold the same values; others may.
#[derive(Debug, Clone)]
pub(crate) struct StoredColumn {
    schema: Arc<SchemaMessage>,
    dictionaries: Arc<Dictionaries>,
    codec: Codec,
    nodes: Vec<FieldNode>,
    buffers: Vec<Buffer>,
}

impl PartialEq for StoredColumn {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.schema, &other.schema)
            && Arc::ptr_eq(&self.dictionaries, &other.dictionaries)
            && self.codec == other.codec
            && self.nodes == other.nodes
            && self.buffers == other.buffers
    }
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

    /// The same block, its body read from the file that it lies in.
    ///
    /// # Errors
    /// As [`Rereader::read`].
    pub(crate) fn reread(&self, rereader: &Rereader) -> io::Result<Self> {
        let body = rereader.read(&self.message.body)?;
        Ok(Self { message: self.message.with_body(body), ..self.clone() })
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

    /// Only the column at this place, decompressing nothing else.
    pub(crate) fn decode_column(&self, column: usize) -> Result<ArrayRef, IpcError> {
        let only = self.decode_columns(Some(column))?;
        Ok(Arc::clone(only.column(0)))
    }

    /// The messages of which a stream of this batch alone consists.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        let dictionaries = self.dictionaries.messages(&self.schema);
        [&self.schema.message].into_iter().chain(dictionaries).chain([&self.message])
    }

    /// A column as it is stored.
    pub(crate) fn stored(&self, column: usize) -> Option<StoredColumn> {
        let batch = self.message.header().header_as_record_batch()?;
        let span = self.span(batch, column).ok()?;
        let nodes = batch.nodes()?.iter().take(span.nodes.end).skip(span.nodes.start);
        let nodes = nodes.copied().collect();
        let buffers = batch.buffers()?.iter().take(span.buffers.end).skip(span.buffers.start);
        let bytes = |place: &Place| {
            let start = usize::try_from(place.offset()).ok()?;
            let len = usize::try_from(place.length()).ok()?;
            let body = &self.message.body;
            (len <= body.len().checked_sub(start)?).then(|| body.slice_with_length(start, len))
        };
        let buffers = buffers.map(bytes).collect::<Option<_>>()?;
        let (schema, dictionaries) = (Arc::clone(&self.schema), Arc::clone(&self.dictionaries));
        Some(StoredColumn { schema, dictionaries, codec: self.shape.codec, nodes, buffers })
    }

    fn span(&self, batch: FlatBatch<'_>, column: usize) -> Result<ColumnSpan, IpcError> {
        let Message { at, body, .. } = &self.message;
        let (fields, version) = (self.schema.schema.fields(), self.message.version());
        ColumnSpan::of(column, batch, body, fields, version, *at)
    }

    fn decode_columns(&self, column: Option<usize>) -> Result<RecordBatch, IpcError> {
        let dictionaries = self.dictionaries.decoded(&self.schema)?;
        guard("a record batch", || {
            let Some(batch) = self.message.header().header_as_record_batch() else {
                return Err(refuse_header(&self.message));
            };
            let Message { at, body, .. } = &self.message;
            if self.shape.codec == Codec::Uncompressed {
                return self.decode_table(batch, &aligned(body), dictionaries, column);
            }
            let wanted = match column {
                Some(column) => self.span(batch, column)?.buffers,
                None => 0..usize::MAX,
            };
            let Unpacked { table, body } = unpack(batch, body, self.shape.codec, *at, wanted)?;
            let batch = flatbuffers::root::<FlatBatch<'_>>(&table).map_err(|error| {
                IpcError::invalid("an unpacked batch", *at, "a flatbuffer", error)
            })?;
            self.decode_table(batch, &body, dictionaries, column)
        })
    }

    fn decode_table(
        &self,
        batch: FlatBatch<'_>,
        body: &Buffer,
        dictionaries: &HashMap<i64, ArrayRef>,
        column: Option<usize>,
    ) -> Result<RecordBatch, IpcError> {
        let (schema, version) = (Arc::clone(&self.schema.schema), self.message.version());
        RecordBatchDecoder::try_new(body, batch, schema, dictionaries, &version)
            .and_then(|decoder| {
                decoder.with_projection(column.as_ref().map(from_ref)).read_record_batch()
            })
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

#[cfg(test)]
mod tests {
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int8Type;
    use arrow_array::{BooleanArray, DictionaryArray, Int64Array, StringArray, StringViewArray};
    use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};

    use super::*;
    use crate::chunk::{Chunk, ChunkContent};
    use crate::dataset::ChunkId;

    /// Columns with different numbers of buffers, so that a column's own are nowhere by chance.
    fn batch(rows: i64) -> RecordBatch {
        let word =
            |row: i64| (row % 3 > 0).then(|| format!("a word longer than twelve {}", row % 7));
        let mut lists = ListBuilder::new(StringBuilder::new());
        (0..rows).for_each(|row| lists.append_value([word(row), word(row + 1)]));
        let words: Vec<_> = (0..rows).map(word).collect();
        let keys: DictionaryArray<Int8Type> = words.iter().map(Option::as_deref).collect();
        let columns: [(&str, ArrayRef); 6] = [
            ("views", Arc::new(StringViewArray::from_iter(&words))),
            ("count", Arc::new(Int64Array::from_iter_values(0..rows))),
            ("lists", Arc::new(lists.finish())),
            ("flags", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 5 > 1))))),
            ("keys", Arc::new(keys)),
            ("words", Arc::new(StringArray::from_iter(&words))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, c)| (name, c, true))).unwrap()
    }

    #[test]
    fn a_column_alone_is_what_it_is_among_the_others() {
        for codec in Codec::ALL {
            for rows in [0, 1, 4_000] {
                let batch = batch(rows);
                let chunk = Chunk::encode(ChunkId::new(0, 0), &batch, codec).unwrap();
                let value = Buffer::from_vec(chunk.payload.to_vec());
                let block = ChunkContent::parse(value, None).unwrap().blocks.remove(0);
                for (at, column) in batch.columns().iter().enumerate() {
                    assert_eq!(&block.decode_column(at).unwrap(), column, "{codec} {rows} {at}");
                }
            }
        }
    }

    #[test]
    fn a_forwarded_chunk_is_as_long_as_was_said() {
        for codec in Codec::ALL {
            for rows in [0, 1, 4_000] {
                let chunk = Chunk::encode(ChunkId::new(0, 0), &batch(rows), codec).unwrap();
                let value = Buffer::from_vec(chunk.payload.to_vec());
                let block = ChunkContent::parse(value, None).unwrap().blocks.remove(0);
                let length = Chunk::forwarded_length(&block).unwrap();
                assert_eq!(length, Chunk::forwarded(&block).unwrap().len() as u64);
                assert_eq!(length, chunk.payload.len() as u64, "{codec} {rows}");
            }
        }
    }

    /// Method: three batches of one stream; the column of counts differs in the last, the others do not.
    #[test]
    fn a_column_that_is_stored_alike_is_known_by_its_bytes() {
        for codec in Codec::ALL {
            let options = IpcWriteOptions::default();
            let options = options.try_with_compression(codec.compression_type()).unwrap();
            let first = batch(4_000);
            let mut columns = first.columns().to_vec();
            columns[1] = Arc::new(Int64Array::from_iter_values(1..4_001));
            let other = RecordBatch::try_new(first.schema(), columns).unwrap();
            let mut writer =
                StreamWriter::try_new_with_options(Vec::new(), &first.schema(), options).unwrap();
            [&first, &first, &other].into_iter().for_each(|batch| writer.write(batch).unwrap());
            let value = Buffer::from_vec(writer.into_inner().unwrap());
            let blocks = ChunkContent::parse(value, None).unwrap().blocks;
            for at in 0..first.num_columns() {
                let stored: Vec<_> = blocks.iter().map(|block| block.stored(at).unwrap()).collect();
                assert!(stored[0] == stored[1], "{codec} {at}");
                assert_eq!(stored[1] == stored[2], at != 1, "{codec} {at}");
            }
        }
    }
}
