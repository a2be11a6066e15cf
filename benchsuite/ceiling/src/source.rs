//! A file's bytes from the page cache, read and summed up piece by piece, as whoever forwards them must.

use std::fs::File;
use std::hash::Hasher as _;
use std::os::unix::fs::FileExt;

use twox_hash::xxhash3_64::Hasher;

use crate::Failure;

/// Bytes that are read before they are sent. With a quarter of it, or with whole values of several MB, all
/// takes longer.
const AT_ONCE: usize = 512 << 10;
/// Bytes that are read before they are summed up, while they are in a core's own cache.
const SUMMED_AT_ONCE: usize = 128 << 10;

pub(crate) struct Source {
    file: File,
    length: u64,
    at: u64,
    buffer: Vec<u8>,
    sum: Hasher,
}

impl Source {
    pub(crate) fn open(path: &str) -> Result<Self, Failure> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length < AT_ONCE as u64 {
            return Err(format!("{path}: expected {AT_ONCE} bytes or more, found {length}").into());
        }
        Ok(Self { file, length, at: 0, buffer: vec![0; AT_ONCE], sum: Hasher::default() })
    }

    /// The next bytes, so many or fewer. Begins anew at the file's end: a value holds more than its part of
    /// the file.
    pub(crate) fn next(&mut self, most: usize) -> Result<&[u8], Failure> {
        let piece = &mut self.buffer[..most.min(AT_ONCE)];
        if self.at + piece.len() as u64 > self.length {
            self.at = 0;
        }
        for some in piece.chunks_mut(SUMMED_AT_ONCE) {
            self.file.read_exact_at(some, self.at)?;
            self.sum.write(some);
            self.at += some.len() as u64;
        }
        Ok(piece)
    }
}

/// The sum is not left out as something that nobody asks for.
impl Drop for Source {
    fn drop(&mut self) {
        std::hint::black_box(self.sum.finish());
    }
}
