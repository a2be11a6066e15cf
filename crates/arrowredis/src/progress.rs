//! How a verb tells how far it is. The library only counts; showing is the caller's.

use std::ops::AddAssign;

use serde::Serialize;

/// An amount of work, planned or done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Chunks, or batches of a file.
    pub chunks: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes as encoded.
    pub bytes: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, more: Self) {
        self.chunks = self.chunks.saturating_add(more.chunks);
        self.rows = self.rows.saturating_add(more.rows);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// Receives how far a verb is. Calls come from several threads and should return quickly.
pub trait Progress: Send + Sync {
    /// All that there is to do, as far as it is known; 0 means unknown. When it comes again, the
    /// work begins anew and nothing of it is done.
    fn planned(&self, all: Work);

    /// Some of it is done.
    fn done(&self, some: Work);
}

/// Progress that nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn planned(&self, _: Work) {}

    fn done(&self, _: Work) {}
}
