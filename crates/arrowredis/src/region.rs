//! Memory for bytes that are on their way in: aligned, in huge pages where it is long, and used again.
//!
//! What a process touches for the first time costs a page fault for every page, and clearing it. At the
//! speed of the wire those of 4 KiB take longer than receiving what is put there. In huge pages they do
//! not; and what only passes through should not touch new memory at all.

use std::collections::VecDeque;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

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

/// From this length on memory is used again: 64 KiB. The allocator is as good at shorter ones.
const USED_AGAIN: usize = 64 << 10;

/// Bytes of memory that are kept for the next regions: about what a read has under way at once.
const MOST_SPARE: usize = 32 << 20;

/// What was given back last is at the end: it may still be in the processor's caches.
static SPARE: Mutex<VecDeque<Memory>> = Mutex::new(VecDeque::new());

/// Some memory at a multiple of 64 bytes, to be filled. Nobody has seen what it holds at first, which is
/// zeros or what was in it before. Dropped, it is used again.
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
    pub(crate) fn take(len: usize) -> io::Result<Self> {
        let memory = match Memory::spare(len) {
            Some(memory) => memory,
            None if len < LONG => Memory::Shared(MutableBuffer::from_len_zeroed(len)),
            None => Memory::Own(map(len)?),
        };
        Ok(Self { memory, len })
    }

    /// Its first `len` bytes, to be read only from now on and given back when nobody needs them.
    pub(crate) fn freeze(self, len: usize) -> Buffer {
        let len = len.min(self.len);
        Buffer::from(Bytes::from_owner(self)).slice_with_length(0, len)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        std::mem::replace(&mut self.memory, Memory::Shared(MutableBuffer::new(0))).give_back();
    }
}

impl Memory {
    /// Memory that was used before, long enough and not much too long.
    fn spare(len: usize) -> Option<Self> {
        if len < USED_AGAIN {
            return None;
        }
        // Nothing panics under the lock.
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |memory: &Self| memory.len() >= len && memory.len() / 2 <= len;
        let found = spare.iter().rposition(fits)?;
        spare.remove(found)
    }

    /// Keeps it for the next, in place of what has not been of use for longest.
    fn give_back(self) {
        if self.len() < USED_AGAIN {
            return;
        }
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push_back(self);
        let mut bytes = spare.iter().map(Self::len).sum::<usize>();
        while bytes > MOST_SPARE {
            bytes -= spare.pop_front().as_ref().map_or(bytes, Self::len);
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Own(map) => map.len(),
            Self::Shared(buffer) => buffer.len(),
        }
    }
}

/// Maps whole huge pages of addresses, since only those are aligned, and has them where they are filled.
fn map(len: usize) -> io::Result<MmapMut> {
    let whole = len.checked_next_multiple_of(HUGE_PAGE).unwrap_or(len);
    let map = MmapOptions::new().len(whole).map_anon()?;
    // Advice only: a system that has none maps small ones.
    #[cfg(target_os = "linux")]
    {
        let huge = if whole - len <= len / MOST_WASTE { whole } else { whole - HUGE_PAGE };
        let _ = map.advise_range(memmap2::Advice::HugePage, 0, huge);
    }
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

impl AsRef<[u8]> for Region {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_aligned_and_as_long_as_asked_for() {
        for len in [0, 1, 100, USED_AGAIN, LONG - 1, LONG, LONG + 1, 2 * HUGE_PAGE - 1, HUGE_PAGE] {
            let mut region = Region::take(len).unwrap();
            assert_eq!(region.len(), len);
            region.fill(7);
            let buffer = region.freeze(len.saturating_sub(1));
            assert_eq!(buffer.len(), len.saturating_sub(1));
            assert_eq!(buffer.as_ptr().align_offset(64), 0);
            assert!(buffer.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn a_length_that_nobody_has_is_an_error() {
        Region::take(usize::MAX / 4).unwrap_err();
    }

    /// Others use the same memory meanwhile, so what is looked at is what one region does.
    #[test]
    fn what_fits_is_used_again_and_more_than_is_useful_is_not_kept() {
        let memory = || Memory::Own(map(3 * HUGE_PAGE).unwrap());
        for _ in 0..MOST_SPARE / HUGE_PAGE {
            memory().give_back();
        }
        let kept = SPARE.lock().unwrap().iter().map(Memory::len).sum::<usize>();
        assert!(kept <= MOST_SPARE && kept > MOST_SPARE / 2, "{kept}");
        assert!(Memory::spare(USED_AGAIN - 1).is_none());
        assert!(Memory::spare(MOST_SPARE + 1).is_none());
        for len in [3 * HUGE_PAGE, 2 * HUGE_PAGE] {
            let memory = Memory::spare(len).unwrap();
            assert!(memory.len() >= len && memory.len() / 2 <= len);
        }
    }
}
