//! One encapsulated message, found and bounded within the bytes that hold it.
//!
//! Layout: an optional continuation marker `FF FF FF FF` (absent before format 0.15), the length
//! of the metadata as a little-endian `i32`, the metadata (a flatbuffer, padded), the body. A
//! metadata length of 0 marks the end of a stream.

use arrow_buffer::Buffer;
use arrow_ipc::convert::MessageBuffer;
use arrow_ipc::{
    Message as FlatMessage, MessageHeader, MetadataVersion, root_as_message_with_opts,
};

use super::IpcError;
use super::unfolding::limits;

pub(crate) const CONTINUATION: [u8; 4] = [0xff; 4];

/// A message whose metadata is verified as a flatbuffer and whose body lies inside the bytes.
///
/// What the metadata says about the body is not checked here; `check` does that.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Where it begins in the file or value, for error messages.
    pub(crate) at: u64,
    /// The flatbuffer, with the padding that it came with.
    pub(crate) metadata: Buffer,
    /// The buffers.
    pub(crate) body: Buffer,
    verified: MessageBuffer,
}

/// What stands at a place in a stream of messages.
pub(crate) enum Next {
    /// A message, and where the one after it begins.
    Message(Message, usize),
    /// The end mark, and where it ends.
    End(usize),
}

impl Message {
    /// Reads what begins at byte `at` of `bytes`.
    pub(crate) fn read(bytes: &Buffer, at: usize) -> Result<Next, IpcError> {
        let place = at as u64;
        let word = |position: usize| -> Result<[u8; 4], IpcError> {
            slice(bytes, "a message's length", position, 4)
                .map(|word| word.as_slice().try_into().expect("the slice has four bytes"))
        };
        let first = word(at)?;
        let (length, start) =
            if first == CONTINUATION { (word(at + 4)?, at + 8) } else { (first, at + 4) };
        let length = i32::from_le_bytes(length);
        if length == 0 {
            return Ok(Next::End(start));
        }
        let length = usize::try_from(length).map_err(|_| {
            IpcError::invalid("a message's length", place, "a positive number", length)
        })?;
        let metadata = slice(bytes, "a message's metadata", start, length)?;
        // Before the library's own, whose limits a message of some KB can use up with a million tables.
        root_as_message_with_opts(&limits(length), &metadata).map_err(|error| {
            IpcError::invalid("a message's metadata", place, "a valid flatbuffer", error)
        })?;
        let verified = MessageBuffer::try_new(metadata.clone())
            .map_err(IpcError::arrow("a message's metadata is damaged"))?;

        let message = verified.as_ref();
        supported(message.version())?;
        let body_length = usize::try_from(message.bodyLength()).map_err(|_| {
            let found = message.bodyLength();
            IpcError::invalid("a message's body length", place, "0 or more", found)
        })?;
        let body = slice(bytes, "a message's body", start + length, body_length)?;
        let end = start + length + body_length;
        Ok(Next::Message(Self { at: place, metadata, body, verified }, end))
    }

    /// Where the next one begins, if this one, which has no body, begins `bytes` as it stands.
    pub(super) fn repeated_by(&self, bytes: &[u8]) -> Option<usize> {
        let framed = bytes.strip_prefix(&CONTINUATION).unwrap_or(bytes);
        let (length, rest) = framed.split_first_chunk::<4>()?;
        let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
        let is_it = length == self.metadata.len() && rest.starts_with(&self.metadata);
        (is_it && self.body.is_empty()).then(|| bytes.len() - rest.len() + length)
    }

    /// The same message with the same bytes as its body, which lie elsewhere.
    pub(super) fn with_body(&self, body: Buffer) -> Self {
        Self { body, ..self.clone() }
    }

    /// The metadata as a flatbuffer table.
    pub(crate) fn header(&self) -> FlatMessage<'_> {
        self.verified.as_ref()
    }

    pub(crate) fn kind(&self) -> MessageHeader {
        self.header().header_type()
    }

    pub(crate) fn version(&self) -> MetadataVersion {
        self.header().version()
    }
}

/// Refuses the metadata versions of other formats than this one.
pub(crate) fn supported(version: MetadataVersion) -> Result<(), IpcError> {
    if (MetadataVersion::V4..=MetadataVersion::V5).contains(&version) {
        return Ok(());
    }
    let what = format!("Arrow metadata version {version:?} (V4 and V5 are)");
    Err(IpcError::Unsupported { what })
}

/// The bytes from `at`, or what is missing.
pub(crate) fn slice(
    bytes: &Buffer,
    what: &'static str,
    at: usize,
    length: usize,
) -> Result<Buffer, IpcError> {
    let left = bytes.len().saturating_sub(at);
    if length > left {
        let (at, needed, left) = (at as u64, length as u64, left as u64);
        return Err(IpcError::Truncated { what, at, needed, left });
    }
    Ok(bytes.slice_with_length(at.min(bytes.len()), length))
}
