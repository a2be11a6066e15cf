//! One server: its connections, made when they are needed and made anew when they break.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::{RedisConnectionInfo, Value, cmd};
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_rustls::TlsConnector;

use super::address::Host;
use super::bulk::{Bulk, lend};
use super::options::ConnectOptions;
use super::shared::Shared;
use super::stream::{self, Both};
use super::trouble::Trouble;
use super::wire::Wire;

/// How long a server that hangs up is listened to: it says why at once or never.
const FIRST_WORDS: Duration = Duration::from_millis(300);

/// Bytes of what it says then. Redis' longest such line has some 800.
const MOST_WORDS: usize = 2_048;

/// What all connections of a store have in common.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) options: ConnectOptions,
    pub(super) tls: Option<TlsConnector>,
    pub(super) login: RedisConnectionInfo,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Door {
    Host(Host),
    Socket(PathBuf),
}

/// What a server must be, which is looked at with each new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Whatever it is.
    Any,
    /// A primary: what a Sentinel said may not be so any more.
    Primary,
    /// A cluster's replica that hands out what it has instead of sending on to its primary.
    Replica,
}

/// A server.
pub(super) struct Node {
    pub(super) name: Arc<str>,
    setup: Arc<Setup>,
    door: Door,
    role: Role,
    wire: Shared<Wire>,
    bulk: Vec<Shared<Bulk>>,
    next_bulk: AtomicUsize,
}

impl Node {
    pub(super) fn new(setup: &Arc<Setup>, door: Door, role: Role) -> Arc<Self> {
        let name = match &door {
            Door::Host(host) => host.to_string().into(),
            Door::Socket(path) => path.display().to_string().into(),
        };
        let bulk = (0..setup.options.connections.max(1)).map(|_| Shared::default()).collect();
        let (wire, next_bulk) = (Shared::default(), AtomicUsize::new(0));
        Arc::new(Self { name, setup: Arc::clone(setup), door, role, wire, bulk, next_bulk })
    }

    /// Where it listens, if that is a host.
    pub(super) fn host(&self) -> Option<&Host> {
        match &self.door {
            Door::Host(host) => Some(host),
            Door::Socket(_) => None,
        }
    }

    /// A connection that works, as far as anybody knows.
    pub(super) async fn wire(&self) -> Result<Wire, Trouble> {
        self.wire.get(|wire| !wire.is_broken(), || self.in_time(self.connect())).await
    }

    /// A connection for chunks that works, as far as anybody knows: one after the other.
    pub(super) async fn bulk(&self) -> Result<Bulk, Trouble> {
        let bulk = &self.bulk[self.next_bulk.fetch_add(1, Ordering::Relaxed) % self.bulk.len()];
        bulk.get(|bulk| !bulk.is_broken(), || self.in_time(self.connect_bulk())).await
    }

    /// A connection of its own whose server has been greeted and owes no reply, for whoever moves its
    /// bytes.
    pub(super) async fn greeted(&self) -> Result<Box<dyn Both>, Trouble> {
        let (stream, _) = self.in_time(self.hand_over()).await?;
        Ok(stream)
    }

    /// Gives all its connections up.
    pub(super) fn cut(&self) {
        self.wire.last().inspect(Wire::cut);
        self.bulk.iter().filter_map(Shared::last).for_each(|bulk| bulk.cut());
    }

    /// Boxed: it is deep, and part of whatever waits for an answer.
    fn in_time<'a, T: Send + 'a>(
        &'a self,
        connecting: impl Future<Output = Result<T, Trouble>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, Trouble>> {
        Box::pin(async move {
            let (timeout, name) = (self.setup.options.connect_timeout, &self.name);
            let connected = tokio::time::timeout(timeout, connecting).await;
            let tls = self.setup.tls.is_some();
            let too_late = |_| Err(Trouble::connect_timeout(name, timeout, tls));
            let connected = connected.unwrap_or_else(too_late);
            match &connected {
                Ok(_) => tracing::debug!(%name, "connected"),
                Err(trouble) => tracing::debug!(%name, %trouble, "no connection"),
            }
            connected
        })
    }

    async fn connect(&self) -> Result<Wire, Trouble> {
        self.greet(self.open().await?).await
    }

    async fn connect_bulk(&self) -> Result<Bulk, Trouble> {
        let (stream, round_trip) = self.hand_over().await?;
        Ok(Bulk::over(&self.name, stream, round_trip, self.setup.options.timeout))
    }

    /// Connects and has the client library greet, which then lets go of the connection. Also returned: how
    /// long the way there and back takes.
    async fn hand_over(&self) -> Result<(Box<dyn Both>, Duration), Trouble> {
        let (lent, lender) = lend(self.open().await?);
        let wire = self.greet(Box::new(lent)).await?;
        let round_trip = wire.round_trip().await?;
        wire.cut();
        let stream = lender.take_back().map_err(|error| Trouble::unreachable(&self.name, error))?;
        Ok((stream, round_trip))
    }

    async fn greet(&self, stream: Box<dyn Both>) -> Result<Wire, Trouble> {
        let (login, timeout) = (&self.setup.login, self.setup.options.timeout);
        let wire = match Wire::greet(&self.name, stream, login, timeout).await {
            Err(trouble) if trouble.was_cut_while_greeting() => {
                return Err(self.first_words().await.unwrap_or(trouble));
            }
            greeted => greeted?,
        };
        match self.role {
            Role::Any => {}
            Role::Primary => self.check_primary(&wire).await?,
            Role::Replica => drop(wire.ask(&cmd("READONLY")).await?),
        }
        Ok(wire)
    }

    async fn open(&self) -> Result<Box<dyn Both>, Trouble> {
        let stream = match &self.door {
            Door::Host(host) => stream::to_host(host, self.setup.tls.as_ref()).await,
            Door::Socket(path) => stream::to_socket(path).await,
        };
        stream.map_err(|error| Trouble::unreachable(&self.name, error))
    }

    /// What a server says that hangs up on whoever comes: that it allows no more connections, or none
    /// from elsewhere. Those words are lost when the greeting cannot be written.
    async fn first_words(&self) -> Option<Trouble> {
        let mut stream = self.open().await.ok()?;
        let mut words = [0; MOST_WORDS];
        let mut read = ReadBuf::new(&mut words);
        let reading = poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut read));
        tokio::time::timeout(FIRST_WORDS, reading).await.ok()?.ok()?;
        let said = ::redis::parse_redis_value(read.filled()).ok()?.extract_error().err()?;
        Some(Trouble::of(&self.name, said))
    }

    async fn check_primary(&self, wire: &Wire) -> Result<(), Trouble> {
        let role = match wire.ask(&cmd("ROLE")).await {
            Ok(Value::Array(role)) => role,
            // A user may not be allowed to ask; a replica shows itself when it is written to.
            Err(trouble) if !trouble.is_refusal() => return Err(trouble),
            Ok(_) | Err(_) => return Ok(()),
        };
        match role.first() {
            Some(Value::BulkString(role)) if role != b"master" => {
                Err(Trouble::unusable(&self.name, "it is a replica now, not the primary"))
            }
            _ => Ok(()),
        }
    }
}
