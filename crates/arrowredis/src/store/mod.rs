//! Where chunks and manifests are kept: the contract, and what can go wrong.
//!
//! [`RedisStore`] is the real one, over one server or a cluster; [`MemoryStore`] keeps the same contract inside the process, for
//! programs that want to try their own code without a server.

mod change;
mod error;
mod memory;
mod redis;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use arrow_buffer::Buffer;

use crate::checksum::{Checksum, Summed};
use crate::chunk::{Forwarded, Payload};
use crate::clock::Timestamp;
use crate::pipeline;

#[cfg(fuzzing)]
pub(crate) use redis::heard;

pub use change::{Change, Condition, Guard};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use redis::{
    Ceiling, ClusterMode, ConnectOptions, ReadFrom, RedisStore, Secret, Server, TlsOptions, Tried,
    Trouble,
};

/// A place that keeps values under keys.
///
/// # Contract
/// - A value that was put is handed out whole, byte for byte, to every caller that asks after the
///   put returned, until another is put under its key, it is renamed or removed, or its time is up.
/// - A put that fails may or may not have taken effect; repeating it with the same bytes is safe.
/// - [`ChunkStore::apply`] is done as one: nobody sees some of its changes without the others. All
///   its keys lie in one slot.
/// - What fails in a way that can pass by itself is tried again inside, within bounds, so that an error
///   is final.
/// - Calls may overlap without limit; whoever calls bounds them.
/// - A put keeps none of the payload's memory once it has returned: it may be that of a mapped file.
/// - Clones are cheap and are the same store.
pub trait ChunkStore: Clone + Send + Sync + 'static {
    /// Where a key lies. Keys of the same slot can be changed as one.
    fn slot(&self, key: &str) -> Slot;

    /// Keeps a value under a key, in place of the one before: until then, or for ever.
    fn put(
        &self,
        key: String,
        value: Payload,
        until: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Does the same with a value that lies in a file. Returns the checksum of what was kept. A store that
    /// sends values may read the file meanwhile; others have it read into memory before.
    ///
    /// # Errors
    /// As [`ChunkStore::put`], and [`StoreError::Source`] when the file cannot be read.
    fn forward(
        &self,
        key: String,
        value: Forwarded,
        until: Option<Timestamp>,
    ) -> impl Future<Output = Result<Checksum, StoreError>> + Send {
        async move {
            let (value, checksum) = pipeline::apart(move || value.read())
                .await
                .map_err(|source| StoreError::Source { key: key.clone(), source })?;
            self.put(key, value, until).await?;
            Ok(checksum)
        }
    }

    /// The values of some keys of one partition, in their order; `None` where there is none.
    fn get(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Buffer>>, StoreError>> + Send;

    /// Like [`ChunkStore::get`], but a copy that lags may answer: a value from before, or none. It is
    /// for those who can tell.
    fn get_anywhere(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Buffer>>, StoreError>> + Send {
        self.get(keys)
    }

    /// Like [`ChunkStore::get_anywhere`], with each value's checksum. A store that receives values may sum them
    /// up meanwhile; others do it here, which takes some 0.1 ms a MB.
    fn get_summed(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Summed>>, StoreError>> + Send {
        async move {
            let values = self.get_anywhere(keys).await?;
            Ok(values.into_iter().map(|value| value.map(Summed::of)).collect())
        }
    }

    /// The lengths in bytes of the values of some keys, in their order; `None` where there is none.
    fn lengths(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<u64>>, StoreError>> + Send;

    /// How long some keys will live, in their order; `None` where there is none.
    fn lives(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Life>>, StoreError>> + Send;

    /// Bytes of memory that some keys take with all that belongs to them, in their order; `None`
    /// where there is none.
    fn memory(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<u64>>, StoreError>> + Send;

    /// Every key that a pattern matches and that is text. It looks at all keys of the store, some
    /// at a time. A pattern is a Redis glob: `*`, `?`, `[a-c]`, `[^x]`, and `\` before what is
    /// meant as it stands. Redis matches bytes, of which a character beyond ASCII has several.
    fn keys(
        &self,
        pattern: &str,
    ) -> impl Future<Output = Result<BTreeSet<String>, StoreError>> + Send;

    /// Makes all changes, in their order, if the guard holds. Whether it did.
    ///
    /// An answer that is lost is asked for again. If the guard does not hold then, the changes may have
    /// been made the first time: that is found out by [`Guard::trace`], where there is one.
    fn apply(
        &self,
        guard: &Guard,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Claims a key for some time, if nobody else has or if whoever has is known to be gone; or
    /// prolongs a claim. `owner` says who claims, no two may say the same, and none may end with
    /// another: what stands under the key ends with it.
    fn claim(
        &self,
        key: &str,
        owner: &str,
        life: Duration,
    ) -> impl Future<Output = Result<Claimed, StoreError>> + Send;

    /// Gives a claim back, if it is still held.
    fn release(
        &self,
        key: &str,
        owner: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The store's clock.
    fn now(&self) -> impl Future<Output = Result<Timestamp, StoreError>> + Send;

    /// How much room there is, as far as the store tells.
    fn room(&self) -> impl Future<Output = Result<Option<Room>, StoreError>> + Send;

    /// Where the store is, for messages; holds no secret.
    fn address(&self) -> &str;
}

/// Where keys lie together: a cluster's hash slot, or all the same where there is one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Slot(pub u16);

/// How long a key will live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Until it is removed.
    Forever,
    /// For this long.
    For(Duration),
}

impl Life {
    /// What is left of it, if it ends.
    pub fn left(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(left) => Some(left),
        }
    }
}

/// Whether a claim was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It was.
    Ours,
    /// Somebody else has it: the text of their claim.
    Theirs(String),
}

/// A store's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that may be in use (`maxmemory`); `None` without a bound.
    pub limit: Option<u64>,
    /// What the store drops when they are all in use (`maxmemory-policy`), as it names it.
    pub eviction: String,
}
