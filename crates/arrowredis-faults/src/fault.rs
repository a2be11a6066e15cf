//! What can happen to a command. When it happens is `schedule`'s matter, and how `request`'s, `reply`'s
//! and `proxy`'s.

use std::time::Duration;

/// What happens to a command, or from it on. A cut ends the command's connection on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A cut before any byte of the command went to the server.
    CutBeforeRequest,
    /// A cut when so many bytes of the command went to the server, and never all of them.
    CutInRequest {
        /// Bytes that go to the server.
        after: u64,
    },
    /// A cut when the server has answered and no byte of the answer went to the client: the command
    /// was applied, and the client cannot know.
    LoseReply,
    /// A cut when so many bytes of the reply went to the client, and never all of them.
    CutInReply {
        /// Bytes that go to the client.
        after: u64,
    },
    /// Nothing moves on the connection for a while, and then it goes on, with whatever the client
    /// sent meanwhile, even if it has hung up since.
    Stall {
        /// How long.
        span: Duration,
    },
    /// Nothing moves on the connection any more, and nobody ends it.
    Hang,
    /// The connection is slow, in both directions, for so many bytes.
    Slow {
        /// Its speed.
        bytes_per_second: u64,
        /// Bytes until it is fast again.
        bytes: u64,
    },
    /// This connection and all others are cut, and so many that follow are ended as soon as they are
    /// made.
    Refuse {
        /// Connections that are ended at once.
        connections: u64,
    },
    /// All connections are cut, and nobody listens for a while.
    Outage {
        /// How long.
        span: Duration,
    },
    /// This command and some that follow, on any connection, are answered with an error and do not
    /// reach the server.
    Answer {
        /// The error.
        answer: Answer,
        /// How many commands.
        commands: u64,
    },
    /// A bit of the first value in the reply is flipped. A reply without a value stays as it is, and
    /// the next one that has a value on this connection is hit.
    Corrupt {
        /// Which bit of the value, counted round and round if it is shorter.
        bit: u64,
    },
}

/// An error as a server words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The server reads its data set.
    Loading,
    /// A script runs.
    Busy,
    /// Keys of the command are on two nodes at the moment.
    TryAgain,
    /// The cluster is not whole.
    ClusterDown,
    /// A replica has lost its master.
    MasterDown,
    /// The server is full, which does not pass by itself.
    OutOfMemory,
    /// Any other, such as `NOPERM No permissions`, without the sign that begins an error.
    Other(String),
}

impl Answer {
    /// Those that pass by themselves.
    pub const TRANSIENT: [Self; 5] =
        [Self::Loading, Self::Busy, Self::TryAgain, Self::ClusterDown, Self::MasterDown];

    /// What the server says.
    pub fn text(&self) -> &str {
        match self {
            Self::Loading => "LOADING Redis is loading the dataset in memory",
            Self::Busy => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Self::TryAgain => "TRYAGAIN Multiple keys request during rehashing of slot",
            Self::ClusterDown => "CLUSTERDOWN The cluster is down",
            Self::MasterDown => {
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
            }
            Self::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Self::Other(text) => text,
        }
    }
}
