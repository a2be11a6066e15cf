//! Memory for bytes that are on their way in: aligned, zeroed, and in huge pages where it is long.
//!
//! What a process keeps for the first time costs a page fault for every page. At the speed of the wire
//! those of 4 KiB take longer than receiving what is put there; those of 2 MiB do not.

use std::io;
use std::ops::{Deref, DerefMut};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use memmap2::{MmapMut, MmapOptions};

/// From this length on memory is taken from the system in pages of its own: 1 MiB. Below that, taking
/// and giving it back costs more than the faults do.
const LONG: usize = 1 << 20;

/// A huge page of the systems that most servers run on: 2 MiB.
const HUGE_PAGE: usize = 2 << 20;

/// Part of the length, one in so many, that may be wasted to end at a whole huge page. The faults of what
/// else lies beyond the last one cost more.
const MOST_WASTE: usize = 4;

/// Some zeroed memory, at a multiple of 64 bytes.
#[derive(Debug)]
pub(crate) struct Region {
    memory: Memory,
    len: usize,
}

#[derive(Debug)]
enum Memory {
    Own(MmapMut),
    Shared(MutableBuffer),
}

impl Region {
    /// Takes so many bytes.
    ///
    /// # Errors
    /// When the system has none. What a server claims a value's length to be may be anything.
    pub(crate) fn zeroed(len: usize) -> io::Result<Self> {
        let memory = if len < LONG {
            Memory::Shared(MutableBuffer::from_len_zeroed(len))
        } else {
            Memory::Own(map(len)?)
        };
        Ok(Self { memory, len })
    }

    /// The same memory for another so many bytes, if it is long enough and not much too long. It holds
    /// what it held.
    pub(crate) fn resized(mut self, len: usize) -> Option<Self> {
        let all = match &self.memory {
            Memory::Own(map) => map.len(),
            Memory::Shared(buffer) => buffer.len(),
        };
        if all < len || all / 2 > len {
            return None;
        }
        self.len = len;
        Some(self)
    }

    /// Its first `len` bytes, to be read only from now on and given back when nobody needs them.
    pub(crate) fn freeze(self, len: usize) -> Buffer {
        let len = len.min(self.len);
        let all = match self.memory {
            Memory::Own(map) => Buffer::from(Bytes::from_owner(map)),
            Memory::Shared(buffer) => Buffer::from(buffer),
        };
        all.slice_with_length(0, len)
    }
}

fn map(len: usize) -> io::Result<MmapMut> {
    let whole = len.checked_next_multiple_of(HUGE_PAGE).unwrap_or(len);
    let len = if whole - len <= len / MOST_WASTE { whole } else { len };
    let map = MmapOptions::new().len(len).map_anon()?;
    // Advice only: a system that has none maps small ones.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    Ok(map)
}

impl Deref for Region {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &self.memory {
            Memory::Own(map) => map,
            Memory::Shared(buffer) => buffer,
        };
        &all[..self.len]
    }
}

impl DerefMut for Region {
    fn deref_mut(&mut self) -> &mut [u8] {
        let all: &mut [u8] = match &mut self.memory {
            Memory::Own(map) => map,
            Memory::Shared(buffer) => buffer,
        };
        &mut all[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_zeroed_aligned_and_as_long_as_asked_for() {
        for len in [0, 1, 100, LONG - 1, LONG, LONG + 1, 2 * HUGE_PAGE - 1, 2 * HUGE_PAGE] {
            let mut region = Region::zeroed(len).unwrap();
            assert_eq!(region.len(), len);
            assert!(region.iter().all(|byte| *byte == 0));
            region.fill(7);
            let buffer = region.freeze(len.saturating_sub(1));
            assert_eq!(buffer.len(), len.saturating_sub(1));
            assert_eq!(buffer.as_ptr().align_offset(64), 0);
            assert!(buffer.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn a_length_that_nobody_has_is_an_error() {
        Region::zeroed(usize::MAX / 4).unwrap_err();
    }

    #[test]
    fn used_memory_serves_for_about_as_many_bytes() {
        for len in [1_000, 2 * HUGE_PAGE] {
            let region = || Region::zeroed(len).unwrap();
            assert_eq!(region().resized(len - 7).unwrap().len(), len - 7);
            assert!(region().resized(len + 1).is_none());
            assert!(region().resized(len / 3).is_none());
        }
    }
}
