//! How messages are laid one after another, in a chunk, a file or a stream.
//!
//! Every body begins at a multiple of 64 bytes of the whole: the metadata before it is padded as
//! far as that takes, which the format allows. A reader whose memory is aligned then uses the
//! buffers where they lie.

use arrow_buffer::Buffer;

use super::IpcError;
use super::message::CONTINUATION;

/// What bodies are aligned to: a cache line, and the alignment that Arrow recommends.
pub(crate) const ALIGNMENT: usize = 64;

/// The mark that ends a stream.
pub(crate) const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Bytes before a message's metadata: the continuation marker and the length.
const PREFIX_BYTES: usize = 8;

const PADDING: [u8; ALIGNMENT] = [0; ALIGNMENT];

/// A message's prefix and the padding between its metadata and its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) prefix: [u8; PREFIX_BYTES],
    pub(crate) padding: &'static [u8],
    /// Bytes from the message's start to its body.
    pub(crate) len: usize,
}

impl Head {
    /// The head of a message that begins `position` bytes into the whole.
    pub(crate) fn at(position: u64, metadata: &[u8]) -> Result<Self, IpcError> {
        // Only the remainder matters, and it is less than ALIGNMENT.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder by 64 fits anything")]
        let before = (position % ALIGNMENT as u64) as usize;
        let end = before + PREFIX_BYTES + metadata.len();
        let padding = end.next_multiple_of(ALIGNMENT) - end;
        let length = i32::try_from(metadata.len() + padding).map_err(|_| {
            let expected = "metadata of less than 2 GiB";
            IpcError::invalid("a message", position, expected, metadata.len())
        })?;
        let mut prefix = [0; PREFIX_BYTES];
        prefix[..4].copy_from_slice(&CONTINUATION);
        prefix[4..].copy_from_slice(&length.to_le_bytes());
        let len = PREFIX_BYTES + metadata.len() + padding;
        Ok(Self { prefix, padding: &PADDING[..padding], len })
    }
}

/// How long a stream becomes, message by message.
#[derive(Debug, Default)]
pub(crate) struct Length(usize);

impl Length {
    /// Counts a message with a body of so many bytes.
    pub(crate) fn message(&mut self, metadata: &[u8], body: usize) -> Result<(), IpcError> {
        self.0 += Head::at(self.0 as u64, metadata)?.len + body;
        Ok(())
    }

    /// Counts the end mark; returns the length in bytes.
    pub(crate) fn finish(self) -> usize {
        self.0 + END_OF_STREAM.len()
    }
}

/// A stream in the making, as pieces of memory that are not copied together.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pieces: Vec<Buffer>,
    len: usize,
}

impl Pieces {
    /// Appends a message whose body is in pieces.
    pub(crate) fn message(&mut self, metadata: &Buffer, body: &[Buffer]) -> Result<(), IpcError> {
        let head = Head::at(self.len as u64, metadata)?;
        self.piece(Buffer::from(&head.prefix));
        self.piece(metadata.clone());
        self.piece(Buffer::from(head.padding));
        body.iter().for_each(|piece| self.piece(piece.clone()));
        Ok(())
    }

    /// Appends the end mark; returns the pieces and their total length in bytes.
    pub(crate) fn finish(mut self) -> (Vec<Buffer>, usize) {
        self.piece(Buffer::from(&END_OF_STREAM));
        (self.pieces, self.len)
    }

    fn piece(&mut self, piece: Buffer) {
        self.len += piece.len();
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }
}
