//! Ends a command in good order when a signal asks for it.

use std::future::Future;
use std::io;

use crate::exit::{Exit, Failure, Signal};

/// Runs a command until it is done or a signal comes; what it began is dropped then, which
/// removes unfinished files and ends servers that it started.
pub(crate) async fn unless_interrupted(
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    // Listens before the command begins anything that would be left behind.
    Signals::listen()?.unless_one_comes(command).await
}

/// The signals that end a command, from when they are listened to.
#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }
}

/// The one signal that there is.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "it stands for one that fails")]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "it stands for one that has some")]
    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Signals {
    /// Waits for something until a signal comes, and drops it then. It can be called again: another
    /// signal ends what comes after the first.
    pub(crate) async fn unless_one_comes<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = work => result,
            signal = self.next() => Err(Failure::Interrupted(signal)),
        }
    }
}
