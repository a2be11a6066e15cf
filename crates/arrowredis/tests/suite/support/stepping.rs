//! A store that stops a program before any of its steps: for ever, as if it had died, or until it
//! may go on, as if it had been paused.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow_buffer::Buffer;
use arrowredis::chunk::Payload;
use arrowredis::clock::Timestamp;
use arrowredis::store::{Change, ChunkStore, Claimed, Guard, Life, Room, Slot, StoreError};
use tokio::sync::Semaphore;

/// Passes on as many requests as it may, and lets all later ones wait.
#[derive(Clone)]
pub(crate) struct Stepping<S> {
    inner: S,
    steps: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
}

impl<S: ChunkStore> Stepping<S> {
    /// May make so many requests.
    pub(crate) fn new(inner: S, steps: usize) -> Self {
        let steps = Arc::new(Semaphore::new(steps));
        Self { inner, steps, waiting: Arc::default(), running: Arc::default() }
    }

    /// Whether it has used up what it may, has done it, and would go on.
    pub(crate) fn stopped(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 && self.running.load(Ordering::Relaxed) == 0
    }

    /// Lets everything through from now on.
    pub(crate) fn go_on(&self) {
        self.steps.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    async fn step<T>(&self, request: impl Future<Output = T>) -> T {
        if let Ok(step) = self.steps.try_acquire() {
            step.forget();
            self.running.fetch_add(1, Ordering::Relaxed);
        } else {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.steps.acquire().await.unwrap().forget();
            self.running.fetch_add(1, Ordering::Relaxed);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        let done = request.await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        done
    }
}

impl<S: ChunkStore> ChunkStore for Stepping<S> {
    fn slot(&self, key: &str) -> Slot {
        self.inner.slot(key)
    }

    async fn put(
        &self,
        key: String,
        value: Payload,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.step(self.inner.put(key, value, until)).await
    }

    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Buffer>>, StoreError> {
        self.step(self.inner.get(keys)).await
    }

    async fn lengths(&self, keys: Vec<String>) -> Result<Vec<Option<u64>>, StoreError> {
        self.step(self.inner.lengths(keys)).await
    }

    async fn lives(&self, keys: Vec<String>) -> Result<Vec<Option<Life>>, StoreError> {
        self.step(self.inner.lives(keys)).await
    }

    async fn memory(&self, keys: Vec<String>) -> Result<Vec<Option<u64>>, StoreError> {
        self.step(self.inner.memory(keys)).await
    }

    async fn keys(&self, pattern: &str) -> Result<BTreeSet<String>, StoreError> {
        self.step(self.inner.keys(pattern)).await
    }

    async fn apply(&self, guard: &Guard, changes: Vec<Change>) -> Result<bool, StoreError> {
        self.step(self.inner.apply(guard, changes)).await
    }

    async fn claim(&self, key: &str, owner: &str, life: Duration) -> Result<Claimed, StoreError> {
        self.step(self.inner.claim(key, owner, life)).await
    }

    async fn release(&self, key: &str, claim: &str) -> Result<(), StoreError> {
        self.step(self.inner.release(key, claim)).await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.step(self.inner.now()).await
    }

    async fn room(&self) -> Result<Option<Room>, StoreError> {
        self.step(self.inner.room()).await
    }

    fn address(&self) -> &str {
        self.inner.address()
    }
}
