//! Where chunks and manifests are kept: the contract, and what can go wrong.
//!
//! [`RedisStore`] is the real one; [`MemoryStore`] keeps the same contract inside the process, for
//! programs that want to try their own code without a server.

mod change;
mod memory;
mod redis;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use arrow_buffer::Buffer;

use crate::chunk::Payload;
use crate::clock::Timestamp;

pub use change::{Change, Guard};
pub use memory::MemoryStore;
pub use redis::RedisStore;

/// A place that keeps values under keys.
///
/// # Contract
/// - A value that was put is handed out whole, byte for byte, to every caller that asks after the
///   put returned, until another is put under its key, it is renamed or removed, or its time is up.
/// - A put that fails may or may not have taken effect; repeating it with the same bytes is safe.
/// - [`ChunkStore::apply`] is done as one: nobody sees some of its changes without the others.
/// - Calls may overlap without limit; whoever calls bounds them.
/// - A put keeps none of the payload's memory once it has returned: it may be that of a mapped file.
/// - Clones are cheap and are the same store.
pub trait ChunkStore: Clone + Send + Sync + 'static {
    /// Keeps a value under a key, in place of the one before: until then, or for ever.
    fn put(
        &self,
        key: String,
        value: Payload,
        until: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The values of some keys of one partition, in their order; `None` where there is none.
    fn get(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Buffer>>, StoreError>> + Send;

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
    fn apply(
        &self,
        guard: &Guard,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Claims a key for some time, if nobody else has or if whoever has is known to be gone.
    /// `owner` says who claims, and no two claims may say the same.
    fn claim(
        &self,
        key: &str,
        owner: &str,
        life: Duration,
    ) -> impl Future<Output = Result<Claimed, StoreError>> + Send;

    /// Prolongs a claim, by the text that [`Claimed::Ours`] gave. Whether it was still held.
    fn renew(
        &self,
        key: &str,
        claim: &str,
        life: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives a claim back, if it is still held.
    fn release(
        &self,
        key: &str,
        claim: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The store's clock.
    fn now(&self) -> impl Future<Output = Result<Timestamp, StoreError>> + Send;

    /// How much room there is, as far as the store tells.
    fn room(&self) -> impl Future<Output = Result<Option<Room>, StoreError>> + Send;

    /// Where the store is, for messages; holds no secret.
    fn address(&self) -> &str;
}

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
    /// It was; the text proves it.
    Ours(String),
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

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address cannot be read. The text is not repeated: it may hold a password.
    #[error(
        "cannot read the Redis address: {reason}; expected redis://[user:password@]host[:port][/database]"
    )]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// No connection could be made.
    #[error("cannot connect to {address}; is a Redis server running there?")]
    Connect {
        /// Where.
        address: String,
        /// The client's reason.
        source: ::redis::RedisError,
    },
    /// There is a server, and it does not take the connection as it was asked for.
    #[error("{address} refuses the connection")]
    Refused {
        /// Where.
        address: String,
        /// The server's answer, such as that the database number is out of range.
        source: ::redis::RedisError,
    },
    /// A value is longer than a server takes.
    #[error(
        "'{key}' would be {len} bytes long; Redis takes at most {max} in one value, so write the \
         file in smaller batches"
    )]
    TooLarge {
        /// The key.
        key: String,
        /// The value's length.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The server does not let this client in.
    #[error(
        "{address} refuses this client or what it asks for; check the user and password of the \
         address, and what that user may do"
    )]
    Denied {
        /// Where.
        address: String,
        /// The server's answer.
        source: ::redis::RedisError,
    },
    /// A command failed.
    #[error("{command} of '{key}' failed at {address}")]
    Command {
        /// The command.
        command: &'static str,
        /// The key, or the first of several, or the pattern.
        key: String,
        /// Where.
        address: String,
        /// The client's or the server's reason.
        source: ::redis::RedisError,
    },
    /// The server is a node of a cluster.
    #[error(
        "{address} is a node of a Redis Cluster, and '{key}' lies on another; \
         this version reads and writes single servers only"
    )]
    Cluster {
        /// The key.
        key: String,
        /// Where.
        address: String,
        /// The server's answer.
        source: ::redis::RedisError,
    },
    /// A key holds a list, a hash or something else that is no value.
    #[error(
        "'{key}' holds no value: expected a string, found another type of key; it is another \
         program's, so remove it or choose another prefix"
    )]
    NotAChunk {
        /// The key.
        key: String,
    },
    /// A reply has another shape than the command's.
    #[error("{address} answered {command} of '{key}' with {found}; is it a Redis server?")]
    Reply {
        /// The command.
        command: &'static str,
        /// The key.
        key: String,
        /// Where.
        address: String,
        /// What came.
        found: String,
    },
}
