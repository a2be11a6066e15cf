//! The store over one Redis or Valkey server. The only file that names the Redis client.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::io::tcp::TcpSettings;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, Pipeline, RedisError, RedisWrite, ServerErrorKind, ToRedisArgs, Value, cmd,
};
use arrow_buffer::Buffer;

use crate::chunk::Payload;
use crate::clock::Timestamp;

use super::{Change, ChunkStore, Claimed, Guard, Life, Room, StoreError};

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one reply may take, waiting behind others included. The bytes in flight are bounded
/// (64 MiB unless told otherwise), so this fails only below about 1 MiB/s.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest value that a server takes unless its `proto-max-bulk-len` is set higher: 512 MiB. It
/// closes the connection on a longer one.
const MAX_VALUE_BYTES: usize = 512 << 20;

/// Keys asked for in one pipeline of short replies: about 100 KB of commands.
const KEYS_PER_PIPELINE: usize = 1_000;

/// How many keys one `SCAN` step looks at. Redis serves nobody else meanwhile: about 1 ms.
const KEYS_PER_SCAN: usize = 1_000;

/// Makes changes as one. `KEYS[1]` is the manifest that guards them and `ARGV[1]` what it must end with,
/// nothing if it must be absent; `ARGV[2]` is the number of keys that follow and must have the lengths
/// that follow. Then come changes: a word, how many keys it is about, and what it needs for all of
/// them. All times to live are set by the same command, so that keys with the same time vanish together
/// even when it has come already. New values come first (see [`script`]), since a full server may refuse them, but only while
/// the script has changed nothing yet. Values that are replaced are freed on another thread.
const APPLY: &str = r"
if redis.call('GETRANGE', KEYS[1], -8, -1) ~= ARGV[1] then return 0 end
local key, arg = 1, 2
local function next_key() key = key + 1; return KEYS[key] end
local function next_arg() arg = arg + 1; return ARGV[arg] end
for _ = 1, tonumber(ARGV[2]) do
    if redis.call('STRLEN', next_key()) ~= tonumber(next_arg()) then return 0 end
end
while arg < #ARGV do
    local change, count = next_arg(), tonumber(next_arg())
    if change == 'put' then
        local name, value, at = next_key(), next_arg(), next_arg()
        if at == '' then redis.call('SET', name, value)
        else
            redis.call('SET', name, value, 'PXAT', at)
            redis.call('PEXPIREAT', name, at)
        end
    elseif change == 'rename' then
        for _ = 1, count do
            local from, to = next_key(), next_key()
            if redis.call('EXISTS', from) == 1 then
                redis.call('UNLINK', to)
                redis.call('RENAME', from, to)
            end
        end
    elseif change == 'remove' then
        for _ = 1, count do redis.call('UNLINK', next_key()) end
    elseif change == 'expire' then
        local at = next_arg()
        for _ = 1, count do
            if at == '' then redis.call('PERSIST', next_key())
            else redis.call('PEXPIREAT', next_key(), at) end
        end
    end
end
return 1
";

/// Claims `KEYS[1]` as `ARGV[1]` for `ARGV[2]` ms if it is free, or still says `ARGV[3]`.
const CLAIM: &str = r"
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[3] then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
";

/// Prolongs the claim `ARGV[1]` of `KEYS[1]` to `ARGV[2]` ms.
const RENEW: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
";

/// Gives the claim `ARGV[1]` of `KEYS[1]` back.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
";

/// What stands before the number of the connection by which a claim was made.
const CONNECTION: &str = " connection=";

/// One Redis or Valkey server, over one multiplexed connection.
#[derive(Clone)]
pub struct RedisStore {
    connection: MultiplexedConnection,
    address: Arc<str>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("address", &self.address).finish_non_exhaustive()
    }
}

impl StoreError {
    /// Whether the store answered, so that what was asked for has certainly not been done.
    pub fn was_refused(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Reply { .. } => false,
            Self::Command { source, .. } => {
                matches!(source.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
            }
            _ => true,
        }
    }
}

impl RedisStore {
    /// Connects to `redis://[user:password@]host[:port][/database]`.
    ///
    /// # Errors
    /// [`StoreError::Address`] when the text is no address, [`StoreError::Denied`] when the server
    /// wants other credentials, [`StoreError::Connect`] when there is no server.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let info = connection_info(url)?;
        let address = display_address(&info);
        let failed = |source: RedisError| match source.kind() {
            ErrorKind::InvalidClientConfig => StoreError::Address { reason: source.to_string() },
            ErrorKind::AuthenticationFailed => {
                StoreError::Denied { address: address.clone(), source }
            }
            _ if matches!(source.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => {
                StoreError::Denied { address: address.clone(), source }
            }
            ErrorKind::Server(_) | ErrorKind::Extension => {
                StoreError::Refused { address: address.clone(), source }
            }
            _ => StoreError::Connect { address: address.clone(), source },
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(REPLY_TIMEOUT));
        let client = Client::open(info).map_err(failed)?;
        let connection =
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)?;
        tracing::info!(%address, "connected");
        Ok(Self { connection, address: address.into() })
    }

    async fn ask(&self, name: &'static str, key: &str, command: &Cmd) -> Result<Value, StoreError> {
        let reply = self.connection.clone().send_packed_command(command).await;
        reply.and_then(Value::extract_error).map_err(|error| self.failed(name, key, error))
    }

    fn failed(&self, command: &'static str, key: &str, source: RedisError) -> StoreError {
        let (key, address) = (key.to_owned(), self.address.to_string());
        match (source.kind(), source.code()) {
            (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask), _) => {
                StoreError::Cluster { key, address, source }
            }
            (_, Some("WRONGTYPE")) => StoreError::NotAChunk { key },
            (_, Some("NOAUTH" | "NOPERM")) => StoreError::Denied { address, source },
            _ => StoreError::Command { command, key, address, source },
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
        let (key, address) = (key.to_owned(), self.address.to_string());
        StoreError::Reply { command, key, address, found }
    }

    /// Whether the connection by which a claim was made is gone. A server may not tell.
    async fn is_gone(&self, claim: &str) -> bool {
        let Some((_, connection)) = claim.rsplit_once(CONNECTION) else { return false };
        let mut command = cmd("CLIENT");
        command.arg("LIST").arg("ID").arg(connection);
        match self.ask("CLIENT LIST", connection, &command).await {
            Ok(Value::BulkString(clients)) => clients.is_empty(),
            Ok(Value::VerbatimString { text, .. }) => text.is_empty(),
            Ok(_) | Err(_) => false,
        }
    }

    /// One reply for each key, as commands with short replies give.
    async fn each(
        &self,
        name: &'static str,
        keys: &[String],
        command: impl Fn(&str) -> Cmd,
    ) -> Result<Vec<Value>, StoreError> {
        let mut replies = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_PER_PIPELINE) {
            let mut pipeline = Pipeline::with_capacity(keys.len());
            pipeline.ignore_errors();
            for key in keys {
                pipeline.add_command(command(key));
            }
            let mut connection = self.connection.clone();
            let some = connection
                .send_packed_commands(&pipeline, 0, keys.len())
                .await
                .map_err(|error| self.failed(name, &keys[0], error))?;
            for (key, reply) in keys.iter().zip(some) {
                replies.push(reply.extract_error().map_err(|e| self.failed(name, key, e))?);
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
        let replies = self.each(command, keys, |key| one_key(command, key)).await?;
        let number = |(key, reply): (&String, Value)| match reply {
            Value::Int(number) => Ok(number),
            other => Err(self.unexpected(command, key, &other)),
        };
        keys.iter().zip(replies).map(number).collect()
    }
}

fn one_key(command: &str, key: &str) -> Cmd {
    let mut with_key = cmd(command);
    with_key.arg(key);
    with_key
}

/// The changes as the command that makes them.
fn script(guard: &Guard, changes: &[Change]) -> Cmd {
    let until = |until: &Option<Timestamp>| until.map_or(String::new(), |at| at.0.to_string());
    // New values first: see [`APPLY`].
    let (puts, others): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| matches!(change, Change::Put { .. }));
    let groups = || puts.chunks(1).chain(others.chunk_by(|one, two| are_alike(one, two)));

    let mut command = cmd("EVAL");
    let keys =
        changes.iter().map(|change| 1 + usize::from(matches!(change, Change::Rename { .. })));
    command.arg(APPLY).arg(1 + guard.present.len() + keys.sum::<usize>()).arg(&guard.key);
    for (key, _) in &guard.present {
        command.arg(key);
    }
    for change in groups().flatten() {
        match change {
            Change::Rename { from, to } => command.arg(from).arg(to),
            Change::Put { key, .. } | Change::Remove { key } | Change::Expire { key, .. } => {
                command.arg(key)
            }
        };
    }
    command.arg(guard.fingerprint.as_bytes()).arg(guard.present.len());
    for (_, length) in &guard.present {
        command.arg(length);
    }
    for group in groups() {
        match group[0] {
            Change::Put { value, until: at, .. } => {
                command.arg("put").arg(1).arg(Argument(value)).arg(until(at))
            }
            Change::Rename { .. } => command.arg("rename").arg(group.len()),
            Change::Remove { .. } => command.arg("remove").arg(group.len()),
            Change::Expire { until: at, .. } => {
                command.arg("expire").arg(group.len()).arg(until(at))
            }
        };
    }
    command
}

/// Whether two changes differ in their keys only.
fn are_alike(one: &Change, two: &Change) -> bool {
    match (one, two) {
        (Change::Rename { .. }, Change::Rename { .. })
        | (Change::Remove { .. }, Change::Remove { .. }) => true,
        (Change::Expire { until: one, .. }, Change::Expire { until: two, .. }) => one == two,
        _ => false,
    }
}

impl ChunkStore for RedisStore {
    async fn put(
        &self,
        key: String,
        value: Payload,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if value.len() > MAX_VALUE_BYTES {
            let (len, max) = (value.len(), MAX_VALUE_BYTES);
            return Err(StoreError::TooLarge { key, len, max });
        }
        // Room for the value, the key, and the command's own few bytes.
        let mut command = Cmd::with_capacity(5, value.len() + key.len() + 100);
        command.arg("SET").arg(&key).arg(Argument(&value));
        if let Some(until) = until {
            command.arg("PXAT").arg(until.0);
        }
        drop(value);
        match self.ask("SET", &key, &command).await? {
            Value::Okay => Ok(()),
            other => Err(self.unexpected("SET", &key, &other)),
        }
    }

    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Buffer>>, StoreError> {
        let Some(first) = keys.first() else {
            return Ok(Vec::new());
        };
        // One MGET saves replies of a few bytes their overhead; a large value is better asked for
        // alone, since the server builds a whole MGET reply before it sends any of it.
        let (name, replies) = if keys.len() == 1 {
            ("GET", vec![self.ask("GET", first, cmd("GET").arg(first)).await?])
        } else {
            match self.ask("MGET", first, cmd("MGET").arg(&keys)).await? {
                Value::Array(replies) if replies.len() == keys.len() => ("MGET", replies),
                other => return Err(self.unexpected("MGET", first, &other)),
            }
        };
        let value = |(key, reply)| match reply {
            Value::BulkString(bytes) => Ok(Some(Buffer::from_vec(bytes))),
            Value::Nil => Ok(None),
            other => Err(self.unexpected(name, key, &other)),
        };
        keys.iter().map(String::as_str).zip(replies).map(value).collect()
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
        let replies = self.each("MEMORY USAGE", &keys, command).await?;
        let bytes = |reply| match reply {
            Value::Int(bytes) => u64::try_from(bytes).ok(),
            _ => None,
        };
        Ok(replies.into_iter().map(bytes).collect())
    }

    async fn keys(&self, pattern: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut found = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(KEYS_PER_SCAN);
            let reply = self.ask("SCAN", pattern, &scan).await?;
            let (next, keys): (u64, Vec<Vec<u8>>) = ::redis::from_redis_value(reply)
                .map_err(|error| self.failed("SCAN", pattern, error.into()))?;
            found.extend(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()));
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
    }

    async fn apply(&self, guard: &Guard, changes: Vec<Change>) -> Result<bool, StoreError> {
        let command = script(guard, &changes);
        drop(changes);
        match self.ask("EVAL", &guard.key, &command).await? {
            Value::Int(done) => Ok(done == 1),
            other => Err(self.unexpected("EVAL", &guard.key, &other)),
        }
    }

    async fn claim(&self, key: &str, owner: &str, life: Duration) -> Result<Claimed, StoreError> {
        // A server that does not tell only makes dead writers' claims last until they run out.
        let ours = match self.ask("CLIENT ID", key, cmd("CLIENT").arg("ID")).await {
            Ok(Value::Int(connection)) => format!("{owner}{CONNECTION}{connection}"),
            Ok(_) | Err(_) => owner.to_owned(),
        };
        let attempt = async |instead_of: &str| {
            let mut command = cmd("EVAL");
            command.arg(CLAIM).arg(1).arg(key).arg(&ours).arg(millis(life)).arg(instead_of);
            match self.ask("EVAL", key, &command).await? {
                Value::Nil => Ok(None),
                Value::BulkString(theirs) => {
                    Ok(Some(String::from_utf8_lossy(&theirs).into_owned()))
                }
                other => Err(self.unexpected("EVAL", key, &other)),
            }
        };
        let mut theirs = attempt("").await?;
        if let Some(text) = &theirs
            && self.is_gone(text).await
        {
            theirs = attempt(text).await?;
        }
        Ok(theirs.map_or(Claimed::Ours(ours), Claimed::Theirs))
    }

    async fn renew(&self, key: &str, claim: &str, life: Duration) -> Result<bool, StoreError> {
        let mut command = cmd("EVAL");
        command.arg(RENEW).arg(1).arg(key).arg(claim).arg(millis(life));
        match self.ask("EVAL", key, &command).await? {
            Value::Int(renewed) => Ok(renewed == 1),
            other => Err(self.unexpected("EVAL", key, &other)),
        }
    }

    async fn release(&self, key: &str, claim: &str) -> Result<(), StoreError> {
        let mut command = cmd("EVAL");
        command.arg(RELEASE).arg(1).arg(key).arg(claim);
        self.ask("EVAL", key, &command).await.map(drop)
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        let reply = self.ask("TIME", "", &cmd("TIME")).await?;
        let (seconds, micros): (u64, u64) = ::redis::from_redis_value(reply)
            .map_err(|error| self.failed("TIME", "", error.into()))?;
        Ok(Timestamp(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)))
    }

    async fn room(&self) -> Result<Option<Room>, StoreError> {
        let info = match self.ask("INFO", "memory", cmd("INFO").arg("memory")).await {
            Ok(Value::BulkString(info)) => String::from_utf8_lossy(&info).into_owned(),
            Ok(Value::VerbatimString { text, .. }) => text,
            Ok(other) => return Err(self.unexpected("INFO", "memory", &other)),
            // Hosted servers may keep that to themselves.
            Err(StoreError::Denied { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(parse_room(&info))
    }

    fn address(&self) -> &str {
        &self.address
    }
}

/// A payload as one argument, written piece by piece without a copy of the whole in between.
struct Argument<'a>(&'a Payload);

impl ToRedisArgs for Argument<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        use std::io::Write;
        let mut argument = out.writer_for_next_arg();
        for piece in self.0.pieces() {
            // The writer is a vector.
            let _ = argument.write_all(piece);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What `INFO memory` says, as far as it does.
fn parse_room(info: &str) -> Option<Room> {
    let value = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    };
    let limit = value("maxmemory").and_then(|limit| limit.parse().ok());
    Some(Room {
        used: value("used_memory")?.parse().ok()?,
        limit: limit.filter(|limit| *limit > 0),
        eviction: value("maxmemory_policy").unwrap_or_default().to_owned(),
    })
}

fn connection_info(url: &str) -> Result<ConnectionInfo, StoreError> {
    if url.starts_with("rediss://") {
        let reason = "TLS (rediss://) is not supported by this version".to_owned();
        return Err(StoreError::Address { reason });
    }
    let info = url.into_connection_info().map_err(|error| {
        // "What is wrong - Kind: detail", of which the first part never repeats the text.
        let reason = error.to_string();
        let reason = reason.split(" - ").next().unwrap_or_default().to_owned();
        StoreError::Address { reason }
    })?;
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// The address without user and password.
fn display_address(info: &ConnectionInfo) -> String {
    let database = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => format!("redis://{host}:{port}/{database}"),
        ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{host}:{port}/{database}"),
        ConnectionAddr::Unix(path) => format!("unix://{}?db={database}", path.display()),
        _ => "the given address".to_owned(),
    }
}
