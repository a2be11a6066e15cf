//! Where chunks are kept: the contract, and what can go wrong.
//!
//! [`RedisStore`] is the real one; [`MemoryStore`] keeps the same contract inside the process, for
//! programs that want to try their own code without a server.

mod memory;
mod redis;

use std::collections::BTreeSet;
use std::future::Future;

use arrow_buffer::Buffer;

use crate::chunk::Payload;
use crate::dataset::{ChunkId, DatasetName};

pub use memory::MemoryStore;
pub use redis::RedisStore;

/// A place that keeps values under keys.
///
/// # Contract
/// - A value that was put is handed out whole, byte for byte, to every caller that asks after the
///   put returned, until another is put under its key.
/// - A put that fails may or may not have taken effect; repeating it with the same bytes is safe.
/// - Calls may overlap without limit; whoever calls bounds them.
/// - A put keeps none of the payload's memory once it has returned: it may be that of a mapped file.
/// - Clones are cheap and are the same store.
pub trait ChunkStore: Clone + Send + Sync + 'static {
    /// Keeps a value under a key, in place of the one before.
    fn put(
        &self,
        key: String,
        value: Payload,
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

    /// Every chunk of a dataset whose key is there. It looks at all keys of the store.
    fn list(
        &self,
        dataset: &DatasetName,
    ) -> impl Future<Output = Result<BTreeSet<ChunkId>, StoreError>> + Send;

    /// Where the store is, for messages; holds no secret.
    fn address(&self) -> &str;
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
    #[error("{address} refuses this client; check the user and password of the address")]
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
    #[error("'{key}' is not a chunk: expected a string value, found another type of key")]
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
