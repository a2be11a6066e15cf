//! Why no server could be started. What the server did once it ran is not told here.

use std::io;
use std::path::PathBuf;

use crate::program::PROGRAM_VARIABLE;

/// Why no server could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no program to start.
    #[error(
        "no redis-server or valkey-server on PATH; install one (Debian and Ubuntu: \
         apt-get install redis-server; macOS: brew install redis) or name one in {PROGRAM_VARIABLE}"
    )]
    NotInstalled,
    /// The program, its folder or its port could not be had.
    #[error("cannot start {program:?}")]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The program ended or did not listen in time.
    #[error("{program:?} did not start to listen: {log}")]
    NotReady {
        /// The program.
        program: PathBuf,
        /// The end of its log.
        log: String,
    },
}
