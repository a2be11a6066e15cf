//! Slabs that regions are parts of, one after the other, and used again when nobody has a part of them.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::map;
use super::slab::{Part, Slab};

/// Shorter than a page, the allocator shares it out itself.
const PAGE: usize = 4 << 10;

/// Some slabs of one length.
#[derive(Debug)]
pub(super) struct Pool {
    /// Bytes of a slab.
    slab: usize,
    /// Bytes of the longest part: less than a slab.
    longest: usize,
    /// How many are remembered. So many may lie idle in the end.
    most: usize,
    /// The one that is being shared out is at the end; those before it are used up.
    slabs: Mutex<VecDeque<Slab>>,
}

impl Pool {
    pub(super) const fn new(slab: usize, longest: usize, most: usize) -> Self {
        assert!(longest < slab && most > 0);
        Self { slab, longest, most, slabs: Mutex::new(VecDeque::new()) }
    }

    /// Takes so many bytes, or `None` if that is not a length to put next to others.
    ///
    /// # Errors
    /// When the system has no memory.
    pub(super) fn take(&self, len: usize) -> io::Result<Option<Part>> {
        if !(PAGE..=self.longest).contains(&len) {
            return Ok(None);
        }
        // Nothing panics under the lock.
        let mut slabs = self.slabs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slab) = slabs.back_mut() {
            // What was written last may still be in the processor's caches.
            slab.reuse();
            if let Some(part) = slab.take(len) {
                return Ok(Some(part));
            }
        }
        let unused = slabs.iter_mut().position(Slab::reuse);
        let mut slab = match unused.and_then(|unused| slabs.remove(unused)) {
            Some(slab) => slab,
            None => Slab::new(map(self.slab)?),
        };
        let part = slab.take(len);
        slabs.push_back(slab);
        if slabs.len() > self.most {
            slabs.pop_front();
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: usize = 4;
    /// Of which they fill a huge page, the least that is mapped.
    const LEN: usize = 512 << 10;

    fn pool() -> Pool {
        Pool::new(PARTS * LEN, LEN, 2)
    }

    #[test]
    fn parts_that_are_kept_are_never_written_to_by_others() {
        let pool = pool();
        let take = |len| pool.take(len).unwrap().unwrap();
        let taken = (0..=255).map(|mark| {
            let mut part = take(LEN / 3);
            part.fill(mark);
            part
        });
        // Some are given back between others that are kept.
        let taken: Vec<_> = taken.collect();
        let kept: Vec<_> = taken.into_iter().step_by(3).collect();
        (0..100).for_each(|_| take(LEN).fill(255));
        for (at, part) in kept.iter().enumerate() {
            assert!(part.iter().all(|byte| usize::from(*byte) == 3 * at), "part {at}");
        }
    }

    #[test]
    fn what_nobody_has_any_more_is_used_again_and_no_more_is_remembered() {
        let pool = pool();
        let take = || pool.take(LEN).unwrap().unwrap();
        let start = take().as_ptr();
        assert!((0..10).all(|_| take().as_ptr() == start));
        // The second slab comes when the first is used up, and then the first again.
        let first: Vec<_> = (0..PARTS).map(|_| take()).collect();
        let second: Vec<_> = (0..PARTS).map(|_| take()).collect();
        assert_eq!(first[0].as_ptr(), start);
        drop(first);
        assert_eq!(take().as_ptr(), start);
        drop(second);
        let kept: Vec<_> = (0..10 * PARTS).map(|_| take()).collect();
        assert_eq!(pool.slabs.lock().unwrap().len(), 2);
        drop(kept);
    }

    #[test]
    fn other_lengths_are_left_to_others() {
        let pool = pool();
        for len in [0, PAGE - 1, LEN + 1, usize::MAX] {
            assert!(pool.take(len).unwrap().is_none(), "{len}");
        }
        assert!(pool.take(PAGE).unwrap().is_some() && pool.take(LEN).unwrap().is_some());
    }
}
