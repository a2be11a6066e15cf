//! What can go wrong with a store, told so that a person can do something about it.

use std::path::PathBuf;

use super::redis::{Tried, Trouble};

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address cannot be read. The text is not repeated: it may hold a password.
    #[error(
        "cannot read the Redis address: {reason}; expected \
         redis[s]://[user:password@]host[:port][/database], unix:///path[?db=0] or \
         redis+sentinel://host1,host2/service[/database]"
    )]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// A file of certificates or of a key cannot be used.
    #[error("cannot use {path:?} for TLS; expected certificates, or a key, in PEM form")]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system has no certificate authorities.
    #[error(
        "this system has no certificate authorities, so no server can be trusted; install them \
         (Debian: ca-certificates) or name some with --tls-ca"
    )]
    NoAuthorities,
    /// No connection could be made.
    #[error("cannot connect to {address}{tried}: {trouble}; {advice}")]
    Connect {
        /// Where.
        address: String,
        /// How often, how long.
        tried: Tried,
        /// What to do.
        advice: &'static str,
        /// Why.
        trouble: Trouble,
    },
    /// There is a server, and it does not take the connection as it was asked for.
    #[error("{address} refuses the connection{tried}: {trouble}; {advice}")]
    Refused {
        /// Where.
        address: String,
        /// How often, how long.
        tried: Tried,
        /// What to do.
        advice: &'static str,
        /// The server's answer, such as that the database number is out of range.
        trouble: Trouble,
    },
    /// The server is of a kind that the address and the options do not fit.
    #[error("{address} is {found}; {advice}")]
    Kind {
        /// Where.
        address: String,
        /// What it is.
        found: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A value is longer than the server takes.
    #[error(
        "'{key}' would be {len} bytes long, and {address} takes at most {max} in one value \
         ({setting}); divide large batches with --max-chunk-bytes, or raise that setting"
    )]
    TooLarge {
        /// The key.
        key: String,
        /// The value's length.
        len: u64,
        /// The longest allowed.
        max: u64,
        /// The server's setting that says so.
        setting: &'static str,
        /// Where.
        address: String,
    },
    /// The server ended the connection each time that it was sent a value.
    #[error(
        "{address} closed the connection while it received '{key}' of {len} bytes, {}; \
         its limits (proto-max-bulk-len, client-query-buffer-limit, maxmemory-clients) may be lower, \
         so divide large batches with --max-chunk-bytes, or raise those limits ({trouble})",
        often(.times)
    )]
    CutWhileSending {
        /// The key.
        key: String,
        /// The value's length.
        len: u64,
        /// How often it was tried.
        times: u32,
        /// Where.
        address: String,
        /// How the last one ended.
        trouble: Trouble,
    },
    /// The server does not let this client in, or not do that.
    #[error("{address} does not allow {command}{of}: {trouble}; {advice}", of = of(.key))]
    Denied {
        /// Where.
        address: String,
        /// The command, or that it was connecting.
        command: &'static str,
        /// The key that it was about; empty if none.
        key: String,
        /// What to do.
        advice: &'static str,
        /// The server's answer.
        trouble: Trouble,
    },
    /// The server has no memory left.
    #[error("{address} is full{used}: to {command} of '{key}' {trouble}; {advice}")]
    Full {
        /// Where.
        address: String,
        /// The command.
        command: &'static str,
        /// The key.
        key: String,
        /// Bytes in use and allowed, as far as the server tells.
        used: String,
        /// What to do.
        advice: &'static str,
        /// The server's answer.
        trouble: Trouble,
    },
    /// A command failed.
    #[error("{command}{of} failed at {address}{tried}: {trouble}; {advice}", of = of(.key))]
    Command {
        /// The command.
        command: &'static str,
        /// The key, or the first of several, or the pattern; empty if it is about none.
        key: String,
        /// Where.
        address: String,
        /// How often, how long.
        tried: Tried,
        /// What to do.
        advice: &'static str,
        /// Why.
        trouble: Trouble,
    },
    /// The server is a node of a cluster, and was not asked as one.
    #[error(
        "{address} is a node of a Redis Cluster, and '{key}' lies on another ({trouble}); connect with \
         --cluster on"
    )]
    Cluster {
        /// The key.
        key: String,
        /// Where.
        address: String,
        /// The server's answer.
        trouble: Trouble,
    },
    /// A key holds a list, a hash or something else that is no value.
    #[error(
        "'{key}' holds no value: expected a string, found another type of key; it is another \
         program's, so remove it or choose another prefix"
    )]
    NotAChunk {
        /// The key.
        key: String,
    },
    /// A value that lies in a file could not be read there. An attempt before, whose answer was lost, may have
    /// stored it.
    #[error("cannot read the value of '{key}' from its file")]
    Source {
        /// The key.
        key: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Changes were asked for, an attempt had no answer, and those after it brought none, either.
    #[error(
        "an attempt to change '{key}' had no answer, and whether it was carried out could not be \
         found out"
    )]
    Unsettled {
        /// The key, or one of several.
        key: String,
        /// How the last attempt ended.
        source: Box<StoreError>,
    },
    /// A reply has another shape than the command's.
    #[error("{address} answered {command}{of} with {found}; is it a Redis server?", of = of(.key))]
    Reply {
        /// The command.
        command: &'static str,
        /// The key.
        key: String,
        /// Where.
        address: String,
        /// What came.
        found: String,
    },
}

fn often(times: &u32) -> String {
    match times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    }
}

fn of(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" of '{key}'") }
}

impl StoreError {
    /// Whether what was asked for has certainly not been done.
    pub fn was_refused(&self) -> bool {
        match self {
            Self::Reply { .. } | Self::Unsettled { .. } | Self::Source { .. } => false,
            Self::Command { trouble, .. } | Self::CutWhileSending { trouble, .. } => {
                !trouble.may_have_been_done()
            }
            _ => true,
        }
    }
}
