//! Checks what a batch's metadata says about its body, before anything is sliced or allocated by it.
//!
//! The Arrow library trusts these numbers: an offset past the body panics in it, and a forged
//! uncompressed length aborts the process. What is inside the buffers (offsets into values, UTF-8,
//! dictionary keys) is left to the library's own validation.

use std::ops::Range;

use arrow_buffer::Buffer;
use arrow_ipc::{
    BodyCompressionMethod, CompressionType, FieldNode, MetadataVersion, RecordBatch as FlatBatch,
};
use arrow_schema::{DataType, Field, Fields, UnionMode};

use super::{Codec, IpcError};

/// Most bytes that the buffers of one batch may decompress to: 4 GiB. A Redis value holds 512 MB,
/// and a batch that unpacks to more than eight times that is a forgery or needs to be divided.
pub(crate) const MAX_DECODED_BYTES: u64 = 4 << 30;

/// Most rows of one batch: 2^40. A batch without buffers could claim any number, and sums of such
/// numbers would overflow.
const MAX_ROWS: u64 = 1 << 40;

/// The uncompressed length that marks a buffer stored as it is within a compressed batch.
pub(super) const STORED: i64 = -1;

/// Bytes that a compressed buffer's uncompressed length takes, before the compressed bytes.
const LENGTH_PREFIX: u64 = 8;

/// What the metadata of a batch tells without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchShape {
    pub(crate) rows: u64,
    pub(crate) codec: Codec,
    /// Bytes of all buffers once decompressed.
    pub(crate) decoded_bytes: u64,
}

impl BatchShape {
    /// Bytes that decoding adds to memory: nothing where the arrays can share the message's own.
    pub(crate) fn bytes_to_decode(&self) -> u64 {
        match self.codec {
            Codec::Uncompressed => 0,
            Codec::Zstd | Codec::Lz4 => self.decoded_bytes,
        }
    }
}

/// Checks a batch against its body and the fields that it should hold.
pub(crate) fn check_batch(
    batch: FlatBatch<'_>,
    body: &Buffer,
    fields: &Fields,
    version: MetadataVersion,
    at: u64,
) -> Result<BatchShape, IpcError> {
    let codec = codec(batch, at)?;
    let rows = u64::try_from(batch.length()).ok().filter(|rows| *rows <= MAX_ROWS);
    let Some(rows) = rows else {
        let expected = format!("0 to {MAX_ROWS}");
        return Err(IpcError::invalid("a batch's row count", at, expected, batch.length()));
    };
    let mut walk = Walk::over(batch, body, codec, version, at);
    for field in fields {
        let nulls = walk.nodes.as_slice().first().map_or(0, |node| node.null_count());
        if nulls > 0 && !field.is_nullable() && *field.data_type() != DataType::Null {
            let expected =
                format!("no nulls in column {:?}, whose type forbids them", field.name());
            return Err(IpcError::invalid("a batch", at, expected, nulls));
        }
        let length = walk.field(field)?;
        if length != rows {
            let expected = format!("{rows} rows in column {:?}", field.name());
            return Err(IpcError::invalid("a batch's metadata", at, expected, length));
        }
    }
    let left = (walk.nodes.len(), walk.buffers.len(), walk.variadic.len());
    if left != (0, 0, 0) {
        let found = format!("{}, {} and {} too many", left.0, left.1, left.2);
        let expected = "as many nodes, buffers and variadic counts as the schema needs";
        return Err(IpcError::invalid("a batch's metadata", at, expected, found));
    }
    Ok(BatchShape { rows, codec, decoded_bytes: walk.decoded_bytes })
}

/// What belongs to one column, as places among a batch's nodes and among its buffers.
#[derive(Debug)]
pub(super) struct ColumnSpan {
    pub(super) nodes: Range<usize>,
    pub(super) buffers: Range<usize>,
}

impl ColumnSpan {
    /// Looks it up in a batch that was checked against these fields; `column` is a place among them.
    pub(super) fn of(
        column: usize,
        batch: FlatBatch<'_>,
        body: &Buffer,
        fields: &Fields,
        version: MetadataVersion,
        at: u64,
    ) -> Result<Self, IpcError> {
        let mut walk = Walk::over(batch, body, codec(batch, at)?, version, at);
        let (nodes, buffers) = (walk.nodes.len(), walk.buffers.len());
        let passed = |walk: &Walk<'_>| (nodes - walk.nodes.len(), buffers - walk.buffers.len());
        for field in fields.iter().take(column) {
            walk.field(field)?;
        }
        let start = passed(&walk);
        if let Some(field) = fields.get(column) {
            walk.field(field)?;
        }
        let end = passed(&walk);
        Ok(Self { nodes: start.0..end.0, buffers: start.1..end.1 })
    }
}

fn codec(batch: FlatBatch<'_>, at: u64) -> Result<Codec, IpcError> {
    let Some(compression) = batch.compression() else {
        return Ok(Codec::Uncompressed);
    };
    if compression.method() != BodyCompressionMethod::BUFFER {
        let found = format!("{:?}", compression.method());
        return Err(IpcError::invalid("a batch's compression", at, "BUFFER", found));
    }
    match compression.codec() {
        CompressionType::ZSTD => Ok(Codec::Zstd),
        CompressionType::LZ4_FRAME => Ok(Codec::Lz4),
        other => Err(IpcError::invalid("a batch's codec", at, "ZSTD or LZ4_FRAME", other.0)),
    }
}

/// The format's depth-first walk over fields, which takes nodes and buffers in order.
struct Walk<'a> {
    nodes: std::vec::IntoIter<&'a FieldNode>,
    buffers: std::vec::IntoIter<&'a arrow_ipc::Buffer>,
    variadic: std::vec::IntoIter<i64>,
    body: &'a Buffer,
    codec: Codec,
    version: MetadataVersion,
    at: u64,
    stored_bytes: u64,
    decoded_bytes: u64,
}

impl<'a> Walk<'a> {
    fn over(
        batch: FlatBatch<'a>,
        body: &'a Buffer,
        codec: Codec,
        version: MetadataVersion,
        at: u64,
    ) -> Self {
        let nodes: Vec<_> = batch.nodes().into_iter().flatten().collect();
        let buffers: Vec<_> = batch.buffers().into_iter().flatten().collect();
        let variadic: Vec<_> = batch.variadicBufferCounts().into_iter().flatten().collect();
        Self {
            nodes: nodes.into_iter(),
            buffers: buffers.into_iter(),
            variadic: variadic.into_iter(),
            body,
            codec,
            version,
            at,
            stored_bytes: 0,
            decoded_bytes: 0,
        }
    }

    /// Checks one column and what is inside it; returns its length.
    fn field(&mut self, field: &Field) -> Result<u64, IpcError> {
        use DataType as T;
        let (length, nulls) = self.node(field)?;
        match field.data_type() {
            T::Null => {}
            T::Boolean => {
                self.validity(length, nulls)?;
                self.buffer(length.div_ceil(8))?;
            }
            T::FixedSizeBinary(width) => {
                self.validity(length, nulls)?;
                self.buffer(length.saturating_mul(u64::try_from(*width).unwrap_or(0)))?;
            }
            T::Utf8 | T::Binary => self.variable_width(length, nulls, 4)?,
            T::LargeUtf8 | T::LargeBinary => self.variable_width(length, nulls, 8)?,
            T::Utf8View | T::BinaryView => self.views(length, nulls)?,
            T::List(child) | T::Map(child, _) => {
                self.validity(length, nulls)?;
                self.offsets(length, 4)?;
                self.field(child)?;
            }
            T::LargeList(child) => {
                self.validity(length, nulls)?;
                self.offsets(length, 8)?;
                self.field(child)?;
            }
            T::ListView(child) => self.list_view(child, length, nulls, 4)?,
            T::LargeListView(child) => self.list_view(child, length, nulls, 8)?,
            T::FixedSizeList(child, _) => {
                self.validity(length, nulls)?;
                self.field(child)?;
            }
            T::Struct(fields) => {
                self.validity(length, nulls)?;
                for child in fields {
                    self.field(child)?;
                }
            }
            T::Union(fields, mode) => {
                // Until V4 a union had a validity bitmap; since V5 it has none.
                if self.version < MetadataVersion::V5 {
                    self.buffer(0)?;
                }
                self.buffer(length)?;
                if *mode == UnionMode::Dense {
                    self.aligned(4)?;
                    self.values(length, 4)?;
                }
                for (_, child) in fields.iter() {
                    self.field(child)?;
                }
            }
            T::Dictionary(keys, _) => self.fixed_width(keys, length, nulls)?,
            T::RunEndEncoded(ends, values) => {
                // V4 gives it a validity bitmap, which the library's reader does not expect.
                if self.version < MetadataVersion::V5 {
                    let what = "run-end encoding in metadata version V4 (in V5 it is)".to_owned();
                    return Err(IpcError::Unsupported { what });
                }
                self.field(ends)?;
                self.field(values)?;
            }
            other => self.fixed_width(other, length, nulls)?,
        }
        Ok(length)
    }

    fn fixed_width(
        &mut self,
        data_type: &DataType,
        length: u64,
        nulls: u64,
    ) -> Result<(), IpcError> {
        let width = data_type
            .primitive_width()
            .ok_or_else(|| IpcError::Unsupported { what: format!("the type {data_type}") })?;
        self.validity(length, nulls)?;
        self.values(length, width as u64)
    }

    fn variable_width(&mut self, length: u64, nulls: u64, offset: u64) -> Result<(), IpcError> {
        self.validity(length, nulls)?;
        self.offsets(length, offset)?;
        self.buffer(0)
    }

    fn list_view(
        &mut self,
        child: &Field,
        length: u64,
        nulls: u64,
        offset: u64,
    ) -> Result<(), IpcError> {
        self.validity(length, nulls)?;
        self.values(length, offset)?;
        self.values(length, offset)?;
        self.field(child).map(drop)
    }

    fn views(&mut self, length: u64, nulls: u64) -> Result<(), IpcError> {
        const VIEW_BYTES: u64 = 16;
        self.validity(length, nulls)?;
        self.values(length, VIEW_BYTES)?;
        let count = self.variadic.next().and_then(|count| usize::try_from(count).ok());
        let left = self.buffers.len();
        let Some(count) = count.filter(|count| *count <= left) else {
            let expected = format!("at most the {left} buffers that are left");
            return Err(self.invalid("a view column's buffer count", expected, "none or more"));
        };
        (0..count).try_for_each(|_| self.buffer(0))
    }

    fn node(&mut self, field: &Field) -> Result<(u64, u64), IpcError> {
        let Some(node) = self.nodes.next() else {
            let expected = format!("a node for {:?}", field.name());
            return Err(self.invalid("a batch's metadata", expected, "none"));
        };
        match (u64::try_from(node.length()), u64::try_from(node.null_count())) {
            (Ok(length), Ok(nulls)) if nulls <= length => Ok((length, nulls)),
            _ => {
                let found = format!("length {}, nulls {}", node.length(), node.null_count());
                let expected = format!("a length and null count for {:?}", field.name());
                Err(self.invalid("a batch's metadata", expected, found))
            }
        }
    }

    fn validity(&mut self, length: u64, nulls: u64) -> Result<(), IpcError> {
        self.buffer(if nulls == 0 { 0 } else { length.div_ceil(8) })
    }

    /// One offset more than there are values, except that an empty column may have none at all.
    fn offsets(&mut self, length: u64, width: u64) -> Result<(), IpcError> {
        let count = if length == 0 { 0 } else { length.saturating_add(1) };
        self.values(count, width)
    }

    /// So many values of one width or more, and no part of one, in which the library would panic.
    fn values(&mut self, count: u64, width: u64) -> Result<(), IpcError> {
        let decoded = self.buffer_of(count.saturating_mul(width))?;
        if !decoded.is_multiple_of(width) {
            let expected = format!("whole values of {width} bytes");
            return Err(self.invalid("a buffer", expected, format!("{decoded} bytes")));
        }
        Ok(())
    }

    /// Checks that the next buffer begins at a multiple of so many bytes of the body. The format demands
    /// it of all, and the library takes most others as they lie; in these it panics.
    fn aligned(&self, width: i64) -> Result<(), IpcError> {
        match self.buffers.as_slice().first() {
            Some(buffer) if buffer.offset() % width != 0 => {
                let expected = format!("a multiple of {width} as its offset");
                Err(self.invalid("a buffer", expected, buffer.offset()))
            }
            _ => Ok(()),
        }
    }

    fn buffer(&mut self, needed: u64) -> Result<(), IpcError> {
        self.buffer_of(needed).map(drop)
    }

    /// Checks that the next buffer lies in the body and decompresses to at least `needed` bytes; returns
    /// to how many.
    fn buffer_of(&mut self, needed: u64) -> Result<u64, IpcError> {
        let Some(buffer) = self.buffers.next() else {
            return Err(self.invalid("a batch's metadata", "another buffer".to_owned(), "none"));
        };
        let body = self.body.len() as u64;
        let span = match (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) {
            (Ok(offset), Ok(length)) if offset.checked_add(length).is_some_and(|e| e <= body) => {
                Some((offset, length))
            }
            _ => None,
        };
        let Some((offset, length)) = span else {
            let found = format!("{} bytes at {}", buffer.length(), buffer.offset());
            let expected = format!("inside the body of {body} bytes");
            return Err(self.invalid("a buffer", expected, found));
        };
        // The format lays buffers end to end. If they could lie on one another, a small body would stand
        // for any number of its own copies.
        self.stored_bytes += length;
        if self.stored_bytes > body {
            let expected = format!("buffers that do not overlap in the body of {body} bytes");
            let found = format!("{} bytes so far", self.stored_bytes);
            return Err(self.invalid("a batch's metadata", expected, found));
        }
        let decoded = self.decoded_length(offset, length)?;
        if decoded < needed {
            return Err(self.invalid("a buffer", format!("{needed} bytes or more"), decoded));
        }
        self.decoded_bytes = self.decoded_bytes.saturating_add(decoded);
        if self.decoded_bytes > MAX_DECODED_BYTES {
            let expected = format!("at most {MAX_DECODED_BYTES} bytes once decompressed");
            return Err(self.invalid("a batch", expected, self.decoded_bytes));
        }
        Ok(decoded)
    }

    fn decoded_length(&self, offset: u64, length: u64) -> Result<u64, IpcError> {
        if self.codec == Codec::Uncompressed || length == 0 {
            return Ok(length);
        }
        let prefix = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.body.as_slice().get(offset..)?.first_chunk::<8>())
            .filter(|_| length >= LENGTH_PREFIX);
        let Some(prefix) = prefix else {
            let expected = "8 bytes of uncompressed length".to_owned();
            return Err(self.invalid("a compressed buffer", expected, length));
        };
        let stored = length - LENGTH_PREFIX;
        let claimed = i64::from_le_bytes(*prefix);
        if claimed == STORED {
            return Ok(stored);
        }
        let most = stored.saturating_mul(self.codec.max_expansion());
        match u64::try_from(claimed) {
            Ok(claimed) if claimed <= most => Ok(claimed),
            _ => {
                let expected = format!("an uncompressed length that {stored} bytes can stand for");
                Err(self.invalid("a compressed buffer", expected, claimed))
            }
        }
    }

    fn invalid(&self, what: &'static str, expected: String, found: impl ToString) -> IpcError {
        IpcError::invalid(what, self.at, expected, found)
    }
}
