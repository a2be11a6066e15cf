//! A value that lies in a file and is read while it is sent.

use arrow_buffer::Buffer;

use super::Payload;
use crate::dataset::ChunkId;
use crate::ipc::file_part::FilePart;
use crate::ipc::reread::Rereader;

/// The bytes of a value, in order, most of them in a file.
#[derive(Debug, Clone)]
pub struct Forwarded {
    pieces: Vec<Piece>,
    len: usize,
}

/// Some bytes that are sent.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// They lie in memory.
    Here(Buffer),
    /// They are still to be read.
    InFile(FilePart),
}

impl Piece {
    /// Its bytes, if they lie in memory.
    pub(crate) fn in_memory(&self) -> Option<&[u8]> {
        match self {
            Self::Here(bytes) => Some(bytes),
            Self::InFile(_) => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::InFile(part) => part.len(),
        }
    }
}

/// A chunk whose value nobody has looked at.
#[derive(Debug)]
pub(crate) struct ForwardedChunk {
    pub(crate) id: ChunkId,
    pub(crate) rows: u64,
    pub(crate) value: Forwarded,
}

impl Forwarded {
    /// A value whose pieces lie where a file is mapped. Nothing if none of them is long enough to be read
    /// rather than looked at there.
    pub(crate) fn of(value: &Payload, rereader: &Rereader) -> Option<Self> {
        let piece = |piece: &Buffer| match rereader.part(piece) {
            Some(part) => Piece::InFile(part),
            None => Piece::Here(piece.clone()),
        };
        let pieces: Vec<_> = value.pieces().iter().map(piece).collect();
        let any = pieces.iter().any(|piece| matches!(piece, Piece::InFile(_)));
        any.then(|| Self { pieces, len: value.len() })
    }

    /// Length of all pieces together, in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same, where it is mapped: a store looks at it there that does not send it.
    pub fn mapped(&self) -> Payload {
        let piece = |piece: &Piece| match piece {
            Piece::Here(bytes) => bytes.clone(),
            Piece::InFile(part) => part.mapped().clone(),
        };
        (self.pieces.iter().map(piece).collect::<Vec<_>>(), self.len).into()
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}
