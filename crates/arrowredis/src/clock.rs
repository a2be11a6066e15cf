//! Points in time as a store counts them.
//!
//! All times to live are counted by the store's clock, so that those of a dataset's keys can be the
//! same instant whatever the writer's own clock says.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Milliseconds since 1970-01-01 00:00 UTC by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The point in time that comes `later`; the last one that there is, if that would be past it.
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; nothing, if it is yet to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A store's clock that was asked once and goes on by this machine's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    asked: Instant,
    answer: Timestamp,
}

impl Clock {
    pub(crate) fn starting_at(answer: Timestamp) -> Self {
        Self { asked: Instant::now(), answer }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.answer.after(self.asked.elapsed())
    }
}
