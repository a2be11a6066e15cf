//! Counts and times while a read runs, on however many threads.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dataset::{DatasetId, DatasetName};
use crate::error::DataError;
use crate::report::{Fault, ReadReport};

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    report: ReadReport,
    first_request: Option<Instant>,
    last_reply: Option<Instant>,
}

impl Tally {
    /// `restarts` counts the times that this read began before.
    pub(super) fn start(dataset: &DatasetName, store: &str, restarts: u32) -> std::sync::Arc<Self> {
        let (dataset, store) = (dataset.to_string(), store.to_owned());
        let report = ReadReport { dataset, store, restarts, ..ReadReport::default() };
        let counts = Mutex::new(Counts { report, first_request: None, last_reply: None });
        std::sync::Arc::new(Self { started: Instant::now(), counts })
    }

    /// What the name turned out to stand for.
    pub(super) fn edition(&self, dataset: &DatasetName, id: DatasetId) {
        let report = &mut self.counts().report;
        report.dataset = dataset.to_string();
        report.dataset_id = Some(id);
    }

    pub(super) fn expected(&self, chunks: u64) {
        self.counts().report.chunks_expected = chunks;
    }

    pub(super) fn missing(&self, key: String) {
        let missing = &mut self.counts().report.missing;
        if missing.len() < ReadReport::MOST_KEYS {
            missing.push(key);
        }
    }

    pub(super) fn damaged(&self, key: String, what: String) {
        let damaged = &mut self.counts().report.damaged;
        if damaged.len() < ReadReport::MOST_KEYS {
            damaged.push(Fault { key, what });
        }
    }

    /// What was counted as fetched is not what it should be.
    pub(super) fn damaged_after_all(&self, key: String, bytes: u64, error: &DataError) {
        let mut counts = self.counts();
        counts.report.chunks_present -= 1;
        counts.report.bytes -= bytes;
        drop(counts);
        let what = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        self.damaged(key, what);
    }

    pub(super) fn beyond(&self, keys: Vec<String>) {
        self.counts().report.beyond = keys;
    }

    pub(super) fn requested(&self) {
        self.counts().first_request.get_or_insert_with(Instant::now);
    }

    pub(super) fn replied(&self, chunks: u64, bytes: u64) {
        let mut counts = self.counts();
        counts.last_reply = Some(Instant::now());
        counts.report.chunks_present += chunks;
        counts.report.bytes += bytes;
    }

    pub(super) fn decoded(&self, rows: u64, time: Duration) {
        let mut counts = self.counts();
        counts.report.rows = counts.report.rows.saturating_add(rows);
        counts.report.parse_seconds += time.as_secs_f64();
    }

    pub(super) fn report(&self) -> ReadReport {
        let counts = self.counts();
        let mut report = counts.report.clone();
        // They come as requests are answered.
        report.missing.sort_unstable();
        report.damaged.sort_unstable_by(|one, two| one.key.cmp(&two.key));
        report.chunks = report.chunks_present;
        report.seconds = self.started.elapsed().as_secs_f64();
        if let (Some(first), Some(last)) = (counts.first_request, counts.last_reply) {
            report.fetch_seconds = last.duration_since(first).as_secs_f64();
        }
        report
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics under the lock; if it did, counts are still counts.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
