//! Work on other threads as streams: an iterator that may block, and jobs that keep a core busy.
//!
//! The caller's executor is never blocked, and nothing that runs elsewhere can be lost unseen: a
//! thread that panics ends its stream with an error.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread::{self, available_parallelism};
use std::{io, iter};

use futures::TryStreamExt;
use futures::stream::{self, Stream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
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

/// Does the same, and hands items over several at once, until they weigh `most` together: to wake another
/// thread takes as long as to walk a batch or to copy a short value.
pub(crate) fn produce_together<T, I>(
    items: I,
    weigh: impl Fn(&T) -> u64 + Send + 'static,
    most: u64,
    ahead: usize,
) -> impl Stream<Item = Result<T, Error>> + Send
where
    T: Send + 'static,
    I: Iterator<Item = Result<T, Error>> + Send + 'static,
{
    produce(groups(items, weigh, most), ahead)
        .map_ok(|group| stream::iter(group.into_iter().map(Ok)))
        .try_flatten()
}

/// Items that weigh `most` together, or all up to an error.
fn groups<T, E>(
    mut items: impl Iterator<Item = Result<T, E>>,
    weigh: impl Fn(&T) -> u64,
    most: u64,
) -> impl Iterator<Item = Result<Vec<T>, E>> {
    let mut error = None;
    iter::from_fn(move || {
        if let Some(error) = error.take() {
            return Some(Err(error));
        }
        let (mut group, mut weight) = (Vec::new(), 0u64);
        loop {
            match items.next() {
                Some(Ok(item)) => {
                    weight = weight.saturating_add(weigh(&item));
                    group.push(item);
                    if weight >= most {
                        break;
                    }
                }
                Some(Err(found)) if group.is_empty() => return Some(Err(found)),
                Some(Err(found)) => {
                    error = Some(found);
                    break;
                }
                None => break,
            }
        }
        (!group.is_empty()).then_some(Ok(group))
    })
}

/// Threads that only compute, one a core. More would take turns on the same cores, and each would have its own
/// decompressor and its own part of the allocator to fill the caches with.
static COMPUTING: OnceLock<Option<Runtime>> = OnceLock::new();

fn computing() -> Option<&'static Runtime> {
    let build = || Builder::new_current_thread().max_blocking_threads(cores()).build().ok();
    COMPUTING.get_or_init(build).as_ref()
}

/// Runs a job that computes and waits for nothing, as soon as one of as many threads as there are cores is
/// free: those that were handed over first come first.
pub(crate) async fn compute<T, E>(
    job: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Send + 'static + Into<Error>,
{
    let done = match computing() {
        Some(threads) => threads.spawn_blocking(job),
        // Too many threads are better than none.
        None => spawn_blocking(job),
    };
    done.await?.map_err(Into::into)
}

/// Runs a job that reads or writes files on a thread for such jobs.
pub(crate) async fn run<T, E>(
    job: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Send + 'static + Into<Error>,
{
    spawn_blocking(job).await?.map_err(Into::into)
}

/// Runs a job that waits for a file on a thread of its own: the runtime's may all belong to those who wait
/// until this has been done.
///
/// # Errors
/// As the job, and when there is no thread.
pub(crate) async fn apart<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, done) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        // Whoever waited may have lost interest.
        let _ = sender.send(job());
    })?;
    // It only goes away unsent when the job panics.
    done.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::checksum::Checksum;
    use crate::error::OptionsError;
    use futures::StreamExt;

    /// Method: each job waits until as many are running as may, so that the bound is reached, and then works
    /// for long enough that others would begin beside it if they might.
    #[tokio::test]
    async fn as_many_jobs_compute_as_there_are_cores() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let job = |_| {
            compute(|| {
                let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
                MOST.fetch_max(running, Ordering::SeqCst);
                while MOST.load(Ordering::SeqCst) < cores() {
                    thread::yield_now();
                }
                std::hint::black_box(Checksum::of(&vec![0; 4 << 20]));
                RUNNING.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Error>(())
            })
        };
        futures::future::try_join_all((0..20 * cores()).map(job)).await.unwrap();
        assert_eq!(MOST.load(Ordering::SeqCst), cores());
    }

    #[tokio::test]
    async fn a_panic_of_a_job_is_an_error_and_the_threads_go_on() {
        for _ in 0..3 * cores() {
            let failed = compute(|| -> Result<(), Error> { panic!("broken") }).await;
            assert!(matches!(failed, Err(Error::Worker(_))));
        }
        assert_eq!(compute(|| Ok::<_, Error>(7)).await.unwrap(), 7);
    }

    #[test]
    fn groups_weigh_as_much_as_was_asked_and_an_error_comes_after_what_was_before_it() {
        let items = [1, 2, 9, 3, 3, 3, 1].map(Ok).into_iter().chain([Err("broken"), Ok(5)]);
        let got: Vec<_> = groups(items, |item| *item, 6).collect();
        assert_eq!(
            got,
            [Ok(vec![1, 2, 9]), Ok(vec![3, 3]), Ok(vec![3, 1]), Err("broken"), Ok(vec![5]),]
        );
        assert_eq!(groups([Err::<u64, _>("broken")].into_iter(), |_| 1, 6).count(), 1);
        assert_eq!(
            groups([].into_iter(), |_: &u64| 1, 6).collect::<Result<Vec<_>, ()>>(),
            Ok(vec![])
        );
    }

    #[tokio::test]
    async fn what_is_produced_together_comes_in_its_order() {
        let broken =
            || OptionsError::OutOfRange { option: "n", found: 0, expected: "1".to_owned() };
        for most in [0, 1, 10, u64::MAX] {
            let items =
                (0..100).map(move |n| if n == 99 { Err(Error::Options(broken())) } else { Ok(n) });
            let produced = produce_together(items, |n| n % 4, most, ITEMS_AHEAD);
            let got: Vec<_> = produced.collect().await;
            assert!(
                got[..99].iter().map(|item| item.as_ref().unwrap()).copied().eq(0..99),
                "{most}"
            );
            assert!(got.len() == 100 && got[99].is_err(), "{most}");
        }
    }

    /// Method: all blocking threads of the runtime wait for the job.
    #[test]
    fn a_job_apart_needs_none_of_the_runtime_s_threads() {
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = std::sync::mpsc::channel();
            let waiting = spawn_blocking(move || receiver.recv());
            apart(move || sender.send(7).map_err(io::Error::other)).await.unwrap();
            assert_eq!(waiting.await.unwrap().unwrap(), 7);
            let panicked: io::Result<()> = apart(|| panic!("broken")).await;
            panicked.unwrap_err();
        });
    }

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
