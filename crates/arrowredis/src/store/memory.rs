//! A store inside the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow_buffer::Buffer;

use crate::chunk::Payload;
use crate::clock::Timestamp;
use crate::glob::matches;
use crate::manifest::Fingerprint;

use super::{Change, ChunkStore, Claimed, Condition, Guard, Life, Room, Slot, StoreError};

/// Keeps values in this process' memory, by the system's clock. Never fails.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    values: Arc<Mutex<Values>>,
}

#[derive(Debug, Default)]
struct Values(BTreeMap<String, Kept>);

#[derive(Debug)]
struct Kept {
    value: Buffer,
    until: Option<Timestamp>,
}

impl Kept {
    fn lives(&self) -> bool {
        self.until.is_none_or(|until| until > now())
    }
}

impl Values {
    fn get(&self, key: &str) -> Option<&Kept> {
        self.0.get(key).filter(|kept| kept.lives())
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Kept> {
        self.0.get_mut(key).filter(|kept| kept.lives())
    }

    fn put(&mut self, key: String, value: &Payload, until: Option<Timestamp>) {
        self.0.insert(key, Kept { value: Buffer::from_vec(value.to_vec()), until });
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Put { key, value, until } => self.put(key, &value, until),
            Change::Rename { from, to } => {
                if let Some(kept) = self.0.remove(&from).filter(Kept::lives) {
                    self.0.insert(to, kept);
                }
            }
            Change::Settle { from, to, until, aside } => {
                let Some(kept) = self.0.remove(&from).filter(Kept::lives) else { return };
                let before = self.0.insert(to, Kept { until, ..kept }).filter(Kept::lives);
                if let (Some(before), Some((name, until))) = (before, aside) {
                    self.0.insert(name, Kept { until: Some(until), ..before });
                }
            }
            Change::Remove { key } => {
                self.0.remove(&key);
            }
            Change::Expire { key, until } => {
                if let Some(kept) = self.get_mut(&key) {
                    kept.until = until;
                }
            }
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        // No operation under the lock leaves the map half changed.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each<T>(&self, keys: &[String], what: impl Fn(&Kept) -> T) -> Vec<Option<T>> {
        let values = self.values();
        keys.iter().map(|key| values.get(key).map(&what)).collect()
    }
}

fn now() -> Timestamp {
    // A clock before 1970 is as good as one that stands there.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(0).after(since)
}

impl ChunkStore for MemoryStore {
    fn slot(&self, _: &str) -> Slot {
        Slot::default()
    }

    async fn put(
        &self,
        key: String,
        value: Payload,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.values().put(key, &value, until);
        Ok(())
    }

    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Buffer>>, StoreError> {
        Ok(self.each(&keys, |kept| kept.value.clone()))
    }

    async fn lengths(&self, keys: Vec<String>) -> Result<Vec<Option<u64>>, StoreError> {
        Ok(self.each(&keys, |kept| kept.value.len() as u64))
    }

    async fn lives(&self, keys: Vec<String>) -> Result<Vec<Option<Life>>, StoreError> {
        let now = now();
        Ok(self.each(&keys, |kept| match kept.until {
            Some(until) => Life::For(until.since(now)),
            None => Life::Forever,
        }))
    }

    async fn memory(&self, keys: Vec<String>) -> Result<Vec<Option<u64>>, StoreError> {
        self.lengths(keys).await
    }

    async fn keys(&self, pattern: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut values = self.values();
        values.0.retain(|_, kept| kept.lives());
        Ok(values.0.keys().filter(|key| matches(pattern, key)).cloned().collect())
    }

    async fn apply(&self, guard: &Guard, changes: Vec<Change>) -> Result<bool, StoreError> {
        let mut values = self.values();
        let holds = |condition: &Condition| {
            let found = values.get(condition.key()).map_or(&[][..], |kept| &kept.value);
            match condition {
                // A longer value that ends with a short one is another one.
                Condition::EndsWith { tail, .. } => {
                    let length = tail.len().max(Fingerprint::BYTES);
                    &found[found.len().saturating_sub(length)..] == tail.as_slice()
                }
                Condition::NotAfter { text, .. } => found <= text.as_bytes(),
            }
        };
        let has_length = |(key, length): &(String, u64)| {
            values.get(key).is_some_and(|kept| kept.value.len() as u64 == *length)
        };
        if !guard.conditions.iter().all(holds) || !guard.present.iter().all(has_length) {
            return Ok(false);
        }
        changes.into_iter().for_each(|change| values.change(change));
        Ok(true)
    }

    async fn claim(&self, key: &str, owner: &str, life: Duration) -> Result<Claimed, StoreError> {
        let mut values = self.values();
        if let Some(theirs) = values.get(key).filter(|kept| !kept.value.ends_with(owner.as_bytes()))
        {
            return Ok(Claimed::Theirs(String::from_utf8_lossy(&theirs.value).into_owned()));
        }
        let (value, until) = (Buffer::from(owner.as_bytes()), Some(now().after(life)));
        values.0.insert(key.to_owned(), Kept { value, until });
        Ok(Claimed::Ours)
    }

    async fn release(&self, key: &str, owner: &str) -> Result<(), StoreError> {
        let mut values = self.values();
        if values.get(key).is_some_and(|kept| kept.value.ends_with(owner.as_bytes())) {
            values.0.remove(key);
        }
        Ok(())
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(now())
    }

    async fn room(&self) -> Result<Option<Room>, StoreError> {
        Ok(None)
    }

    fn address(&self) -> &str {
        "memory"
    }
}
