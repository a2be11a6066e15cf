//! How much is under way on one connection: values asked for ahead of those that come, and values sent ahead
//! of the word that they are stored.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::request::Packed;
use crate::budget::{ByteBudget, Permit};

/// Bytes of values that a server is asked for ahead of those that it sends. It keeps them all: more
/// would cost it memory that it touches for the first time, fewer would leave a long way empty.
const ASKED_AHEAD: u64 = 8 << 20;

/// Bytes that a server is sent ahead of its word that it has stored them, where the way takes no time: it
/// then reads what was just written and is still in the processor's caches.
const SENT_AHEAD: u64 = 384 << 10;

/// Bytes that are sent ahead beside those for each second of a way there and back, so that it is never empty:
/// 10 Gbit/s, which is what a server takes in on its one thread.
const BYTES_PER_SECOND: u64 = 1_250_000_000;

/// Most bytes that are sent ahead: a way of 0.8 s.
const MOST_SENT_AHEAD: u64 = 1 << 30;

/// As what part of the window a request counts at most. A long value is in no cache when it has been written,
/// and while one is written, others are stored.
const LARGEST_PART: u64 = 4;

/// What part of a longer value's length is forgotten, one in so many, with each shorter one. A manifest
/// says nothing of the chunks that come after it.
const FORGETTING: u64 = 8;

/// The bounds of one connection.
pub(super) struct Window {
    asked: ByteBudget,
    /// How long a value is taken to be that has not come.
    usual: AtomicU64,
    sent: ByteBudget,
    most_of_one: u64,
}

impl Window {
    /// For a way that takes so long there and back.
    pub(super) fn over(round_trip: Duration) -> Self {
        let microseconds = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        let on_its_way = microseconds.saturating_mul(BYTES_PER_SECOND / 1_000_000);
        let sent = SENT_AHEAD.saturating_add(on_its_way).min(MOST_SENT_AHEAD);
        // The budget counts whole KiB, of which as many as there are parts must fit.
        let part = (sent / LARGEST_PART).next_multiple_of(1 << 10);
        Self {
            asked: ByteBudget::new(ASKED_AHEAD),
            // Before the first has come.
            usual: AtomicU64::new(ASKED_AHEAD / LARGEST_PART),
            sent: ByteBudget::new(LARGEST_PART * part),
            most_of_one: part,
        }
    }

    /// Waits until a request may be written.
    pub(super) async fn acquire(&self, request: &Packed) -> Permit {
        let (budget, bytes) = self.part(request);
        budget.acquire(bytes).await
    }

    /// Whether a request may be written now.
    pub(super) fn acquire_now(&self, request: &Packed) -> Option<Permit> {
        let (budget, bytes) = self.part(request);
        budget.acquire_now(bytes)
    }

    /// A value of so many bytes has come.
    pub(super) fn came(&self, bytes: u64) {
        let before = self.usual.load(Ordering::Relaxed);
        self.usual.store((before - before / FORGETTING).max(bytes), Ordering::Relaxed);
    }

    fn part(&self, request: &Packed) -> (&ByteBudget, u64) {
        match request.is_get() {
            true => (&self.asked, self.usual.load(Ordering::Relaxed)),
            false => (&self.sent, (request.len() as u64).min(self.most_of_one)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Payload;

    /// How many values of so many bytes are sent ahead.
    fn sent_ahead(round_trip: Duration, bytes: usize) -> usize {
        let window = Window::over(round_trip);
        let request = Packed::set("k", &Payload::from(vec![7; bytes]), None);
        let permits: Vec<_> = std::iter::from_fn(|| window.acquire_now(&request)).collect();
        permits.len()
    }

    #[test]
    fn a_long_way_is_never_empty() {
        let [no_way, a_room, an_ocean] = [0, 200, 100_000].map(Duration::from_micros);
        assert_eq!(sent_ahead(no_way, 60 << 10), 6);
        assert_eq!(sent_ahead(a_room, 60 << 10), 6 + 4);
        assert_eq!(sent_ahead(an_ocean, 60 << 20), 4);
        assert_eq!(sent_ahead(an_ocean, 20 << 20), 5);
        assert_eq!(sent_ahead(Duration::MAX, 2 << 20), 511);
    }

    #[test]
    fn a_long_value_counts_as_a_quarter() {
        assert_eq!(sent_ahead(Duration::ZERO, 1 << 20), 4);
        assert_eq!(sent_ahead(Duration::ZERO, 64 << 20), 4);
    }
}
