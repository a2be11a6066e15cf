//! Ends a command in good order when a signal asks for it.

use std::future::Future;

use crate::exit::{Exit, Failure, Signal};

/// Runs a command until it is done or a signal comes; what it began is dropped then, which
/// removes unfinished files and ends servers that it started.
pub(crate) async fn unless_interrupted(
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    tokio::select! {
        result = command => result,
        signal = signal() => Err(Failure::Interrupted(signal)),
    }
}

#[cfg(unix)]
async fn signal() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    // Without a handler the system's own ends the process, which is the next best thing.
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    }
}

#[cfg(not(unix))]
async fn signal() -> Signal {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Signal::Interrupt,
        Err(_) => std::future::pending().await,
    }
}
