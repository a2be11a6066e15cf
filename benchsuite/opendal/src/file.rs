//! An Arrow file whose batches any thread can decode, from the page cache and without a copy.

use std::fs::File;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, root_as_footer};
use bytes::Bytes;
use memmap2::Mmap;

use crate::Failure;

/// The end of a file: the footer's length, and the mark.
const TRAILER_BYTES: usize = 10;

pub(crate) struct ArrowFile {
    bytes: Buffer,
    decoder: FileDecoder,
    blocks: Vec<Block>,
}

impl ArrowFile {
    pub(crate) fn open(path: &str) -> Result<Self, Failure> {
        let bytes = map(path)?;
        let end = bytes.len().checked_sub(TRAILER_BYTES).ok_or("the file is too short")?;
        let length = read_footer_length(bytes[end..].try_into()?)?;
        let footer = bytes.get(end - length.min(end)..end).ok_or("the footer is cut off")?;
        let footer = root_as_footer(footer).map_err(|error| format!("footer: {error}"))?;
        let schema = try_fb_to_schema(footer.schema().ok_or("the footer has no schema")?)?;
        let mut decoder = FileDecoder::new(Arc::new(schema), footer.version());
        for block in footer.dictionaries().into_iter().flatten() {
            decoder.read_dictionary(block, &data(&bytes, block)?)?;
        }
        let blocks = footer.recordBatches().into_iter().flatten().copied().collect();
        // Another handle to the same bytes: the footer still borrows from this one.
        Ok(Self { bytes: bytes.clone(), decoder, blocks })
    }

    pub(crate) fn batches(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn batch(&self, index: usize) -> Result<RecordBatch, Failure> {
        let block = &self.blocks[index];
        let batch = self.decoder.read_record_batch(block, &data(&self.bytes, block)?)?;
        batch.ok_or_else(|| "expected a batch".into())
    }
}

fn map(path: &str) -> Result<Buffer, Failure> {
    let file = File::open(path)?;
    #[expect(unsafe_code, reason = "the suite wrote the file, and nobody changes it meanwhile")]
    let map = unsafe { Mmap::map(&file)? };
    Ok(Buffer::from(Bytes::from_owner(map)))
}

fn data(bytes: &Buffer, block: &Block) -> Result<Buffer, Failure> {
    let start = usize::try_from(block.offset())?;
    let length = usize::try_from(block.metaDataLength())? + usize::try_from(block.bodyLength())?;
    if start.checked_add(length).is_none_or(|end| end > bytes.len()) {
        return Err("a batch lies beyond the file's end".into());
    }
    Ok(bytes.slice_with_length(start, length))
}
