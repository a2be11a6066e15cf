//! Decompresses a batch's buffers into one piece of memory, as if it had never been compressed.
//!
//! The Arrow library would take memory for each buffer, page by page, and give it back the same way. In
//! one region of huge pages that takes a fraction of the time, and so does a decompressor that is used
//! again.

use std::cell::RefCell;
use std::io;
use std::ops::Range;

use arrow_buffer::Buffer;
use arrow_ipc::{Buffer as Place, RecordBatch as FlatBatch};
use flatbuffers::FlatBufferBuilder;
use zstd::bulk::Decompressor;

use super::check::STORED;
use super::layout::ALIGNMENT;
use super::table::copy_table;
use super::{Codec, IpcError, lz4};
use crate::region::Region;

thread_local! {
    /// Dear to make and cheap to use again.
    static ZSTD: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// An uncompressed batch: its table as a flatbuffer, and its body.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) table: Vec<u8>,
    pub(super) body: Buffer,
}

/// A buffer of a compressed body.
#[derive(Debug, Clone, Copy)]
enum Packed<'a> {
    /// As it is.
    Stored(&'a [u8]),
    /// So many bytes, compressed.
    Compressed(usize, &'a [u8]),
}

impl<'a> Packed<'a> {
    /// Tells by the length that stands before the bytes; `None` if there is none that can be.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Stored(bytes));
        }
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        match i64::from_le_bytes(*length) {
            STORED => Some(Self::Stored(rest)),
            length => Some(Self::Compressed(usize::try_from(length).ok()?, rest)),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Stored(bytes) => bytes.len(),
            Self::Compressed(len, _) => len,
        }
    }

    fn unpack(self, codec: Codec, into: &mut [u8]) -> io::Result<()> {
        let (bytes, len) = match self {
            Self::Stored(bytes) => {
                into.copy_from_slice(bytes);
                return Ok(());
            }
            Self::Compressed(0, _) => return Ok(()),
            Self::Compressed(len, bytes) => (bytes, len),
        };
        let found = match codec {
            Codec::Zstd => zstd(bytes, into)?,
            Codec::Lz4 => lz4::unpack(bytes, into)?,
            Codec::Uncompressed => 0,
        };
        if found == len {
            return Ok(());
        }
        let what = format!("{found} bytes instead of {len}");
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

fn zstd(bytes: &[u8], into: &mut [u8]) -> io::Result<usize> {
    ZSTD.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(bytes, into)
    })
}

/// Unpacks a batch that was checked against its body: the buffers at the `wanted` places, while others
/// become empty.
///
/// # Errors
/// When one of them is damaged, or there is not so much memory.
pub(super) fn unpack(
    batch: FlatBatch<'_>,
    body: &[u8],
    codec: Codec,
    at: u64,
    wanted: Range<usize>,
) -> Result<Unpacked, IpcError> {
    let damaged =
        |found: String| IpcError::invalid("a compressed buffer", at, "one that is whole", found);
    let packed = |(index, place): (usize, &Place)| {
        if !wanted.contains(&index) {
            return Some(Packed::Stored(&[]));
        }
        let start = usize::try_from(place.offset()).ok()?;
        let len = usize::try_from(place.length()).ok()?;
        Packed::read(body.get(start..start.checked_add(len)?)?)
    };
    let packed: Option<Vec<_>> =
        batch.buffers().into_iter().flatten().enumerate().map(packed).collect();
    let packed = packed.ok_or_else(|| damaged("no length".to_owned()))?;

    let (mut places, mut end) = (Vec::with_capacity(packed.len()), 0);
    for buffer in &packed {
        places.push(end);
        end += buffer.len().next_multiple_of(ALIGNMENT);
    }
    let failed = |error: io::Error| damaged(error.to_string());
    let mut region = Region::take_to_stay(end).map_err(failed)?;
    for (buffer, start) in packed.iter().zip(&places) {
        buffer.unpack(codec, &mut region[*start..][..buffer.len()]).map_err(failed)?;
    }
    let places = places.iter().zip(&packed).map(|(start, buffer)| {
        // What lies in memory is shorter than i64::MAX.
        Place::new((*start as u64).cast_signed(), (buffer.len() as u64).cast_signed())
    });
    Ok(Unpacked { table: table(batch, &places.collect::<Vec<_>>()), body: region.freeze(end) })
}

/// The same batch, uncompressed and with its buffers elsewhere.
fn table(batch: FlatBatch<'_>, buffers: &[Place]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let table = copy_table(&mut builder, batch, buffers, None);
    builder.finish(table, None);
    builder.finished_data().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        match codec {
            Codec::Zstd => zstd::bulk::compress(bytes, 1).unwrap(),
            Codec::Lz4 => {
                let mut frame = vec![0; bytes.len() + 100];
                let len = lz4::pack(bytes, &mut frame).unwrap();
                frame.truncate(len);
                frame
            }
            Codec::Uncompressed => bytes.to_vec(),
        }
    }

    fn with_length(length: i64, bytes: &[u8]) -> Vec<u8> {
        [&length.to_le_bytes(), bytes].concat()
    }

    #[test]
    fn a_buffer_is_what_its_length_says_or_damaged() {
        let plain: Vec<u8> = (0..100_000u32).map(|n| (n / 300).to_le_bytes()[0]).collect();
        for codec in [Codec::Zstd, Codec::Lz4] {
            let packed = compressed(codec, &plain);
            let unpack = |length: usize| {
                let bytes = with_length((length as u64).cast_signed(), &packed);
                let buffer = Packed::read(&bytes).unwrap();
                let mut into = vec![0; buffer.len()];
                buffer.unpack(codec, &mut into).map(|()| into)
            };
            assert_eq!(unpack(plain.len()).unwrap(), plain);
            unpack(plain.len() - 1).unwrap_err();
            unpack(plain.len() + 1).unwrap_err();
            let stored = with_length(STORED, &plain);
            let mut into = vec![0; plain.len()];
            Packed::read(&stored).unwrap().unpack(codec, &mut into).unwrap();
            assert_eq!(into, plain);
        }
        assert!(Packed::read(&[1, 2, 3]).is_none());
        assert!(Packed::read(&with_length(-2, b"")).is_none());
        assert_eq!(Packed::read(b"").unwrap().len(), 0);
    }
}
