//! Long parts of a mapped file, read into memory that is used over and over.
//!
//! A map's pages are had and given back one by one, which costs several times as much as copying what
//! they hold. What is only looked at here and there is better read where it is mapped.

use std::fs::File;
use std::io;
use std::ops::Range;

use arrow_buffer::Buffer;

use crate::region::Region;

/// Parts that are shorter are left where they lie: 128 KiB.
const LONG: usize = 128 << 10;

/// Bytes that are read at once: they are looked at while they are in a core's own cache, which is 256 KiB
/// or more, and there is half of it for what else goes on.
#[cfg(unix)]
const AT_ONCE: usize = 128 << 10;

/// A mapped file that can also be read.
#[derive(Debug)]
pub(crate) struct Rereader {
    #[cfg_attr(not(unix), expect(dead_code, reason = "there parts are used as they are mapped"))]
    file: File,
    /// Where it is mapped, as addresses that are only compared.
    mapped: Range<usize>,
}

impl Rereader {
    pub(super) fn new(file: File, map: &Buffer) -> Self {
        let start = map.as_ptr() as usize;
        Self { file, mapped: start..start + map.len() }
    }

    /// The same bytes, read if they are a long part of the file. `seen` is given all of them in order, when
    /// they have just been read.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    #[cfg(unix)]
    pub(crate) fn read(&self, piece: &Buffer, mut seen: impl FnMut(&[u8])) -> io::Result<Buffer> {
        use std::os::unix::fs::FileExt;

        let at = piece.as_ptr() as usize;
        if piece.len() < LONG || !self.mapped.contains(&at) {
            seen(piece);
            return Ok(piece.clone());
        }
        let mut region = Region::take(piece.len())?;
        let mut from = (at - self.mapped.start) as u64;
        for some in region.chunks_mut(AT_ONCE) {
            self.file.read_exact_at(some, from)?;
            seen(some);
            from += some.len() as u64;
        }
        Ok(region.freeze(piece.len()))
    }

    /// The same bytes. `seen` is given them, too.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub(crate) fn read(&self, piece: &Buffer, mut seen: impl FnMut(&[u8])) -> io::Result<Buffer> {
        seen(piece);
        Ok(piece.clone())
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
            let mut seen = Vec::new();
            let read = rereader.read(piece, |some| seen.extend_from_slice(some)).unwrap();
            assert_eq!(seen, piece.as_slice());
            read
        };
        for at in [LONG, 77, 0] {
            let short = map.slice_with_length(at, 10);
            assert!(mapped(&read(&short)));
            let long = map.slice_with_length(at, 2 * LONG + at);
            let read = read(&long);
            assert_eq!(read, long);
            assert_eq!(mapped(&read), cfg!(not(unix)));
        }
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 2 * LONG]).unwrap();
        let (map, _pages, _unmapped) = mapped_file::map(&file).unwrap();
        file.set_len(LONG as u64).unwrap();
        let rereader = Rereader::new(file, &map);
        assert!(rereader.read(&map, |_| {}).is_err() || cfg!(not(unix)));
    }
}
