//! Memory in huge pages that is handed out once, from its beginning on.
//!
//! Touching fresh memory in ordinary pages costs more than receiving into it: the ceiling keeps what
//! it gets where that is cheapest.

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::Failure;

/// Where each piece begins: a multiple of this, as Arrow wants its buffers.
const ALIGNMENT: usize = 64;

pub(crate) struct Arena {
    memory: MmapMut,
    used: usize,
}

impl Arena {
    /// Nothing of it takes up memory before it is written to.
    pub(crate) fn new(bytes: usize) -> Result<Self, Failure> {
        let memory = MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?;
        // Where the kernel has no huge pages it is slower, and still right.
        let _ = memory.advise(Advice::HugePage);
        Ok(Self { memory, used: 0 })
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&mut [u8], Failure> {
        let start = self.used;
        let piece = self.memory.get_mut(start..start + bytes).ok_or("the arena is full")?;
        self.used = (start + bytes).next_multiple_of(ALIGNMENT);
        Ok(piece)
    }
}
