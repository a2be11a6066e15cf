//! How much is under way on one connection: values asked for ahead of those that come, and values sent ahead
//! of the word that they are stored.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::request::Packed;
use crate::budget::{ByteBudget, Permit};

/// Bytes of values that a server is asked for ahead of those that it sends, where the way takes no time. It
/// keeps them all: with more it writes them to memory that is in none of its caches any more when it sends
/// them, and whoever asked receives into such memory.
const ASKED_AHEAD: u64 = 2 << 20;

/// Most bytes that are asked for ahead, however long the way, or two values, however long they are: the server
/// must have memory for all of it.
const MOST_ASKED_AHEAD: u64 = 8 << 20;

/// Bytes of a value that are yet to come when the next one is asked for, where the way takes no time: the
/// server makes that one ready meanwhile. A value that comes earlier would wait for a core to decode it. What is
/// no longer than that has nothing left to wait for.
const STILL_COMING: u64 = 512 << 10;

/// The parts that the window has for what is asked for: room for two halves, and for half of a value that
/// counts two thirds beside a whole one.
const ASKED_PARTS: u64 = 6;

/// As how many of them a value counts at most that nobody has to decode, so that there are two: while one is
/// received, which then takes as long as all else, the server makes the next one ready.
const PARTS_OF_SUMMED: u64 = 3;

/// As how many of them any other counts at most. There is one, and the next once half of them is given back.
const PARTS_OF_OTHERS: u64 = 4;

/// Bytes that a server is sent ahead of its word that it has stored them, where the way takes no time: it
/// then reads what was just written and is still in the processor's caches.
const SENT_AHEAD: u64 = 384 << 10;

/// Bytes that are asked for and sent ahead beside those for each second of a way there and back, so that it
/// is never empty: 10 Gbit/s, which is what a server takes in on its one thread. It sends faster; a link that is
/// as fast, and longer than a room, needs several connections.
const BYTES_PER_SECOND: u64 = 1_250_000_000;

/// Most bytes that are sent ahead: a way of 0.8 s.
const MOST_SENT_AHEAD: u64 = 1 << 30;

/// As what part of the window a value counts at most that is sent. A long one is in no cache when it has been
/// written, and while one is written, others are stored.
const LARGEST_SENT_PART: u64 = 4;

/// What part of a longer value's length is forgotten, one in so many, with each shorter one. A manifest
/// says nothing of the chunks that come after it.
const FORGETTING: u64 = 8;

/// The bounds of one connection.
pub(super) struct Window {
    asked: ByteBudget,
    /// How long a value is taken to be that has not come.
    usual: AtomicU64,
    part_of_asked: u64,
    still_coming: u64,
    sent: ByteBudget,
    most_of_one_sent: u64,
}

impl Window {
    /// For a way that takes so long there and back.
    pub(super) fn over(round_trip: Duration) -> Self {
        let microseconds = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        let on_its_way = microseconds.saturating_mul(BYTES_PER_SECOND / 1_000_000);
        let asked = ASKED_AHEAD.saturating_add(on_its_way).min(MOST_ASKED_AHEAD);
        let sent = SENT_AHEAD.saturating_add(on_its_way).min(MOST_SENT_AHEAD);
        // The budget counts whole KiB, of which as many as there are parts must fit.
        let part = |window: u64, parts: u64| (window / parts).next_multiple_of(1 << 10);
        let part_of_asked = part(asked, ASKED_PARTS);
        let most_of_one_sent = part(sent, LARGEST_SENT_PART);
        Self {
            asked: ByteBudget::new(ASKED_PARTS * part_of_asked),
            // Before the first has come. Not more on a long way, or only two would travel for some time.
            usual: AtomicU64::new(ASKED_AHEAD / 2),
            part_of_asked,
            still_coming: STILL_COMING.saturating_add(on_its_way),
            sent: ByteBudget::new(LARGEST_SENT_PART * most_of_one_sent),
            most_of_one_sent,
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

    /// Whether a value of so many bytes, of which so many are left, is long and about to end. Half of what it
    /// counts is then given back.
    pub(super) fn ends(&self, len: usize, left: usize) -> bool {
        len as u64 > STILL_COMING && left as u64 <= self.still_coming
    }

    fn part(&self, request: &Packed) -> (&ByteBudget, u64) {
        if !request.is_get() {
            return (&self.sent, (request.len() as u64).min(self.most_of_one_sent));
        }
        let parts = if request.is_summed() { PARTS_OF_SUMMED } else { PARTS_OF_OTHERS };
        (&self.asked, self.usual.load(Ordering::Relaxed).min(parts * self.part_of_asked))
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

    /// How many values are asked for ahead, after some of so many bytes have come.
    fn asked_ahead(round_trip: Duration, bytes: u64, request: &Packed) -> usize {
        let window = Window::over(round_trip);
        (0..100).for_each(|_| window.came(bytes));
        let permits: Vec<_> = std::iter::from_fn(|| window.acquire_now(request)).collect();
        permits.len()
    }

    #[test]
    fn few_values_are_asked_for_ahead_and_more_on_a_long_way() {
        let [no_way, a_room, an_ocean] = [0, 200, 100_000].map(Duration::from_micros);
        for request in [Packed::get("k"), Packed::get_summed("k")] {
            assert_eq!(asked_ahead(no_way, 60 << 10, &request), 34);
            assert_eq!(asked_ahead(a_room, 60 << 10, &request), 34 + 4);
            for way in [an_ocean, Duration::MAX] {
                assert_eq!(asked_ahead(way, 2 << 20, &request), 4);
            }
        }
    }

    #[test]
    fn before_any_has_come_two_are_asked_for_and_more_on_a_long_way() {
        for (way, ahead) in [(Duration::ZERO, 2), (Duration::from_millis(100), 8)] {
            let window = Window::over(way);
            let ask = || window.acquire_now(&Packed::get("k"));
            assert_eq!(std::iter::from_fn(ask).collect::<Vec<_>>().len(), ahead);
        }
    }

    /// Whatever the way, so that no rounding leaves room for one only.
    #[test]
    fn two_long_values_are_asked_for_at_once_or_one_after_most_of_the_other() {
        for round_trip in (0..20_000).step_by(7).map(Duration::from_micros) {
            assert_eq!(asked_ahead(round_trip, 64 << 20, &Packed::get_summed("k")), 2);
            assert_eq!(asked_ahead(round_trip, 64 << 20, &Packed::get("k")), 1);
            let window = Window::over(round_trip);
            window.came(64 << 20);
            let mut first = window.acquire_now(&Packed::get("k")).unwrap();
            assert!(!window.ends(64 << 20, 63 << 20));
            assert!(window.ends(64 << 20, 512 << 10));
            first.give_back_half();
            let second = window.acquire_now(&Packed::get("k")).unwrap();
            assert!(window.acquire_now(&Packed::get("k")).is_none());
            drop((first, second));
        }
    }

    #[test]
    fn a_short_value_never_ends_early() {
        for round_trip in [Duration::ZERO, Duration::MAX] {
            assert!(!Window::over(round_trip).ends(512 << 10, 0));
        }
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
