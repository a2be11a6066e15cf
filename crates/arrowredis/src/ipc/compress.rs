//! The buffers of a message, each compressed or left as it is.
//!
//! The format lets a buffer of a compressed batch stand as it is, behind a length of -1. Random bits,
//! measurements and timestamps hardly shrink: compressing them would cost whoever writes a good part of
//! the time, and whoever reads would unpack them every time. Which buffers are such is found out here.
//!
//! Source: [`BodyCompressionMethod`] of the format's Message.fbs.
//!
//! [`BodyCompressionMethod`]: https://github.com/apache/arrow/blob/main/format/Message.fbs

use std::cell::RefCell;
use std::io::{self, Cursor, Write};

use arrow_buffer::Buffer;
use arrow_ipc::{
    Buffer as Place, DictionaryBatch, DictionaryBatchArgs, Message as FlatMessage, MessageArgs,
    RecordBatch as FlatBatch, root_as_message,
};
use flatbuffers::FlatBufferBuilder;
use lz4_flex::frame::FrameEncoder;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use super::check::STORED;
use super::encode::EncodedMessage;
use super::layout::ALIGNMENT;
use super::table::copy_table;
use super::{Codec, IpcError};

/// Bytes of the length before each buffer.
const PREFIX_BYTES: usize = 8;

/// A buffer is compressed when that saves one part in so many: what a reader gains by fewer bytes is then
/// about what unpacking them costs it.
const LEAST_SAVING: usize = 10;

/// How much of a long buffer is compressed as a trial: so many windows of so many bytes, from its
/// beginning to its end. Together they hold enough for the frequency of bytes to show.
const TRIAL_WINDOWS: usize = 3;
const WINDOW_BYTES: usize = 8 << 10;

/// Buffers shorter than this are compressed without a trial, which would take a quarter as long.
const TRIAL_FROM_BYTES: usize = 4 * TRIAL_WINDOWS * WINDOW_BYTES;

/// How far the trial looks for a word of its own that comes again: as far back as zstd's level 1 does.
/// Repetitions that are farther apart than a window show in no window.
const REPETITION_BYTES: usize = 512 << 10;

thread_local! {
    /// Dear to make and cheap to use again.
    static ZSTD: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

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
    Ok(EncodedMessage { metadata, body: Buffer::from_vec(packed.body) })
}

/// A body in the making.
#[derive(Default)]
struct Packed {
    body: Vec<u8>,
    /// Offset and length of each buffer.
    places: Vec<Place>,
}

fn pack(batch: FlatBatch<'_>, body: &[u8], codec: Codec) -> io::Result<Packed> {
    let mut packed = Packed { body: Vec::with_capacity(body.len() / 2), places: Vec::new() };
    for place in batch.buffers().into_iter().flatten() {
        let buffer = slice(body, place).ok_or_else(|| io::Error::other(format!("{place:?}")))?;
        packed.push(buffer, codec)?;
    }
    Ok(packed)
}

fn slice<'a>(body: &'a [u8], place: &Place) -> Option<&'a [u8]> {
    let start = usize::try_from(place.offset()).ok()?;
    body.get(start..start.checked_add(usize::try_from(place.length()).ok()?)?)
}

impl Packed {
    fn push(&mut self, buffer: &[u8], codec: Codec) -> io::Result<()> {
        let start = self.body.len();
        if buffer.is_empty() {
            return self.place(start);
        }
        if promises(buffer, codec)? {
            let length = i64::try_from(buffer.len()).map_err(io::Error::other)?;
            self.body.extend_from_slice(&length.to_le_bytes());
            append(&mut self.body, buffer, codec)?;
            if saves(self.body.len() - start - PREFIX_BYTES, buffer.len()) {
                return self.place(start);
            }
            self.body.truncate(start);
        }
        // What follows the prefix is aligned, and a reader can use it where it lies.
        self.body.resize(start.next_multiple_of(ALIGNMENT) + ALIGNMENT - PREFIX_BYTES, 0);
        let start = self.body.len();
        self.body.extend_from_slice(&STORED.to_le_bytes());
        self.body.extend_from_slice(buffer);
        self.place(start)
    }

    /// Notes the buffer that begins at `start` and ends here.
    fn place(&mut self, start: usize) -> io::Result<()> {
        let end = self.body.len();
        let number = |number| i64::try_from(number).map_err(io::Error::other);
        self.places.push(Place::new(number(start)?, number(end - start)?));
        self.body.resize(end.next_multiple_of(ALIGNMENT), 0);
        Ok(())
    }
}

/// Whether compressing all of a buffer is worth a try, by a part of it.
fn promises(buffer: &[u8], codec: Codec) -> io::Result<bool> {
    if buffer.len() < TRIAL_FROM_BYTES || repeats(buffer) {
        return Ok(true);
    }
    let mut trial = Vec::with_capacity(TRIAL_WINDOWS * WINDOW_BYTES);
    let last = buffer.len() - WINDOW_BYTES;
    for window in 0..TRIAL_WINDOWS {
        let at = last / (TRIAL_WINDOWS - 1) * window;
        trial.extend_from_slice(&buffer[at..at + WINDOW_BYTES]);
    }
    let mut compressed = Vec::new();
    append(&mut compressed, &trial, codec)?;
    Ok(saves(compressed.len(), trial.len()))
}

/// Whether one of the first words comes again further on. In bytes that do not compress none does.
fn repeats(buffer: &[u8]) -> bool {
    let (words, _) = buffer.as_chunks::<8>();
    let words = &words[..words.len().min(REPETITION_BYTES / 8)];
    let Some((first, rest)) = words.split_first_chunk::<4>() else { return false };
    let first = first.map(u64::from_ne_bytes);
    // Without an early end within some of them, many are compared at a time.
    rest.chunks(512).any(|some| {
        some.iter().fold(false, |found, word| found | first.contains(&u64::from_ne_bytes(*word)))
    })
}

fn saves(compressed: usize, whole: usize) -> bool {
    compressed <= whole - whole.div_ceil(LEAST_SAVING)
}

/// Appends bytes as the codec makes them.
fn append(to: &mut Vec<u8>, bytes: &[u8], codec: Codec) -> io::Result<()> {
    match codec {
        Codec::Zstd => ZSTD.with_borrow_mut(|compressor| {
            let compressor = match compressor {
                Some(compressor) => compressor,
                None => compressor.insert(Compressor::new(Codec::ZSTD_LEVEL)?),
            };
            to.reserve(compress_bound(bytes.len()));
            let mut end = Cursor::new(&mut *to);
            end.set_position(end.get_ref().len() as u64);
            compressor.compress_to_buffer(bytes, &mut end).map(drop)
        }),
        Codec::Lz4 => {
            let mut encoder = FrameEncoder::new(to);
            encoder.write_all(bytes)?;
            encoder.finish().map(drop).map_err(io::Error::other)
        }
        Codec::Uncompressed => {
            to.extend_from_slice(bytes);
            Ok(())
        }
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
        bodyLength: (packed.body.len() as u64).cast_signed(),
        custom_metadata: None,
    };
    let message = FlatMessage::create(&mut builder, &arguments);
    builder.finish(message, None);
    builder.finished_data().to_vec()
}
