//! One batch as an Arrow IPC stream, and back.

use std::str::FromStr;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use bytes::Bytes;

use crate::Failure;

#[derive(Clone, Copy)]
pub(crate) struct Codec(Option<CompressionType>);

impl FromStr for Codec {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        match name {
            "uncompressed" => Ok(Self(None)),
            "lz4" => Ok(Self(Some(CompressionType::LZ4_FRAME))),
            "zstd" => Ok(Self(Some(CompressionType::ZSTD))),
            _ => Err("expected uncompressed, lz4 or zstd".into()),
        }
    }
}

pub(crate) fn encode(batch: &RecordBatch, codec: Codec) -> Result<Vec<u8>, Failure> {
    let options = IpcWriteOptions::default().try_with_compression(codec.0)?;
    let out = Vec::with_capacity(batch.get_array_memory_size());
    let mut writer = StreamWriter::try_new_with_options(out, &batch.schema(), options)?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}

pub(crate) fn decode(value: Bytes) -> Result<Vec<RecordBatch>, Failure> {
    let mut rest = Buffer::from(value);
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        batches.extend(decoder.decode(&mut rest)?);
    }
    decoder.finish()?;
    Ok(batches)
}
