//! Something that many need and one makes: a connection, or a look at where things are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::trouble::Trouble;

/// How long what was just made anew is not made again. Many requests notice a failover at once.
const FRESH: Duration = Duration::from_millis(100);

/// What was made last, or why it could not be.
pub(super) struct Shared<T> {
    last: RwLock<Option<(Result<T, Trouble>, Instant)>>,
    /// What was made last that worked, whatever came after it.
    good: RwLock<Option<T>>,
    making: tokio::sync::Mutex<()>,
    attempts: AtomicU64,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            last: RwLock::default(),
            good: RwLock::default(),
            making: tokio::sync::Mutex::default(),
            attempts: AtomicU64::new(0),
        }
    }
}

impl<T: Clone> Shared<T> {
    /// What was made last, if that worked.
    pub(super) fn last(&self) -> Option<T> {
        self.read()?.0.ok()
    }

    /// What was made last that worked, even if making it anew has failed since.
    pub(super) fn known(&self) -> Option<T> {
        self.good.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was made last if it is good, or else what is made now.
    pub(super) async fn get(
        &self,
        is_good: impl Fn(&T) -> bool,
        make: impl AsyncFnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let attempts_before = self.attempts.load(Ordering::Acquire);
        if let Some(good) = self.last().filter(&is_good) {
            return Ok(good);
        }
        let _making = self.making.lock().await;
        match self.read() {
            Some((Ok(good), _)) if is_good(&good) => Ok(good),
            // Whoever waited for the same attempt gets what came of it.
            Some((Err(trouble), _)) if self.attempts.load(Ordering::Acquire) != attempts_before => {
                Err(trouble)
            }
            _ => self.make(make).await,
        }
    }

    /// What is made now, unless somebody just did. If that fails, the one before is gone, too.
    pub(super) async fn renew(
        &self,
        make: impl AsyncFnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let attempts_before = self.attempts.load(Ordering::Acquire);
        let _making = self.making.lock().await;
        match self.read() {
            Some((last, when))
                if when.elapsed() < FRESH
                    || self.attempts.load(Ordering::Acquire) != attempts_before =>
            {
                last
            }
            _ => self.make(make).await,
        }
    }

    async fn make(&self, make: impl AsyncFnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        let made = make().await;
        if let Ok(good) = &made {
            *self.good.write().unwrap_or_else(PoisonError::into_inner) = Some(good.clone());
        }
        *self.last.write().unwrap_or_else(PoisonError::into_inner) =
            Some((made.clone(), Instant::now()));
        self.attempts.fetch_add(1, Ordering::Release);
        made
    }

    fn read(&self) -> Option<(Result<T, Trouble>, Instant)> {
        // Nothing panics under the lock.
        self.last.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn of_many_one_tries_and_all_get_what_came_of_it() {
        let (shared, tries) = (Shared::<u32>::default(), Cell::new(0));
        let failing = async || {
            tries.set(tries.get() + 1);
            tokio::task::yield_now().await;
            Err(Trouble::unusable(&"h".into(), "nobody"))
        };
        let all = join_all((0..100).map(|_| shared.get(|_| true, failing))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(tries.get(), 1);
        assert_eq!(shared.get(|_| true, async || Ok(7)).await.unwrap(), 7);
        assert_eq!(shared.get(|_| true, failing).await.unwrap(), 7);
        assert_eq!(shared.get(|last| *last != 7, async || Ok(8)).await.unwrap(), 8);
        assert_eq!(tries.get(), 1);
    }
}
