//! A progress bar on stderr while it is a terminal, and silence otherwise.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrowredis::progress::{Progress, Work};
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

const REDRAW: Duration = Duration::from_millis(100);

const BAR_OF_CHUNKS: &str = "{prefix} {bar:30} {pos}/{len} batches, {msg}, {eta} left";
const BAR_OF_BYTES: &str =
    "{prefix} {bar:30} {decimal_bytes}/{decimal_total_bytes}, {msg}, {eta} left";

/// One verb's bar. It is taken away when the verb is done.
pub(crate) struct Bar {
    bar: ProgressBar,
    bytes: AtomicU64,
    unit: AtomicU64,
}

/// What the bar counts: batches where their number is known, else bytes.
const CHUNKS: u64 = 0;
const BYTES: u64 = 1;

impl Bar {
    /// A bar that shows itself once work is planned.
    pub(crate) fn new(prefix: &'static str, quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(10)
        };
        let bar = ProgressBar::with_draw_target(None, target).with_prefix(prefix);
        bar.set_message(format!("{}/s", DecimalBytes(0)));
        Self { bar, bytes: AtomicU64::new(0), unit: AtomicU64::new(CHUNKS) }
    }

    fn rate(&self) -> String {
        let seconds = self.bar.elapsed().as_secs_f64().max(1e-3);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive rate, rounded for display"
        )]
        let rate = (self.bytes.load(Ordering::Relaxed) as f64 / seconds) as u64;
        format!("{}/s", DecimalBytes(rate))
    }
}

impl Progress for Bar {
    fn planned(&self, all: Work) {
        let (unit, length, template) = if all.chunks > 0 {
            (CHUNKS, all.chunks, BAR_OF_CHUNKS)
        } else {
            (BYTES, all.bytes, BAR_OF_BYTES)
        };
        self.unit.store(unit, Ordering::Relaxed);
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_length(length);
        self.bar.set_position(0);
        self.bytes.store(0, Ordering::Relaxed);
        self.bar.enable_steady_tick(REDRAW);
    }

    fn done(&self, some: Work) {
        self.bytes.fetch_add(some.bytes, Ordering::Relaxed);
        self.bar.set_message(self.rate());
        self.bar.inc(if self.unit.load(Ordering::Relaxed) == CHUNKS {
            some.chunks
        } else {
            some.bytes
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
