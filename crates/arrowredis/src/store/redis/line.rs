//! Whether a connection is of any use, and what those are told who wait on it when it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::{RedisError, RedisResult};
use tokio::task::AbortHandle;

use super::stream::Progress;
use super::trouble::Trouble;

/// What all who share a connection know of it. It is used until it breaks or stalls, and never again.
pub(super) struct Line {
    node: Arc<str>,
    timeout: Duration,
    progress: Arc<Progress>,
    broken: AtomicBool,
    /// Whether it broke because nothing moved: all that wait for a reply are told so.
    stalled: AtomicBool,
    /// Moves bytes until it is ended.
    driver: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Line {
    pub(super) fn new(
        node: &Arc<str>,
        timeout: Duration,
        progress: Arc<Progress>,
        driver: AbortHandle,
    ) -> Arc<Self> {
        let (node, broken, stalled) =
            (Arc::clone(node), AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { node, timeout, progress, broken, stalled, driver })
    }

    /// Whether it is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Ends it: whoever waits for a reply gets none, and nothing more is sent.
    pub(super) fn cut(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.driver.abort();
    }

    /// What the client library says of a reply.
    pub(super) fn trouble(&self, error: RedisError) -> Trouble {
        Trouble::of(&self.node, error)
    }

    /// Waits for a reply as long as bytes move. Without one, the connection is given up.
    pub(super) async fn unless_stalled<T>(
        &self,
        reply: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Trouble> {
        let reply = tokio::select! {
            reply = reply => reply.map_err(|error| match self.stalled.load(Ordering::Relaxed) {
                true => Trouble::stalled(&self.node, self.timeout),
                false => Trouble::of(&self.node, error),
            }),
            () = self.progress.stalled(self.timeout) => {
                self.stalled.store(true, Ordering::Relaxed);
                Err(Trouble::stalled(&self.node, self.timeout))
            }
        };
        // What was sent must not arrive after what is sent next, on another connection.
        if reply.as_ref().is_err_and(|trouble| !trouble.was_answered()) {
            self.cut();
        }
        reply
    }
}
