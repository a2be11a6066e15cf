//! The store over Redis and Valkey, in whatever way they are run. Only this folder names the client.
//!
//! ```text
//! address, options --connect--> network: one server | what Sentinels name | a cluster's nodes
//! request --network--> node --wire--> stream       one connection carries all requests at once
//!         <-- answer, or a trouble: repeated with patience, sent elsewhere, or an error
//! ```

mod address;
mod bulk;
mod ceiling;
mod claim;
mod connect;
mod info;
mod limits;
mod line;
mod network;
mod node;
mod options;
mod patience;
mod receiving;
mod request;
mod scan;
mod script;
mod server;
mod shared;
mod storing;
mod stream;
mod tls;
mod topology;
mod trouble;
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::checksum::{Checksum, Summed};
use crate::chunk::{Forwarded, Payload};
use crate::clock::Timestamp;
use ::redis::{Cmd, Value, cmd};
use arrow_buffer::Buffer;

use super::{Change, ChunkStore, Claimed, Guard, Life, Room, Slot, StoreError};
use bulk::{Packed, Reply};
use network::Network;
use patience::{Notes, Patience};
use request::{Request, Unanswered, Whom, answers};

#[cfg(fuzzing)]
pub(crate) use bulk::heard;
pub use ceiling::Ceiling;
pub use options::{ClusterMode, ConnectOptions, ReadFrom, Secret, TlsOptions};
pub use patience::Tried;
pub use server::Server;
pub use trouble::Trouble;

/// Keys asked for in one pipeline of short replies: about 100 KB of commands.
const KEYS_PER_PIPELINE: usize = 1_000;

/// How long primaries are asked after a replica did not answer.
const REPLICAS_REST: Duration = Duration::from_secs(10);

/// A Redis or Valkey server, the primary that Sentinels name, or a cluster.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    network: Network,
    options: ConnectOptions,
    address: String,
    notes: Notes,
    limit: limits::Known,
    /// Until when replicas are not asked.
    rest: Mutex<Option<Instant>>,
}

impl Inner {
    fn replicas_rest(&self) -> bool {
        // Nothing panics under the lock.
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.is_some_and(|until| Instant::now() < until)
    }

    fn let_replicas_rest(&self) {
        let until = Instant::now() + REPLICAS_REST;
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("address", &self.0.address).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects with the default options.
    ///
    /// # Errors
    /// As [`RedisStore::connect_with`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, ConnectOptions::default()).await
    }

    /// Connects to `redis[s]://[user:password@]host[:port][/database]`, `unix:///path[?db=0]` or
    /// `redis+sentinel://host1,host2/service[/database]`. `valkey` may stand for `redis`, a cluster
    /// may be given by several hosts with commas between them, and `?protocol=resp3` asks for RESP3.
    ///
    /// # Errors
    /// [`StoreError::Address`] when the text is no address, [`StoreError::Denied`] when the server
    /// wants other credentials, [`StoreError::Connect`] when there is no server, or none that can be
    /// trusted.
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Self, StoreError> {
        connect::connect(url, options).await
    }

    fn new(network: Network, options: ConnectOptions, address: String) -> Self {
        let (notes, limit) = (Notes::default(), limits::Known::new());
        let rest = Mutex::new(None);
        Self(Arc::new(Inner { network, options, address, notes, limit, rest }))
    }

    async fn ask(&self, name: &'static str, key: &str, command: Cmd) -> Result<Value, StoreError> {
        let mut patience = Patience::new(&self.0.options);
        self.ask_with(name, key, command, &mut patience).await
    }

    async fn ask_with(
        &self,
        name: &'static str,
        key: &str,
        command: Cmd,
        patience: &mut Patience,
    ) -> Result<Value, StoreError> {
        let request = [Request { key: key.to_owned(), command }];
        let (network, notes) = (&self.0.network, &self.0.notes);
        match answers(network, &request, Whom::Primary, patience, notes).await {
            Ok(mut answers) => Ok(answers.pop().unwrap_or(Value::Nil)),
            Err(Unanswered { trouble, .. }) => Err(self.failed(name, key, trouble, patience).await),
        }
    }

    /// One reply for each key.
    async fn each(
        &self,
        name: &'static str,
        keys: &[String],
        whom: Whom,
        command: impl Fn(&str) -> Cmd,
    ) -> Result<Vec<Value>, StoreError> {
        let (network, notes) = (&self.0.network, &self.0.notes);
        let mut replies = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_PER_PIPELINE) {
            let request = |key: &String| Request { key: key.clone(), command: command(key) };
            let requests: Vec<_> = keys.iter().map(request).collect();
            let mut patience = Patience::new(&self.0.options);
            match answers(network, &requests, whom, &mut patience, notes).await {
                Ok(some) => replies.extend(some),
                Err(Unanswered { index, trouble }) => {
                    return Err(self.failed(name, &keys[index], trouble, &patience).await);
                }
            }
        }
        Ok(replies)
    }

    /// One number for each key, as STRLEN and EXISTS answer.
    async fn numbers(
        &self,
        command: &'static str,
        keys: &[String],
    ) -> Result<Vec<i64>, StoreError> {
        let one = |key: &str| {
            let mut with_key = cmd(command);
            with_key.arg(key);
            with_key
        };
        let replies = self.each(command, keys, Whom::Primary, one).await?;
        let number = |(key, reply): (&String, Value)| match reply {
            Value::Int(number) => Ok(number),
            other => Err(self.unexpected(command, key, &other)),
        };
        keys.iter().zip(replies).map(number).collect()
    }

    /// What was answered that was not to be expected.
    fn unexpected_reply(&self, command: &'static str, key: &str, found: Reply) -> StoreError {
        match found {
            Reply::Value(bytes) | Reply::Summed(Summed { value: bytes, .. }) => {
                self.unexpected(command, key, &Value::BulkString(bytes.to_vec()))
            }
            Reply::Other(value) => self.unexpected(command, key, &value),
            Reply::Stored(_) => self.unexpected(command, key, &Value::Okay),
            Reply::Unsent(source) => StoreError::Source { key: key.to_owned(), source },
        }
    }

    /// Whether changes were made whose answer was lost, and which were then asked for again.
    async fn were_made(&self, guard: &Guard, changes: &[Change]) -> Result<bool, StoreError> {
        let Some((key, tail)) = guard.trace(changes) else { return Ok(false) };
        let mut command = cmd("GETRANGE");
        command.arg(&key).arg(-8).arg(-1);
        match self.ask("GETRANGE", &key, command).await? {
            Value::BulkString(found) => Ok(found == tail),
            other => Err(self.unexpected("GETRANGE", &key, &other)),
        }
    }

    async fn failed(
        &self,
        command: &'static str,
        key: &str,
        trouble: Trouble,
        patience: &Patience,
    ) -> StoreError {
        let address = match self.0.network.is_cluster() {
            true => format!("{} ({})", trouble.node, self.0.address),
            false => self.0.address.clone(),
        };
        let (key, advice, tried) = (key.to_owned(), trouble.advice(), patience.tried());
        match trouble.code() {
            Some("MOVED" | "ASK") => StoreError::Cluster { key, address, trouble },
            Some("WRONGTYPE") => StoreError::NotAChunk { key },
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
                StoreError::Denied { address, command, key, advice, trouble }
            }
            Some("OOM") => {
                let used = Box::pin(self.used()).await;
                StoreError::Full { address, command, key, used, advice, trouble }
            }
            _ if trouble.was_unreachable() => {
                StoreError::Connect { address, tried, advice, trouble }
            }
            _ => StoreError::Command { command, key, address, tried, advice, trouble },
        }
    }

    /// The memory of all servers together.
    async fn rooms(&self, patience: &mut Patience) -> Result<Option<Room>, Trouble> {
        let mut command = cmd("INFO");
        command.arg("memory");
        let (network, notes) = (&self.0.network, &self.0.notes);
        let answers = scan::of_each_primary(network, &command, patience, notes).await?;
        let rooms = answers.iter().filter_map(info::text).map(|info| info::room(&info));
        Ok(rooms.collect::<Option<Vec<_>>>().and_then(info::together))
    }

    /// How full the server is, for a message.
    async fn used(&self) -> String {
        match self.rooms(&mut Patience::with_retries(&self.0.options, 0)).await {
            Ok(Some(Room { used, limit: Some(limit), .. })) => {
                format!(", with {used} bytes in use and {limit} allowed (maxmemory)")
            }
            _ => String::new(),
        }
    }

    fn unexpected(&self, command: &'static str, key: &str, found: &Value) -> StoreError {
        let found = match found {
            Value::Nil => "nothing".to_owned(),
            Value::Int(_) => "a number".to_owned(),
            Value::Array(items) => format!("{} items", items.len()),
            Value::BulkString(bytes) => format!("{} bytes", bytes.len()),
            _ => "another type of reply".to_owned(),
        };
        let (key, address) = (key.to_owned(), self.0.address.clone());
        StoreError::Reply { command, key, address, found }
    }
}

impl ChunkStore for RedisStore {
    fn slot(&self, key: &str) -> Slot {
        match self.0.network.is_cluster() {
            true => Slot(topology::slot_of(key.as_bytes())),
            false => Slot::default(),
        }
    }

    async fn put(
        &self,
        key: String,
        value: Payload,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let packed = Packed::set(&key, &value, until);
        match self.store(&key, value.len() as u64, packed).await? {
            Reply::Other(Value::Okay) => Ok(()),
            other => Err(self.unexpected_reply("SET", &key, other)),
        }
    }

    async fn forward(
        &self,
        key: String,
        value: Forwarded,
        until: Option<Timestamp>,
    ) -> Result<Checksum, StoreError> {
        let packed = Packed::forward(&key, &value, until);
        match self.store(&key, value.len() as u64, packed).await? {
            Reply::Stored(checksum) => Ok(checksum),
            other => Err(self.unexpected_reply("SET", &key, other)),
        }
    }

    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Buffer>>, StoreError> {
        let replies = self.ask_primaries(&keys, Packed::get).await?;
        self.values(&keys, replies, Reply::into_value)
    }

    async fn get_anywhere(&self, keys: Vec<String>) -> Result<Vec<Option<Buffer>>, StoreError> {
        let replies = self.ask_anywhere(&keys, Packed::get).await?;
        self.values(&keys, replies, Reply::into_value)
    }

    async fn get_summed(&self, keys: Vec<String>) -> Result<Vec<Option<Summed>>, StoreError> {
        let replies = self.ask_anywhere(&keys, Packed::get_summed).await?;
        self.values(&keys, replies, Reply::into_summed)
    }

    async fn lengths(&self, keys: Vec<String>) -> Result<Vec<Option<u64>>, StoreError> {
        let lengths = self.numbers("STRLEN", &keys).await?;
        // 0 is both an empty value and none at all.
        let doubtful = keys.iter().zip(&lengths).filter(|(_, length)| **length == 0);
        let doubtful: Vec<String> = doubtful.map(|(key, _)| key.clone()).collect();
        let mut exists = self.numbers("EXISTS", &doubtful).await?.into_iter();
        let known = lengths.into_iter().map(|length| match u64::try_from(length) {
            Ok(0) => exists.next().is_some_and(|count| count > 0).then_some(0),
            length => length.ok(),
        });
        Ok(known.collect())
    }

    async fn lives(&self, keys: Vec<String>) -> Result<Vec<Option<Life>>, StoreError> {
        // -2 is no key, -1 one that lives for ever.
        let life = |left: i64| match u64::try_from(left) {
            Ok(left) => Some(Life::For(Duration::from_millis(left))),
            Err(_) => (left == -1).then_some(Life::Forever),
        };
        Ok(self.numbers("PTTL", &keys).await?.into_iter().map(life).collect())
    }

    async fn memory(&self, keys: Vec<String>) -> Result<Vec<Option<u64>>, StoreError> {
        let command = |key: &str| {
            let mut command = cmd("MEMORY");
            command.arg("USAGE").arg(key);
            command
        };
        let replies = match self.each("MEMORY USAGE", &keys, Whom::Primary, command).await {
            Ok(replies) => replies,
            // Hosted servers may keep that to themselves.
            Err(StoreError::Denied { .. }) => return Ok(vec![None; keys.len()]),
            Err(StoreError::Command { trouble, .. }) if trouble.is_refusal() => {
                return Ok(vec![None; keys.len()]);
            }
            Err(error) => return Err(error),
        };
        let bytes = |reply| match reply {
            Value::Int(bytes) => u64::try_from(bytes).ok(),
            _ => None,
        };
        Ok(replies.into_iter().map(bytes).collect())
    }

    async fn keys(&self, pattern: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut patience = Patience::new(&self.0.options);
        match scan::keys(&self.0.network, pattern, &mut patience, &self.0.notes).await {
            Ok(keys) => Ok(keys),
            Err(trouble) => Err(self.failed("SCAN", pattern, trouble, &patience).await),
        }
    }

    async fn apply(&self, guard: &Guard, changes: Vec<Change>) -> Result<bool, StoreError> {
        let Some(key) = guard.any_key(&changes).map(str::to_owned) else { return Ok(true) };
        for change in &changes {
            if let Change::Put { key, value, .. } = change {
                self.check_length(key, value.len() as u64).await?;
            }
        }
        let mut patience = Patience::new(&self.0.options);
        let command = script::apply(guard, &changes);
        let answer = self.ask_with("EVAL", &key, command, &mut patience).await;
        let doubtful = patience.may_have_been_done();
        let made = match answer {
            Ok(Value::Int(1)) => return Ok(true),
            Ok(Value::Int(_)) if doubtful => self.were_made(guard, &changes).await,
            Ok(Value::Int(_)) => return Ok(false),
            Ok(other) => Err(self.unexpected("EVAL", &key, &other)),
            Err(error) => Err(error),
        };
        // How the last attempt ended says nothing about those before it.
        made.map_err(|error| match doubtful {
            true => StoreError::Unsettled { key, source: Box::new(error) },
            false => error,
        })
    }

    async fn claim(&self, key: &str, owner: &str, life: Duration) -> Result<Claimed, StoreError> {
        let mut theirs = self.try_claim(key, owner, life, "").await?;
        if let Some(text) = &theirs
            && self.is_gone(key, text).await
        {
            theirs = self.try_claim(key, owner, life, text).await?;
        }
        Ok(theirs.map_or(Claimed::Ours, Claimed::Theirs))
    }

    async fn release(&self, key: &str, owner: &str) -> Result<(), StoreError> {
        self.ask("EVAL", key, script::release(key, owner)).await.map(drop)
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        let reply = self.ask("TIME", "", cmd("TIME")).await?;
        let unexpected = self.unexpected("TIME", "", &reply);
        let (seconds, micros): (u64, u64) =
            ::redis::from_redis_value(reply).map_err(|_| unexpected)?;
        Ok(Timestamp(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)))
    }

    async fn room(&self) -> Result<Option<Room>, StoreError> {
        let mut patience = Patience::new(&self.0.options);
        match self.rooms(&mut patience).await {
            Ok(room) => Ok(room),
            // Hosted servers may keep that to themselves, or not know it.
            Err(trouble) if trouble.is_refusal() => Ok(None),
            Err(trouble) => Err(self.failed("INFO", "", trouble, &patience).await),
        }
    }

    fn address(&self) -> &str {
        &self.0.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of_what_is_returned<A, R>(_: impl FnOnce(A) -> R) -> usize {
        size_of::<R>()
    }

    /// There is a future for each value that is on its way, and it is moved several times before it runs.
    #[test]
    fn what_waits_for_a_value_is_small() {
        type Put = (&'static RedisStore, String, Payload);
        let put = |(store, key, value): Put| ChunkStore::put(store, key, value, None);
        let get = |(store, keys): (&'static RedisStore, Vec<String>)| ChunkStore::get(store, keys);
        type Forward = (&'static RedisStore, String, Forwarded);
        let forward = |(store, key, value): Forward| ChunkStore::forward(store, key, value, None);
        let (put, get) = (bytes_of_what_is_returned(put), bytes_of_what_is_returned(get));
        let forward = bytes_of_what_is_returned(forward);
        assert!(put.max(get).max(forward) <= 2_048, "{put}, {get} and {forward} bytes");
    }
}
