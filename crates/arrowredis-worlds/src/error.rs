//! What can fail in a world. That a server does not start is told by `arrowredis-throwaway`.

use std::io;
use std::time::Duration;

use arrowredis_throwaway::StartError;

/// What failed in a world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A server did not start.
    #[error("a server of this world did not start")]
    Start(#[from] StartError),
    /// A server refused a command or did not answer.
    #[error("{command} failed on port {port}")]
    Command {
        /// The server's port.
        port: u16,
        /// The command.
        command: String,
        /// The client's reason.
        source: redis::RedisError,
    },
    /// A process could not be ended, frozen or thawed.
    #[error("cannot reach the process of the server on port {port}")]
    Process {
        /// The server's port.
        port: u16,
        /// The system's reason.
        source: io::Error,
    },
    /// What a test waited for did not happen.
    #[error("{what}: not in {waited:?}{last}")]
    NotInTime {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// The last failure to find out, if there was any.
        last: String,
    },
    /// There is no such node, or none that plays that part.
    #[error("no node of this world is {what}")]
    NoNode {
        /// What the node should have been.
        what: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A certificate could not be written.
    #[error("cannot write a certificate")]
    Write(#[from] io::Error),
}

impl WorldError {
    /// The server's own word for its refusal, such as `MOVED`, if it was one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Command { source, .. } => source.code(),
            _ => None,
        }
    }
}
