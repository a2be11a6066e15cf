//! Maps a file into memory: the one place with `unsafe`.
#![expect(
    unsafe_code,
    reason = "mapping a file is unsafe by nature; the proof stands at the call"
)]

use std::fs::File;
use std::io;

use arrow_buffer::Buffer;
use bytes::Bytes;
use memmap2::{Advice, Mmap};

/// The bytes of a file, read on demand and shared by all slices of them.
pub(crate) fn map(file: &File) -> io::Result<Buffer> {
    // SAFETY: the map is read-only and private to this process' reading, it lives as long as any
    // `Buffer` that points into it, and all bytes taken from it are treated as foreign input whose
    // every length is checked. What remains is that another process changes the file meanwhile:
    // changed bytes are seen as damaged or different data and shortening it ends this process with
    // SIGBUS. The documentation of `split` and `verify` therefore asks for a file at rest.
    let map = unsafe { Mmap::map(file)? };
    // Advice only: a system that does not know it reads just the same.
    let _ = map.advise(Advice::Sequential);
    Ok(Buffer::from(Bytes::from_owner(map)))
}
