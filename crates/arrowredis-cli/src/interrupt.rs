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
    let signal = listen()?;
    tokio::select! {
        result = command => result,
        signal = signal => Err(Failure::Interrupted(signal)),
    }
}

#[cfg(unix)]
fn listen() -> io::Result<impl Future<Output = Signal>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
            _ = hang_up.recv() => Signal::HangUp,
        }
    })
}

#[cfg(not(unix))]
fn listen() -> io::Result<impl Future<Output = Signal>> {
    let interrupt = tokio::signal::ctrl_c();
    Ok(async move {
        match interrupt.await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    })
}
