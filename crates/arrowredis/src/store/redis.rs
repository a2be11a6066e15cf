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
use crate::dataset::{ChunkId, DatasetName};
use crate::key::{chunk_pattern, parse_chunk_key};

use super::{ChunkStore, StoreError};

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

    /// One number for each key, as STRLEN and EXISTS answer.
    async fn numbers(
        &self,
        command: &'static str,
        keys: &[String],
    ) -> Result<Vec<u64>, StoreError> {
        let mut numbers = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_PER_PIPELINE) {
            let mut pipeline = Pipeline::with_capacity(keys.len());
            pipeline.ignore_errors();
            for key in keys {
                pipeline.cmd(command).arg(key);
            }
            let mut connection = self.connection.clone();
            let replies = connection
                .send_packed_commands(&pipeline, 0, keys.len())
                .await
                .map_err(|error| self.failed(command, &keys[0], error))?;
            for (key, reply) in keys.iter().zip(replies) {
                let reply = reply.extract_error().map_err(|e| self.failed(command, key, e))?;
                let number = match &reply {
                    Value::Int(number) => u64::try_from(*number).ok(),
                    _ => None,
                };
                numbers.push(number.ok_or_else(|| self.unexpected(command, key, &reply))?);
            }
        }
        Ok(numbers)
    }
}

impl ChunkStore for RedisStore {
    async fn put(&self, key: String, value: Payload) -> Result<(), StoreError> {
        if value.len() > MAX_VALUE_BYTES {
            let (len, max) = (value.len(), MAX_VALUE_BYTES);
            return Err(StoreError::TooLarge { key, len, max });
        }
        // Room for the value, the key, and the command's own few bytes.
        let mut command = Cmd::with_capacity(3, value.len() + key.len() + 64);
        command.arg("SET").arg(&key).arg(Argument(&value));
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
        let known = lengths.into_iter().map(|length| match length {
            0 => exists.next().is_some_and(|count| count > 0).then_some(0),
            length => Some(length),
        });
        Ok(known.collect())
    }

    async fn list(&self, dataset: &DatasetName) -> Result<BTreeSet<ChunkId>, StoreError> {
        let pattern = chunk_pattern(dataset);
        let mut found = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(KEYS_PER_SCAN);
            let reply = self.ask("SCAN", &pattern, &scan).await?;
            let (next, keys): (u64, Vec<Vec<u8>>) = ::redis::from_redis_value(reply)
                .map_err(|error| self.failed("SCAN", &pattern, error.into()))?;
            found.extend(keys.iter().filter_map(|key| parse_chunk_key(dataset, key)));
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
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
