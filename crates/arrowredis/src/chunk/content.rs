//! What a key's value holds: parsed and checked first, decoded when asked.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;

use crate::ipc::IpcError;
use crate::ipc::block::Block;
use crate::ipc::check::MAX_DECODED_BYTES;
use crate::ipc::dictionaries::Dictionaries;
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
    bytes_to_decode: u64,
}

/// A schema and dictionaries that several chunks repeat, parsed and decoded once for all.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    schema: Arc<SchemaMessage>,
    dictionaries: Option<Arc<Dictionaries>>,
}

impl ChunkContent {
    /// Walks a value from its schema to its end mark. What it has in common with `known` is taken
    /// from there: a dataset's chunks mostly repeat one schema and one set of dictionaries.
    pub(crate) fn parse(value: Buffer, known: Option<&Common>) -> Result<Self, IpcError> {
        let bytes = value.len();
        let stream = Stream::open(value, known.map(|known| &known.schema))?;
        let schema = Arc::clone(&stream.schema);
        let mut content = Self { schema, blocks: Vec::new(), bytes, bytes_to_decode: 0 };
        let shared = known.filter(|known| Arc::ptr_eq(&known.schema, &stream.schema));
        for block in stream.blocks() {
            content.push(block?, shared)?;
        }
        Ok(content)
    }

    fn push(&mut self, mut block: Block, known: Option<&Common>) -> Result<(), IpcError> {
        if let Some(Common { dictionaries: Some(known), .. }) = known
            && known.same_messages(&block.dictionaries)
        {
            block.dictionaries = Arc::clone(known);
        } else if self
            .blocks
            .last()
            .is_none_or(|before| !Arc::ptr_eq(&before.dictionaries, &block.dictionaries))
        {
            self.bytes_to_decode += block.dictionaries.bytes_to_decode();
        }
        self.bytes_to_decode += block.bytes_to_decode();
        if self.bytes_to_decode > MAX_DECODED_BYTES {
            let expected = format!("at most {MAX_DECODED_BYTES} bytes once decompressed");
            let found = self.bytes_to_decode;
            return Err(IpcError::invalid("the value", block.message.at, expected, found));
        }
        self.blocks.push(block);
        Ok(())
    }

    /// What the next chunk may have in common with this one.
    pub(crate) fn common(&self) -> Common {
        Common {
            schema: Arc::clone(&self.schema),
            dictionaries: self.blocks.last().map(|block| Arc::clone(&block.dictionaries)),
        }
    }

    /// Rows of all batches.
    pub(crate) fn rows(&self) -> u64 {
        self.blocks.iter().fold(0, |sum, block| sum.saturating_add(block.rows()))
    }

    /// Bytes of memory that decoding takes beyond the value's own.
    pub(crate) fn bytes_to_decode(&self) -> u64 {
        self.bytes_to_decode
    }

    /// The batches as arrays, fully validated.
    pub(crate) fn decode(&self) -> Result<Vec<RecordBatch>, IpcError> {
        self.blocks.iter().map(Block::decode).collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int8Type;
    use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array, ListArray, StructArray};
    use arrow_buffer::{NullBuffer, OffsetBuffer};
    use arrow_schema::{Field, Fields};

    use super::*;
    use crate::chunk::Chunk;
    use crate::dataset::ChunkId;
    use crate::ipc::Codec;

    /// Lists of structs with texts behind dictionary keys, some of them null.
    fn batch() -> RecordBatch {
        let words: DictionaryArray<Int8Type> =
            [Some("a"), None, Some("größe"), Some("a")].into_iter().collect();
        let numbers = Int32Array::from(vec![Some(1), Some(-2), None, Some(4)]);
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(words)];
        let field = |name, column: &ArrayRef| Field::new(name, column.data_type().clone(), true);
        let fields = Fields::from(vec![field("n", &columns[0]), field("w", &columns[1])]);
        let items = Arc::new(StructArray::new(fields, columns, None));
        let item = Arc::new(Field::new("item", items.data_type().clone(), true));
        let nulls = NullBuffer::from(vec![true, false, true]);
        let lists = OffsetBuffer::from_lengths([1, 0, 3]);
        let lists: ArrayRef = Arc::new(ListArray::new(item, lists, items, Some(nulls)));
        RecordBatch::try_from_iter([("lists", lists)]).unwrap()
    }

    fn read(value: Vec<u8>) -> Result<Vec<RecordBatch>, IpcError> {
        ChunkContent::parse(Buffer::from_vec(value), None)?.decode()
    }

    /// Method: every flip and cut again, of a value that is read by itself and after a whole one.
    #[test]
    fn what_is_known_changes_nothing_of_what_is_read() {
        let chunk = Chunk::encode(ChunkId::new(0, 0), &batch(), Codec::Zstd).unwrap();
        let whole = chunk.payload.to_vec();
        let first = ChunkContent::parse(Buffer::from_vec(whole.clone()), None).unwrap();
        let known = first.common();
        let after =
            |value: &[u8]| ChunkContent::parse(Buffer::from_vec(value.to_vec()), Some(&known));
        let again = after(&whole).unwrap();
        assert!(Arc::ptr_eq(&first.schema, &again.schema));
        assert!(Arc::ptr_eq(&first.blocks[0].dictionaries, &again.blocks[0].dictionaries));
        // As formats before 0.15 begin.
        let old = &whole[4..];
        assert!(Arc::ptr_eq(&first.schema, &after(old).unwrap().schema));

        let flipped = (0..whole.len() * 8).map(|bit| {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        });
        let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
        for value in flipped.chain(cut).chain([old.to_vec()]) {
            let known = after(&value).and_then(|content| content.decode());
            assert_eq!(known.ok(), read(value).ok());
        }
    }

    /// Without a checksum some damage cannot be seen, but none gets past the checks into a panic.
    #[test]
    fn no_flip_or_cut_of_a_value_panics() {
        for codec in Codec::ALL {
            let chunk = Chunk::encode(ChunkId::new(0, 0), &batch(), codec).unwrap();
            let whole = chunk.payload.to_vec();
            assert_eq!(read(whole.clone()).unwrap(), [batch()]);

            let mut refused = 0;
            for bit in 0..whole.len() * 8 {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Err(error) = read(flipped) {
                    assert!(!matches!(error, IpcError::Panicked { .. }), "bit {bit}: {error}");
                    refused += 1;
                }
            }
            for length in 0..whole.len() {
                let error = read(whole[..length].to_vec()).unwrap_err();
                assert!(!matches!(error, IpcError::Panicked { .. }), "{length} bytes: {error}");
            }
            println!("{codec}: of {} flips {refused} were refused", whole.len() * 8);
        }
    }
}
