//! A value that lies in a file and is read while it is sent.

use std::io;

use arrow_buffer::Buffer;

use super::Payload;
use crate::checksum::{Checksum, RunningChecksum};
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
    /// Its bytes, wherever they lie.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &Buffer {
        match self {
            Self::Here(bytes) => bytes,
            Self::InFile(part) => part.mapped(),
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

    /// The same, where it is mapped.
    #[cfg(test)]
    pub(crate) fn mapped(&self) -> Payload {
        let bytes = self.pieces.iter().map(Piece::bytes).cloned();
        (bytes.collect::<Vec<_>>(), self.len).into()
    }

    /// The same, read into memory and summed up.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    pub(crate) fn read(&self) -> io::Result<(Payload, Checksum)> {
        let mut sum = RunningChecksum::default();
        let read = |piece: &Piece| match piece {
            Piece::Here(bytes) => {
                sum.add(bytes);
                Ok(bytes.clone())
            }
            Piece::InFile(part) => part.read_all(|some| sum.add(some)),
        };
        let pieces = self.pieces.iter().map(read).collect::<io::Result<Vec<_>>>()?;
        Ok(((pieces, self.len).into(), sum.finish()))
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;
    use crate::ipc::mapped_file;

    /// A value of pieces of so many bytes, and the file that it lies in.
    pub(crate) fn written(lengths: &[usize]) -> (Forwarded, File) {
        let len = lengths.iter().sum();
        let bytes: Vec<u8> = (0..len).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before").unwrap();
        file.write_all(&bytes).unwrap();
        let (map, _pages, _unmapped) = mapped_file::map(&file).unwrap();
        let mut at = 6;
        let piece = |length: &usize| {
            at += length;
            map.slice_with_length(at - length, *length)
        };
        let value = (lengths.iter().map(piece).collect::<Vec<_>>(), len).into();
        let rereader = Rereader::new(file.try_clone().unwrap(), &map);
        (Forwarded::of(&value, &rereader).unwrap(), file)
    }

    #[test]
    fn only_long_pieces_are_left_in_the_file() {
        let (value, _file) = written(&[10, 1 << 20, 20, 128 << 10]);
        let is_here = |piece: &Piece| matches!(piece, Piece::Here(_));
        let here: Vec<_> = value.pieces().iter().map(is_here).collect();
        assert_eq!(here, [true, false, true, false]);
        let lengths: Vec<_> = value.pieces().iter().map(Piece::len).collect();
        assert_eq!(lengths, [10, 1 << 20, 20, 128 << 10]);
        let mapped = value.mapped();
        assert!(mapped.len() == value.len() && !value.is_empty());
        assert_eq!(Checksum::of(&mapped.to_vec()), Checksum::of_payload(&mapped));
    }

    #[test]
    fn a_value_without_a_long_piece_is_none_that_is_forwarded() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let (map, _pages, _unmapped) = mapped_file::map(&file).unwrap();
        let rereader = Rereader::new(file, &map);
        let short = (vec![map.slice_with_length(0, 1_000)], 1_000).into();
        assert!(Forwarded::of(&short, &rereader).is_none());
        let elsewhere = vec![7; 1 << 20].into();
        assert!(Forwarded::of(&elsewhere, &rereader).is_none());
    }
}
