//! Memory for bytes that are on their way in: aligned, in huge pages where it is long, and used again.
//!
//! What a process touches for the first time costs a page fault for every page, and clearing it. At the
//! speed of the wire those of 4 KiB take longer than receiving what is put there. In huge pages they do
//! not; and what only passes through should not touch new memory at all.
//!
//! What may lie idle for it, once all regions are given back: 32 MiB each of long ones, of short ones and of
//! those that were to stay.

mod pool;
mod slab;

use std::collections::VecDeque;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use memmap2::{MmapMut, MmapOptions};

use pool::Pool;
use slab::Part;

/// From this length on memory is taken from the system in pages of its own: 1 MiB. Below that it is put
/// next to others, since taking and giving it back costs more than the faults do.
const LONG: usize = 1 << 20;

/// A huge page of the systems that most servers run on: 2 MiB.
const HUGE_PAGE: usize = 2 << 20;

/// Part of the length, one in so many, that may be wasted to end at a whole huge page. The faults of what
/// else lies beyond the last one cost more.
const MOST_WASTE: usize = 4;

/// Bytes of memory that are kept for the next long regions, and for the next short ones: about what a read
/// has under way at once.
const MOST_SPARE: usize = 32 << 20;

/// Of long regions. What was given back last is at the end: it may still be in the processor's caches.
static SPARE: Mutex<VecDeque<MmapMut>> = Mutex::new(VecDeque::new());

/// Where short regions lie that mostly are soon given back: slabs of 4 MiB.
static PASSING: Pool = Pool::new(4 << 20, LONG - 1, MOST_SPARE / (4 << 20));

/// Where regions lie that mostly stay: slabs of 16 MiB, so that little is left at the end where the next
/// does not fit; and the one before, for when what was decoded is only written elsewhere.
static STAYING: Pool = Pool::new(16 << 20, 4 << 20, 2);

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
    Part(Part),
    Allocated(MutableBuffer),
}

impl Region {
    /// Takes so many bytes.
    ///
    /// # Errors
    /// When the system has none. What a server claims a value's length to be may be anything.
    pub(crate) fn take(len: usize) -> io::Result<Self> {
        let memory = match PASSING.take(len)? {
            Some(part) => Memory::Part(part),
            None if len < LONG => Memory::Allocated(MutableBuffer::from_len_zeroed(len)),
            None => Memory::Own(match spare(len) {
                Some(map) => map,
                None => map(len)?,
            }),
        };
        Ok(Self { memory, len })
    }

    /// Takes so many bytes for what stays, next to those of others: all of that memory, 16 MiB, is kept as
    /// long as any of it is. What is too long for that gets its own.
    ///
    /// # Errors
    /// As [`Region::take`].
    pub(crate) fn take_to_stay(len: usize) -> io::Result<Self> {
        let memory = match STAYING.take(len)? {
            Some(part) => Memory::Part(part),
            None => return Self::take(len),
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
        let none = Memory::Allocated(MutableBuffer::new(0));
        if let Memory::Own(map) = std::mem::replace(&mut self.memory, none) {
            give_back(map);
        }
    }
}

/// Memory that was used before, long enough and not much too long.
fn spare(len: usize) -> Option<MmapMut> {
    // Nothing panics under the lock.
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let found = spare.iter().rposition(|map| map.len() >= len && map.len() / 2 <= len)?;
    spare.remove(found)
}

/// Keeps it for the next, in place of what has not been of use for longest.
fn give_back(map: MmapMut) {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    spare.push_back(map);
    let mut bytes = spare.iter().map(|map| map.len()).sum::<usize>();
    while bytes > MOST_SPARE {
        bytes -= spare.pop_front().map_or(bytes, |map| map.len());
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
            Memory::Part(part) => part,
            Memory::Allocated(buffer) => buffer,
        };
        &all[..self.len]
    }
}

impl DerefMut for Region {
    fn deref_mut(&mut self) -> &mut [u8] {
        let all: &mut [u8] = match &mut self.memory {
            Memory::Own(map) => map,
            Memory::Part(part) => part,
            Memory::Allocated(buffer) => buffer,
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
        for len in [0, 1, 100, 5000, LONG - 1, LONG, LONG + 1, 2 * HUGE_PAGE - 1, HUGE_PAGE] {
            for take in [Region::take, Region::take_to_stay] {
                let mut region = take(len).unwrap();
                assert_eq!(region.len(), len);
                region.fill(7);
                let buffer = region.freeze(len.saturating_sub(1));
                assert_eq!(buffer.len(), len.saturating_sub(1));
                assert_eq!(buffer.as_ptr().align_offset(64), 0);
                assert!(buffer.iter().all(|byte| *byte == 7));
            }
        }
    }

    #[test]
    fn a_length_that_nobody_has_is_an_error() {
        Region::take(usize::MAX / 4).unwrap_err();
        Region::take_to_stay(usize::MAX / 4).unwrap_err();
    }

    /// Others use the same memory meanwhile, so what is looked at is what one region does.
    #[test]
    fn what_fits_is_used_again_and_more_than_is_useful_is_not_kept() {
        for _ in 0..MOST_SPARE / HUGE_PAGE {
            give_back(map(3 * HUGE_PAGE).unwrap());
        }
        let kept = SPARE.lock().unwrap().iter().map(|map| map.len()).sum::<usize>();
        assert!(kept <= MOST_SPARE && kept > MOST_SPARE / 2, "{kept}");
        assert!(spare(MOST_SPARE + 1).is_none());
        for len in [3 * HUGE_PAGE, 2 * HUGE_PAGE] {
            let map = spare(len).unwrap();
            assert!(map.len() >= len && map.len() / 2 <= len);
        }
    }
}
