//! How fast bytes go out, and whether any do. Which bytes those are is `request`'s and `reply`'s matter.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::time::{Instant, sleep, sleep_until};

/// A slow connection moves some bytes so many times a second.
const STEPS: u64 = 50;

/// The pace of one connection, the same in both directions.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Now>);

#[derive(Debug, Default, Clone, Copy)]
struct Now {
    stalled_until: Option<Instant>,
    hanging: bool,
    bytes_per_second: u64,
    slow_bytes: u64,
}

impl Pace {
    pub(crate) fn stall(&self, span: Duration) {
        self.change(|now| now.stalled_until = Some(Instant::now() + span));
    }

    pub(crate) fn hang(&self) {
        self.change(|now| now.hanging = true);
    }

    pub(crate) fn slow(&self, bytes_per_second: u64, bytes: u64) {
        self.change(|now| {
            now.bytes_per_second = bytes_per_second.max(1);
            now.slow_bytes = bytes;
        });
    }

    /// Sends all bytes, in their time.
    pub(crate) async fn send(&self, to: &mut WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.wait().await;
            let piece = self.piece(bytes.len());
            if let Some(length) = piece {
                to.write_all(&bytes[..length]).await?;
                bytes = &bytes[length..];
                sleep(Duration::from_secs(1) / u32::try_from(STEPS).unwrap_or(1)).await;
            } else {
                return to.write_all(bytes).await;
            }
        }
        Ok(())
    }

    /// Waits while nothing moves.
    pub(crate) async fn wait(&self) {
        loop {
            let now = self.now();
            if now.hanging {
                std::future::pending::<()>().await;
            }
            match now.stalled_until {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// How many of so many bytes go at once, if not all.
    fn piece(&self, bytes: usize) -> Option<usize> {
        self.change(|now| {
            if now.slow_bytes == 0 {
                return None;
            }
            let step = (now.bytes_per_second / STEPS).max(1).min(bytes as u64);
            now.slow_bytes = now.slow_bytes.saturating_sub(step);
            usize::try_from(step).ok()
        })
    }

    fn now(&self) -> Now {
        self.change(|now| *now)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Now) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
