//! An Arrow file's buffers as they lie in it, batch by batch. Dictionaries, which it holds once, are
//! left out.

use arrow_ipc::{CompressionType, root_as_footer, root_as_message};

use crate::Failure;

/// The end of a file: the footer's length, and the mark.
const TRAILER_BYTES: usize = 10;
const MARK: &[u8] = b"ARROW1";
/// What stands before a message's metadata: the mark of a continuation and the length.
const PREFIX_BYTES: usize = 8;
/// What stands before a compressed buffer: its length without compression.
const LENGTH_BYTES: usize = 8;
/// In place of that length: the buffer is not compressed after all.
const RAW: i64 = -1;

/// The buffers of one batch.
pub(crate) struct Batch<'a> {
    pub(crate) compression: Option<CompressionType>,
    pub(crate) buffers: Vec<Stored<'a>>,
}

/// A buffer as it is in the file, and how long it is in memory.
pub(crate) struct Stored<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) raw_length: usize,
    pub(crate) compressed: bool,
}

/// Fails on what is not an Arrow file as this project or pyarrow writes it.
pub(crate) fn batches(file: &[u8]) -> Result<Vec<Batch<'_>>, Failure> {
    let end = file.len().checked_sub(TRAILER_BYTES).ok_or("the file is too short")?;
    let (length, mark) = file[end..].split_at(TRAILER_BYTES - MARK.len());
    if mark != MARK {
        return Err("expected an Arrow file".into());
    }
    let length = usize::try_from(i32::from_le_bytes(length.try_into()?))?;
    let footer = root_as_footer(slice(file, end - length.min(end), length)?)
        .map_err(|error| format!("footer: {error}"))?;
    let blocks = footer.recordBatches().ok_or("the file has no batches")?;
    blocks
        .iter()
        .map(|block| {
            let start = usize::try_from(block.offset())?;
            let metadata_length = usize::try_from(block.metaDataLength())?;
            let metadata = slice(file, start, metadata_length)?;
            let body = slice(file, start + metadata_length, usize::try_from(block.bodyLength())?)?;
            batch(metadata.get(PREFIX_BYTES..).ok_or("a message is too short")?, body)
        })
        .collect()
}

fn batch<'a>(metadata: &[u8], body: &'a [u8]) -> Result<Batch<'a>, Failure> {
    let message = root_as_message(metadata).map_err(|error| format!("message: {error}"))?;
    let header = message.header_as_record_batch().ok_or("expected a record batch")?;
    let compression = header.compression().map(|compression| compression.codec());
    let buffers = header
        .buffers()
        .into_iter()
        .flatten()
        .filter(|buffer| buffer.length() > 0)
        .map(|buffer| {
            let bytes =
                slice(body, usize::try_from(buffer.offset())?, usize::try_from(buffer.length())?)?;
            stored(bytes, compression.is_some())
        })
        .collect::<Result<_, _>>()?;
    Ok(Batch { compression, buffers })
}

fn stored(bytes: &[u8], has_length: bool) -> Result<Stored<'_>, Failure> {
    if !has_length {
        return Ok(Stored { bytes, raw_length: bytes.len(), compressed: false });
    }
    let (length, bytes) = bytes.split_at_checked(LENGTH_BYTES).ok_or("a buffer is too short")?;
    match i64::from_le_bytes(length.try_into()?) {
        RAW => Ok(Stored { bytes, raw_length: bytes.len(), compressed: false }),
        length => Ok(Stored { bytes, raw_length: usize::try_from(length)?, compressed: true }),
    }
}

fn slice(bytes: &[u8], start: usize, length: usize) -> Result<&[u8], Failure> {
    let end = start.checked_add(length).ok_or("a place beyond all files")?;
    bytes.get(start..end).ok_or_else(|| "a place beyond the file's end".into())
}
