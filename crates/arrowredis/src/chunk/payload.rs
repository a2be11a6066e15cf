//! A value to store, in pieces that lie where they were found or made.

use arrow_buffer::Buffer;

/// The bytes of a value, in order, not necessarily contiguous.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    pieces: Vec<Buffer>,
    len: usize,
}

impl Payload {
    /// The pieces in order.
    pub fn pieces(&self) -> &[Buffer] {
        &self.pieces
    }

    /// Length of all pieces together, in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One contiguous copy.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        self.pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self { pieces: vec![Buffer::from_vec(bytes)], len }
    }
}

impl From<(Vec<Buffer>, usize)> for Payload {
    fn from((pieces, len): (Vec<Buffer>, usize)) -> Self {
        debug_assert_eq!(pieces.iter().map(Buffer::len).sum::<usize>(), len);
        Self { pieces, len }
    }
}
