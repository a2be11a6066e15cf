//! A store inside the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_buffer::Buffer;

use crate::chunk::Payload;
use crate::dataset::{ChunkId, DatasetName};
use crate::key::parse_chunk_key;

use super::{ChunkStore, StoreError};

/// Keeps values in this process' memory. Never fails.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    values: Arc<Mutex<BTreeMap<String, Buffer>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<String, Buffer>> {
        // No operation under the lock leaves the map half changed.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChunkStore for MemoryStore {
    async fn put(&self, key: String, value: Payload) -> Result<(), StoreError> {
        self.values().insert(key, Buffer::from_vec(value.to_vec()));
        Ok(())
    }

    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Buffer>>, StoreError> {
        let values = self.values();
        Ok(keys.iter().map(|key| values.get(key).cloned()).collect())
    }

    async fn lengths(&self, keys: Vec<String>) -> Result<Vec<Option<u64>>, StoreError> {
        let values = self.values();
        Ok(keys.iter().map(|key| values.get(key).map(|value| value.len() as u64)).collect())
    }

    async fn list(&self, dataset: &DatasetName) -> Result<BTreeSet<ChunkId>, StoreError> {
        let values = self.values();
        Ok(values.keys().filter_map(|key| parse_chunk_key(dataset, key.as_bytes())).collect())
    }

    fn address(&self) -> &str {
        "memory"
    }
}
