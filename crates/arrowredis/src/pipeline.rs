//! Work on other threads as streams: an iterator that may block, and jobs that keep a core busy.
//!
//! The caller's executor is never blocked, and nothing that runs elsewhere can be lost unseen: a
//! thread that panics ends its stream with an error.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use futures::stream::{self, Stream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::Error;

/// Items that a producer may be ahead of its consumer where they take next to no memory, being references
/// into mapped files; a few keep both sides busy.
pub(crate) const ITEMS_AHEAD: usize = 4;

/// How many jobs to keep on all cores.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

/// How many jobs to have under way: one on each core, and as many that wait. Whoever hands them out has
/// other things to do, and a core would wait for it between two.
pub(crate) fn jobs() -> usize {
    2 * cores()
}

/// Runs an iterator on a thread of its own, so many items ahead of whoever takes them, 1 or more.
/// Dropping the stream stops it at its next item.
pub(crate) fn produce<T, I>(items: I, ahead: usize) -> impl Stream<Item = Result<T, Error>> + Send
where
    T: Send + 'static,
    I: Iterator<Item = Result<T, Error>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(ahead);
    let thread = spawn_blocking(move || {
        for item in items {
            if sender.blocking_send(item).is_err() {
                break;
            }
        }
    });
    stream::unfold(Some((receiver, thread)), |state| async {
        let (mut receiver, thread) = state?;
        match receiver.recv().await {
            Some(item) => Some((item, Some((receiver, thread)))),
            None => thread.await.err().map(|panic| (Err(panic.into()), None)),
        }
    })
}

/// Runs a job that blocks or computes on a thread for such jobs.
pub(crate) async fn run<T, E>(
    job: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Send + 'static + Into<Error>,
{
    spawn_blocking(job).await?.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test]
    async fn a_panic_of_the_producer_is_an_error_and_not_an_early_end() {
        std::panic::set_hook(Box::new(|_| {}));
        let items = (0..3).map(|n| if n == 2 { panic!("broken") } else { Ok(n) });
        let got: Vec<_> = produce(items, ITEMS_AHEAD).collect().await;
        let _ = std::panic::take_hook();
        assert_eq!(got.len(), 3);
        assert!(matches!(got[1], Ok(1)));
        assert!(matches!(got[2], Err(Error::Worker(_))));
    }
}
