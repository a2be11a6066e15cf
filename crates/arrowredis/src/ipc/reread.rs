//! Long parts of a mapped file, read into memory that is used over and over.
//!
//! A map's pages are had and given back one by one, which costs several times as much as copying what
//! they hold. What is only looked at here and there is better read where it is mapped.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_buffer::Buffer;
use bytes::Bytes;

use crate::checksum::RunningChecksum;
use crate::region::Region;

/// Parts that are shorter are left where they lie: 128 KiB.
const LONG: usize = 128 << 10;

/// Bytes that are read at once: they are summed up while they are in a core's own cache, which is 256 KiB
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
    spare: Arc<Spare>,
}

/// Memory that was used and can be again: never more than was in use at once.
type Spare = Mutex<Vec<Region>>;

impl Rereader {
    pub(super) fn new(file: File, map: &Buffer) -> Self {
        let start = map.as_ptr() as usize;
        Self { file, mapped: start..start + map.len(), spare: Arc::default() }
    }

    /// The same bytes, read if they are a long part of the file, and summed up.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    #[cfg(unix)]
    pub(crate) fn read(&self, piece: &Buffer, sum: &mut RunningChecksum) -> io::Result<Buffer> {
        use std::os::unix::fs::FileExt;

        let at = piece.as_ptr() as usize;
        if piece.len() < LONG || !self.mapped.contains(&at) {
            sum.add(piece);
            return Ok(piece.clone());
        }
        let mut region = self.region(piece.len())?;
        let mut from = (at - self.mapped.start) as u64;
        for some in region.chunks_mut(AT_ONCE) {
            self.file.read_exact_at(some, from)?;
            sum.add(some);
            from += some.len() as u64;
        }
        let lent = Lent { region: Some(region), spare: Arc::clone(&self.spare) };
        Ok(Buffer::from(Bytes::from_owner(lent)))
    }

    /// The same bytes, summed up.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub(crate) fn read(&self, piece: &Buffer, sum: &mut RunningChecksum) -> io::Result<Buffer> {
        sum.add(piece);
        Ok(piece.clone())
    }

    #[cfg_attr(not(unix), expect(dead_code, reason = "there parts are used as they are mapped"))]
    fn region(&self, len: usize) -> io::Result<Region> {
        // Nothing panics under the lock.
        let used = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // One that does not fit is let go of: batches of a file are mostly of about one length.
        match used.and_then(|region| region.resized(len)) {
            Some(region) => Ok(region),
            None => Region::zeroed(len),
        }
    }
}

/// Memory that is spare again once nobody needs it.
struct Lent {
    region: Option<Region>,
    spare: Arc<Spare>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.region.as_deref().unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.extend(self.region.take());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::mapped_file;
    use super::*;
    use crate::checksum::Checksum;

    #[test]
    fn long_pieces_are_read_and_their_memory_is_used_again() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> =
            (0..5 * LONG).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        file.write_all(&bytes).unwrap();
        let (map, _pages, _unmapped) = mapped_file::map(&file).unwrap();
        let rereader = Rereader::new(file, &map);
        let mapped = |piece: &Buffer| rereader.mapped.contains(&(piece.as_ptr() as usize));
        let read = |piece: &Buffer| {
            let mut sum = RunningChecksum::default();
            let read = rereader.read(piece, &mut sum).unwrap();
            assert_eq!(sum.finish(), Checksum::of(piece));
            read
        };
        let mut before = None;
        for at in [LONG, 77, 0] {
            let short = map.slice_with_length(at, 10);
            assert!(mapped(&read(&short)));
            let long = map.slice_with_length(at, 2 * LONG + at);
            let read = read(&long);
            assert_eq!(read, long);
            if cfg!(unix) {
                assert!(!mapped(&read));
                let address = read.as_ptr() as usize;
                assert_eq!(*before.get_or_insert(address), address);
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 2 * LONG]).unwrap();
        let (map, _pages, _unmapped) = mapped_file::map(&file).unwrap();
        file.set_len(LONG as u64).unwrap();
        let rereader = Rereader::new(file, &map);
        assert!(rereader.read(&map, &mut RunningChecksum::default()).is_err() || cfg!(not(unix)));
    }
}
