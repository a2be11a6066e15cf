//! Long parts of a mapped file, read into memory that is used over and over.
//!
//! A map's pages are had and given back one by one, which costs several times as much as copying what
//! they hold. What is only looked at here and there is better read where it is mapped.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::file_part::{FilePart, can_tell};

/// Parts that are shorter are left where they lie: 128 KiB.
const LONG: usize = 128 << 10;

/// A mapped file that can also be read.
#[derive(Debug)]
pub(crate) struct Rereader {
    file: Arc<File>,
    /// Where it is mapped, as addresses that are only compared.
    mapped: Range<usize>,
    can_tell: bool,
}

impl Rereader {
    pub(crate) fn new(file: File, map: &Buffer) -> Self {
        let start = map.as_ptr() as usize;
        let can_tell = can_tell(&file);
        Self { file: Arc::new(file), mapped: start..start + map.len(), can_tell }
    }

    /// As on a system that tells what it has in memory, or does not.
    #[cfg(test)]
    pub(crate) fn that_can_tell(self, can_tell: bool) -> Self {
        Self { can_tell, ..self }
    }

    /// Whether parts can be read without waiting for a disk, as far as they are in memory.
    pub(crate) fn can_tell(&self) -> bool {
        self.can_tell
    }

    /// A piece of the map as a part of the file, if it is a long one.
    pub(crate) fn part(&self, piece: &Buffer) -> Option<FilePart> {
        let at = piece.as_ptr() as usize;
        let is_part = piece.len() >= LONG && self.mapped.contains(&at);
        is_part.then(|| {
            FilePart::new(Arc::clone(&self.file), (at - self.mapped.start) as u64, piece.clone())
        })
    }

    /// The same bytes, read if they are a long part of the file.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    pub(crate) fn read(&self, piece: &Buffer) -> io::Result<Buffer> {
        self.part(piece).map_or_else(|| Ok(piece.clone()), |part| part.read_all(|_| {}))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::mapped_file;
    use super::*;

    #[test]
    fn long_pieces_are_read_and_others_left_where_they_lie() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> =
            (0..5 * LONG).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        file.write_all(&bytes).unwrap();
        let (map, _pages, _unmapped) = mapped_file::map(&file).unwrap();
        let rereader = Rereader::new(file, &map);
        let mapped = |piece: &Buffer| rereader.mapped.contains(&(piece.as_ptr() as usize));
        let read = |piece: &Buffer| {
            let read = rereader.read(piece).unwrap();
            assert_eq!(read, *piece);
            read
        };
        for at in [LONG, 77, 0] {
            let short = map.slice_with_length(at, 10);
            assert!(mapped(&read(&short)));
            let long = map.slice_with_length(at, 2 * LONG + at);
            let read = read(&long);
            assert_eq!(read, long);
            assert!(!mapped(&read));
        }
    }
}
