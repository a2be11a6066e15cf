//! The chunks of a dataset that is being published, as far as they have been sent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::dataset::ChunkId;
use crate::manifest::ChunkEntry;

/// The chunks that were sent, and those of them that the store has acknowledged.
#[derive(Debug, Default)]
pub(super) struct Staged(Mutex<Sent>);

#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) ids: Vec<ChunkId>,
    pub(super) acknowledged: Vec<ChunkEntry>,
}

impl Staged {
    pub(super) fn sent(&self) -> MutexGuard<'_, Sent> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ids(&self) -> Vec<ChunkId> {
        self.sent().ids.clone()
    }
}
