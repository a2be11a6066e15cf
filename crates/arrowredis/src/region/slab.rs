//! One piece of memory, shared out: each part is written by whoever took it. Beside `ipc/mapped_file.rs` the
//! one place with `unsafe`.
//!
//! When parts are taken, how long a slab is, and what becomes of one that is used up is not decided here.
#![expect(unsafe_code, reason = "no safe type gives parts of one map to several owners to write")]

use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use memmap2::{MmapMut, MmapRaw};

use crate::ipc::layout::ALIGNMENT;

/// Memory that is handed out from its start to its end, each byte once.
#[derive(Debug)]
pub(super) struct Slab {
    memory: Arc<MmapRaw>,
    /// What has been handed out lies before this.
    taken: usize,
}

/// Some of a slab's bytes, for whoever has this alone.
#[derive(Debug)]
pub(super) struct Part {
    memory: Arc<MmapRaw>,
    bytes: Range<usize>,
}

impl Slab {
    pub(super) fn new(memory: MmapMut) -> Self {
        Self { memory: Arc::new(memory.into()), taken: 0 }
    }

    /// The next so many bytes, from a multiple of 64 on; `None` if fewer are left.
    pub(super) fn take(&mut self, len: usize) -> Option<Part> {
        let start = self.taken.checked_next_multiple_of(ALIGNMENT)?;
        let end = start.checked_add(len).filter(|end| *end <= self.memory.len())?;
        self.taken = end;
        Some(Part { memory: Arc::clone(&self.memory), bytes: start..end })
    }

    /// Begins again at its start, if no part of it is left. Returns whether it does.
    pub(super) fn reuse(&mut self) -> bool {
        let unused = Arc::get_mut(&mut self.memory).is_some();
        if unused {
            self.taken = 0;
        }
        unused
    }
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `Slab::take` saw that the bytes lie inside the map, which lives as long as `memory`.
        // An anonymous map is zeros until somebody writes to it, so all are initialized. It hands out
        // no byte twice, and begins again only when no part is left (`Arc::get_mut` also sees what
        // other threads did before they dropped theirs). So nobody but the owner of this part
        // has a reference into it, and he can write only while he has no other: `deref_mut` takes `&mut`.
        unsafe {
            std::slice::from_raw_parts(self.memory.as_ptr().add(self.bytes.start), self.bytes.len())
        }
    }
}

impl DerefMut for Part {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.bytes.start;
        // SAFETY: as in `deref`; and the map is the process' own and writable, having been a `MmapMut`.
        unsafe {
            std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().add(start), self.bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use memmap2::MmapOptions;

    use super::*;

    fn slab(len: usize) -> Slab {
        Slab::new(MmapOptions::new().len(len).map_anon().unwrap())
    }

    #[test]
    fn parts_are_apart_and_aligned_and_end_where_the_slab_does() {
        let mut slab = slab(1 << 16);
        let mut parts = Vec::new();
        for len in (0..).map(|n| n * 37 % 1000) {
            let Some(mut part) = slab.take(len) else { break };
            assert_eq!((part.len(), part.as_ptr().align_offset(ALIGNMENT)), (len, 0));
            assert!(part.iter().all(|byte| *byte == 0));
            part.fill(parts.len().to_le_bytes()[0] | 1);
            parts.push(part);
        }
        assert!(parts.len() > 100);
        for (at, part) in parts.iter().enumerate() {
            assert!(part.iter().all(|byte| *byte == at.to_le_bytes()[0] | 1), "part {at}");
        }
        assert!(slab.take(usize::MAX).is_none());
        assert!(slab.take(1 << 16).is_none());
    }

    #[test]
    fn it_begins_again_when_the_last_part_is_gone_wherever_that_was() {
        let mut slab = slab(1 << 16);
        for round in 1..10_u8 {
            let parts = [slab.take(1 << 15).unwrap(), slab.take(1 << 15).unwrap()];
            assert!(slab.take(1).is_none() && !slab.reuse());
            let threads = parts.map(|mut part| {
                std::thread::spawn(move || {
                    part.fill(round);
                    assert!(part.iter().all(|byte| *byte == round));
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(slab.reuse());
        }
    }
}
