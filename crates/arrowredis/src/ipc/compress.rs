//! The buffers of a message, each compressed or left as it is.
//!
//! The format lets a buffer of a compressed batch stand as it is, behind a length of -1. Which method suits
//! a buffer is found out by the trial.
//!
//! Source: [`BodyCompressionMethod`] of the format's Message.fbs.
//!
//! [`BodyCompressionMethod`]: https://github.com/apache/arrow/blob/main/format/Message.fbs

use std::io;

use arrow_buffer::Buffer;
use arrow_ipc::{
    Buffer as Place, DictionaryBatch, DictionaryBatchArgs, Message as FlatMessage, MessageArgs,
    RecordBatch as FlatBatch, root_as_message,
};
use flatbuffers::FlatBufferBuilder;

use super::check::STORED;
use super::encode::EncodedMessage;
use super::layout::ALIGNMENT;
use super::method::most_packed;
use super::table::copy_table;
use super::trial::{method_for, saves};
use super::{Codec, IpcError};
use crate::region::Region;

/// Bytes of the length before each buffer.
const PREFIX_BYTES: usize = 8;

/// The same message with its buffers compressed, where that makes them smaller.
///
/// # Errors
/// When the message is none of a batch or a dictionary, or there is not so much memory.
pub(super) fn compress(encoded: &EncodedMessage, codec: Codec) -> Result<EncodedMessage, IpcError> {
    let failed = |found: String| IpcError::invalid("an encoded message", 0, "a batch", found);
    let message = root_as_message(&encoded.metadata).map_err(|error| failed(error.to_string()))?;
    let dictionary = message.header_as_dictionary_batch();
    let batch = dictionary.and_then(|dictionary| dictionary.data());
    let Some(batch) = batch.or_else(|| message.header_as_record_batch()) else {
        return Err(failed(format!("{:?}", message.header_type())));
    };
    let packed = pack(batch, &encoded.body, codec).map_err(|error| failed(error.to_string()))?;
    let metadata = Buffer::from_vec(with_buffers(message, batch, &packed, codec));
    Ok(EncodedMessage { metadata, body: vec![packed.region.freeze(packed.end)] })
}

/// A body in the making.
struct Packed {
    /// Long enough for whatever becomes of the buffers.
    region: Region,
    /// Where the body ends so far.
    end: usize,
    /// Offset and length of each buffer.
    places: Vec<Place>,
}

fn pack(batch: FlatBatch<'_>, body: &[Buffer], codec: Codec) -> io::Result<Packed> {
    let lengths = batch.buffers().into_iter().flatten().map(|place| place.length());
    let most = lengths.map(|length| most_bytes(usize::try_from(length).unwrap_or(usize::MAX)));
    let region = Region::take(most.fold(0, usize::saturating_add))?;
    let mut packed = Packed { region, end: 0, places: Vec::new() };
    let mut pieces = Pieces { pieces: body.iter(), piece: &[], at: 0 };
    for place in batch.buffers().into_iter().flatten() {
        let buffer =
            pieces.at(place).ok_or_else(|| io::Error::other(format!("no bytes at {place:?}")))?;
        packed.push(buffer, codec)?;
    }
    Ok(packed)
}

/// A body's pieces, in their order.
struct Pieces<'a> {
    pieces: std::slice::Iter<'a, Buffer>,
    piece: &'a [u8],
    /// Where the piece begins.
    at: usize,
}

impl<'a> Pieces<'a> {
    /// The bytes at a place, which is not before the last one. A buffer lies in one piece.
    fn at(&mut self, place: &Place) -> Option<&'a [u8]> {
        let start = usize::try_from(place.offset()).ok()?;
        let length = usize::try_from(place.length()).ok()?;
        if length == 0 {
            return Some(&[]);
        }
        while self.at + self.piece.len() <= start {
            self.at += self.piece.len();
            self.piece = self.pieces.next()?;
        }
        let start = start.checked_sub(self.at)?;
        self.piece.get(start..start.checked_add(length)?)
    }
}

/// Most bytes that a buffer takes, with what stands before it and after it.
fn most_bytes(len: usize) -> usize {
    most_packed(len).saturating_add(2 * ALIGNMENT)
}

impl Packed {
    fn push(&mut self, buffer: &[u8], codec: Codec) -> io::Result<()> {
        let start = self.end;
        if buffer.is_empty() {
            return self.place(start);
        }
        if let Some(method) = method_for(buffer, codec)? {
            self.append(&i64::try_from(buffer.len()).map_err(io::Error::other)?.to_le_bytes());
            let compressed = method.pack(buffer, &mut self.region[self.end..])?;
            if saves(compressed, buffer.len()) {
                self.end += compressed;
                return self.place(start);
            }
            self.end = start;
        }
        // What follows the prefix is aligned, and a reader can use it where it lies.
        self.append(&[0; ALIGNMENT - PREFIX_BYTES]);
        let start = self.end;
        self.append(&STORED.to_le_bytes());
        self.append(buffer);
        self.place(start)
    }

    /// Notes the buffer that begins at `start` and ends here.
    fn place(&mut self, start: usize) -> io::Result<()> {
        let number = |number| i64::try_from(number).map_err(io::Error::other);
        self.places.push(Place::new(number(start)?, number(self.end - start)?));
        let padding = self.end.next_multiple_of(ALIGNMENT) - self.end;
        self.append(&[0; ALIGNMENT][..padding]);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) {
        self.region[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }
}

/// The message's metadata with the buffers where they are now.
fn with_buffers(
    message: FlatMessage<'_>,
    batch: FlatBatch<'_>,
    packed: &Packed,
    codec: Codec,
) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let table = copy_table(&mut builder, batch, &packed.places, codec.compression_type());
    let header = match message.header_as_dictionary_batch() {
        Some(of) => {
            let arguments =
                DictionaryBatchArgs { id: of.id(), data: Some(table), isDelta: of.isDelta() };
            DictionaryBatch::create(&mut builder, &arguments).as_union_value()
        }
        None => table.as_union_value(),
    };
    let arguments = MessageArgs {
        version: message.version(),
        header_type: message.header_type(),
        header: Some(header),
        // What lies in memory is shorter than i64::MAX.
        bodyLength: (packed.end as u64).cast_signed(),
        custom_metadata: None,
    };
    let message = FlatMessage::create(&mut builder, &arguments);
    builder.finish(message, None);
    builder.finished_data().to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, NullArray, RecordBatch,
        StringArray, StringViewArray,
    };
    use arrow_ipc::reader::StreamReader;
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::{Chunk, ChunkContent};
    use crate::dataset::ChunkId;
    use crate::ipc::encode::encode_body;

    /// Bits without any order, by SplitMix64.
    fn random(at: u64) -> u64 {
        let z = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Columns of several kinds, of which each value or none is null.
    fn batch(rows: u64, nulls: bool) -> RecordBatch {
        let some = |row: u64| (!nulls || !random(row).is_multiple_of(3)).then_some(row);
        let word = |row| some(row).map(|row| format!("word {}", random(row) % 9));
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in 0..rows {
            (0..row % 4).for_each(|n| lists.values().append_option(word(row + n)));
            lists.append(some(row).is_some());
        }
        let words: DictionaryArray<Int32Type> =
            (0..rows).map(word).collect::<Vec<_>>().iter().map(Option::as_deref).collect();
        let columns: [(&str, ArrayRef); 8] = [
            (
                "bits",
                Arc::new(Int64Array::from_iter(
                    (0..rows).map(|row| some(row).map(|row| random(row).cast_signed())),
                )),
            ),
            ("count", Arc::new(Int64Array::from_iter_values(0..rows.cast_signed()))),
            (
                "real",
                Arc::new(Float64Array::from_iter(
                    (0..rows).map(|row| some(row).map(|row| random(row) as f64 / 7.0)),
                )),
            ),
            (
                "flag",
                Arc::new(BooleanArray::from_iter(
                    (0..rows).map(|row| some(row).map(|row| random(row) & 1 == 1)),
                )),
            ),
            ("text", Arc::new(StringArray::from_iter((0..rows).map(word)))),
            ("view", Arc::new(StringViewArray::from_iter((0..rows).map(word)))),
            ("word", Arc::new(words)),
            ("lists", Arc::new(lists.finish())),
        ];
        let nothing: ArrayRef = Arc::new(NullArray::new(usize::try_from(rows).unwrap()));
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().chain([("nothing", nothing)]).map(|(name, c)| (name, c, true)),
        )
        .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Method: read back by the library's own reader, which never saw how it was written, and by ours.
        #[test]
        fn what_is_compressed_is_read_back(
            rows in prop_oneof![1 => 0..3u64, 4 => 0..20_000u64],
            nulls: bool,
            cut in 0..3usize,
            codec in prop::sample::select(&Codec::ALL),
        ) {
            let whole = batch(rows, nulls);
            let batch = whole.slice(cut.min(whole.num_rows()), whole.num_rows().saturating_sub(2 * cut));
            let chunk = Chunk::encode(ChunkId::new(0, 0), &batch, codec).unwrap();
            let value = chunk.payload.to_vec();
            let library: Vec<_> =
                StreamReader::try_new(&value[..], None).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(&library, std::slice::from_ref(&batch));
            let ours = ChunkContent::parse(Buffer::from_vec(value), None).unwrap().decode().unwrap();
            prop_assert_eq!(ours, [batch]);
        }
    }

    /// Which buffers of a column's values are stored as they are.
    fn stored(column: ArrayRef, codec: Codec) -> Vec<bool> {
        let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
        let message = encode_body(&batch, codec).unwrap();
        let body = &message.body[0];
        let flat = root_as_message(&message.metadata).unwrap().header_as_record_batch().unwrap();
        let places = flat.buffers().unwrap().into_iter();
        let is_stored = |place: &Place| {
            let at = usize::try_from(place.offset()).unwrap();
            let is_stored = body[at..at + PREFIX_BYTES] == STORED.to_le_bytes();
            assert!(!is_stored || (at + PREFIX_BYTES).is_multiple_of(ALIGNMENT));
            is_stored
        };
        places.filter(|place| place.length() > 0).map(is_stored).collect()
    }

    #[test]
    fn buffers_that_hardly_shrink_are_stored_and_others_are_not() {
        let longs = |values: &dyn Fn(u64) -> u64, rows| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values((0..rows).map(|n| values(n).cast_signed())))
        };
        for codec in [Codec::Zstd, Codec::Lz4] {
            for rows in [100, 3_000, 30_000] {
                assert_eq!(stored(longs(&random, rows), codec), [true], "{codec} {rows}");
                assert_eq!(stored(longs(&|n| n / 9, rows), codec), [false], "{codec} {rows}");
            }
            // Random within each window, and the same again after 40 KB.
            let again = |n| random(n % 5_000);
            assert_eq!(stored(longs(&again, 30_000), codec), [false], "{codec}");
        }
    }

    #[test]
    fn the_same_batch_gives_the_same_bytes() {
        let batch = batch(9_000, true);
        for codec in [Codec::Zstd, Codec::Lz4] {
            let bytes = || encode_body(&batch, codec).unwrap().body;
            let first = bytes();
            // Whatever was in the memory before is not in what is written.
            drop(encode_body(&batch.slice(7, 8_000), codec).unwrap());
            assert_eq!(first, bytes());
        }
    }
}
