//! One connection of a client and the one that carries it on to the server, with what its two
//! directions must tell each other. Which way bytes go is `request`'s and `reply`'s matter.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::pace::Pace;
use crate::proxy::Shared;
use crate::{reply, request};

/// What becomes of the reply to a command, in the order of the commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The server's reply goes to the client.
    Reply,
    /// The server's reply is waited for and lost, with the connection.
    Lost,
    /// The connection is cut in the reply, after so many bytes of it.
    Cut(u64),
    /// The server's reply goes to the client with a bit flipped.
    Corrupt(u64),
    /// The server knows nothing of the command; the client gets this.
    Ours(Vec<u8>),
    /// The server was told something else; the client gets this instead of its reply.
    Instead(Vec<u8>),
}

/// What the two directions of a connection share.
#[derive(Debug, Default)]
pub(crate) struct Link {
    expected: Mutex<VecDeque<Expected>>,
    pub(crate) grown: Notify,
    pub(crate) pace: Pace,
}

impl Link {
    pub(crate) fn expect(&self, expected: Expected) {
        self.queue(|queue| queue.push_back(expected));
        self.grown.notify_one();
    }

    /// What the next reply of the server is for. A reply that nobody asked for goes on.
    pub(crate) fn next_reply(&self) -> Expected {
        self.queue(VecDeque::pop_front).unwrap_or(Expected::Reply)
    }

    /// What the client gets before the server's next reply.
    pub(crate) fn next_ours(&self) -> Option<Vec<u8>> {
        self.queue(|queue| match queue.pop_front()? {
            Expected::Ours(bytes) => Some(bytes),
            other => {
                queue.push_front(other);
                None
            }
        })
    }

    fn queue<T>(&self, change: impl FnOnce(&mut VecDeque<Expected>) -> T) -> T {
        change(&mut self.expected.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Carries a connection until one side ends it or a fault cuts it; then both sides are closed.
pub(crate) async fn carry(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut cut = shared.cut_all.subscribe();
    let mut server = TcpStream::connect(shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let link = Link::default();
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        ended = request::pump(from_client, to_server, &link, shared) => ended,
        ended = reply::pump(from_server, to_client, &link, shared) => ended,
        _ = cut.changed() => Ok(()),
    }
}
