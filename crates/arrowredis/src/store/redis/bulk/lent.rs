//! A connection that the client library greets on and then gives back.
//!
//! It knows how a server is greeted: protocol, user, password, database. What it knows of replies is not
//! wanted for chunks, which it would copy.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::store::redis::stream::Both;

/// The connection, for whoever greets on it.
pub(in crate::store::redis) struct Lent(Arc<Shared>);

/// Who lent it.
pub(in crate::store::redis) struct Lender(Arc<Shared>);

type Shared = Mutex<Option<Box<dyn Both>>>;

pub(in crate::store::redis) fn lend(stream: Box<dyn Both>) -> (Lent, Lender) {
    let shared = Arc::new(Mutex::new(Some(stream)));
    (Lent(Arc::clone(&shared)), Lender(shared))
}

fn lock(shared: &Shared) -> MutexGuard<'_, Option<Box<dyn Both>>> {
    // What panics while it reads or writes has lost the connection, which shows.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lender {
    /// Takes it back. From now on whoever greeted finds it closed.
    pub(in crate::store::redis) fn take_back(self) -> io::Result<Box<dyn Both>> {
        lock(&self.0).take().ok_or_else(closed)
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection was handed over")
}

impl Lent {
    fn poll<T>(
        &self,
        act: impl FnOnce(Pin<&mut Box<dyn Both>>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match lock(&self.0).as_mut() {
            Some(stream) => act(Pin::new(stream)),
            None => Poll::Ready(Err(closed())),
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(context))
    }
}
