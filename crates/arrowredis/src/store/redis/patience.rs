//! How often and how long a request is repeated, and what is said while it waits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::options::ConnectOptions;
use super::trouble::{Class, Trouble};

/// The first wait. Each is twice the one before, and as much again at random, so that many clients
/// do not come back at once.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait, before what is added at random.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a trouble may last before anything is said of it.
const SILENT: Duration = Duration::from_secs(1);

/// How often something is said of it then.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How often a server that was never reached is looked for: for about a second.
pub(super) const FIRST_CONTACT: u32 = 3;

/// What is left of a request's patience.
pub(super) struct Patience {
    waits: ExponentialBackoff,
    retries: u32,
    budget: Duration,
    began: Instant,
    /// When the trouble began that goes on.
    trouble_since: Option<Instant>,
    attempts: u32,
    /// Troubles that have a bound of their own, so far.
    bounded: u32,
    /// How often the connection may be cut, if that has a bound of its own.
    most_cuts: u32,
    may_have_been_done: bool,
}

/// How often and how long something was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Attempts, the first one included.
    pub attempts: u32,
    /// From the first one on.
    pub elapsed: Duration,
}

impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.attempts > 1 {
            let seconds = self.elapsed.as_secs_f64();
            write!(f, " ({} attempts in {seconds:.1} s)", self.attempts)?;
        }
        Ok(())
    }
}

impl Patience {
    pub(super) fn new(options: &ConnectOptions) -> Self {
        Self::with_retries(options, options.retries)
    }

    pub(super) fn with_retries(options: &ConnectOptions, most: u32) -> Self {
        let waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_jitter()
            .without_max_times()
            .build();
        Self {
            waits,
            retries: most.min(options.retries),
            budget: options.retry_budget,
            began: Instant::now(),
            trouble_since: None,
            attempts: 1,
            bounded: 0,
            most_cuts: u32::MAX,
            may_have_been_done: false,
        }
    }

    /// Gives up when the connection was cut so often.
    pub(super) fn with_most_cuts(self, most_cuts: u32) -> Self {
        Self { most_cuts, ..self }
    }

    /// Whether an attempt without an answer may have been carried out.
    pub(super) fn may_have_been_done(&self) -> bool {
        self.may_have_been_done
    }

    /// Waits for the next attempt. Returns `false` when there is none: the trouble cannot pass, or
    /// has lasted too long.
    pub(super) async fn another(&mut self, trouble: &Trouble, notes: &Notes) -> bool {
        self.may_have_been_done |= trouble.may_have_been_done();
        let Class::Transient { most } = trouble.class() else { return false };
        if trouble.was_cut() && self.attempts >= self.most_cuts {
            return false;
        }
        let now = Instant::now();
        let noticed = now.checked_sub(trouble.had_lasted()).unwrap_or(self.began);
        let lasted = *self.trouble_since.get_or_insert(noticed.max(self.began));
        let lasted = now.duration_since(lasted);
        let Some(wait) = self.waits.next() else { return false };
        self.bounded += u32::from(most < u32::MAX);
        if self.attempts > self.retries || self.bounded > most || lasted + wait > self.budget {
            return false;
        }
        notes.waiting(trouble, lasted, self.budget);
        tracing::debug!(%trouble, attempts = self.attempts, ?wait, "asking again");
        tokio::time::sleep(wait).await;
        self.attempts += 1;
        true
    }

    /// Part of what was asked for has come: a trouble after that begins anew.
    pub(super) fn progressed(&mut self) {
        self.trouble_since = None;
    }

    pub(super) fn tried(&self) -> Tried {
        Tried { attempts: self.attempts, elapsed: self.began.elapsed() }
    }
}

/// Tells whoever waits what is waited for, now and then: all requests of a store together.
#[derive(Default)]
pub(super) struct Notes(Mutex<Option<Instant>>);

impl Notes {
    fn waiting(&self, trouble: &Trouble, lasted: Duration, budget: Duration) {
        if lasted < SILENT {
            return;
        }
        // Nothing panics under the lock.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= NOTE_EVERY) {
            *last = Some(Instant::now());
            let (node, lasted, budget) = (&trouble.node, lasted.as_secs(), budget.as_secs());
            tracing::warn!(
                "waiting for {node}: {trouble}; since {lasted} s, for {budget} s at most"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(retries: u32, budget: Duration) -> ConnectOptions {
        ConnectOptions { retries, retry_budget: budget, ..ConnectOptions::default() }
    }

    fn lost() -> Trouble {
        Trouble::unreachable(&"h".into(), std::io::ErrorKind::ConnectionRefused.into())
    }

    async fn attempts(options: &ConnectOptions, trouble: &Trouble) -> u32 {
        let (mut patience, notes) = (Patience::new(options), Notes::default());
        while patience.another(trouble, &notes).await {}
        patience.tried().attempts
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_counted_and_none_is_none() {
        let long = Duration::from_secs(1_000_000);
        assert_eq!(attempts(&options(0, long), &lost()).await, 1);
        assert_eq!(attempts(&options(7, long), &lost()).await, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_would_end_after_the_budget_is_not_begun() {
        let little = Duration::from_millis(1);
        assert_eq!(attempts(&options(100, little), &lost()).await, 1);
        let stalled = Trouble::stalled(&"h".into(), Duration::from_secs(30));
        // What was noticed late has begun earlier, but not before it was asked.
        assert!(attempts(&options(3, Duration::from_secs(60)), &stalled).await > 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_is_asked_once() {
        let answer = ::redis::parse_redis_value(b"-OOM full\r\n").unwrap().extract_error();
        let full = Trouble::of(&"h".into(), answer.unwrap_err());
        assert_eq!(attempts(&options(9, Duration::from_secs(60)), &full).await, 1);
    }
}
