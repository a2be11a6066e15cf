//! How a store connects, and how long it tries.
//!
//! What each bound is for stands beside it. docs/operations.md tells users the same.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a Redis or Valkey server is reached, and what is done when it is not.
///
/// # Defaults
/// Finds out by itself whether the server is a node of a cluster, asks primaries only, one
/// connection to a server, 5 s to connect, 30 s without progress, 20 retries within 120 s, no
/// password beside the address', the system's certificates.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Whether the server is a node of a Redis Cluster.
    pub cluster: ClusterMode,
    /// Which servers may hand out chunks.
    pub read_from: ReadFrom,
    /// Connections for chunks to each server, 1 or more. One carries many at once; more only help where
    /// one cannot fill the network. All else takes one more.
    pub connections: usize,
    /// How long one attempt to connect may take, with TLS and authentication.
    pub connect_timeout: Duration,
    /// How long a connection that owes a reply may move no byte in either direction. It is given up
    /// then. A server that is slow but moves is waited for.
    pub timeout: Duration,
    /// How often a request is repeated after a failure that can pass by itself. 0 turns it off.
    pub retries: u32,
    /// How long a request is repeated, counted from when its trouble began.
    pub retry_budget: Duration,
    /// The password, where the address holds none.
    pub password: Option<Secret>,
    /// How a server proves who it is, and this client too.
    pub tls: TlsOptions,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            cluster: ClusterMode::Auto,
            read_from: ReadFrom::Primary,
            connections: 1,
            // A connection over an ocean with TLS takes under 1 s.
            connect_timeout: Duration::from_secs(5),
            // Longer than a fork for a snapshot of many GB holds a server up.
            timeout: Duration::from_secs(30),
            // Waits of 0.1 s doubling to 5 s, and as much again at random: about as many as the budget
            // allows.
            retries: 20,
            // Longer than a restart that loads some GB, or a failover with its election.
            retry_budget: Duration::from_secs(120),
            password: None,
            tls: TlsOptions::default(),
        }
    }
}

/// Whether a server is a node of a Redis Cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClusterMode {
    /// As the server says when it is first asked.
    #[default]
    Auto,
    /// It is.
    On,
    /// It is not. If it turns out to be one, that is an error.
    Off,
}

/// Which servers may hand out chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// Primaries, which have everything that was acknowledged.
    #[default]
    Primary,
    /// Replicas, where there are any. They may lag: a chunk that is not what its manifest says is
    /// asked for again at its primary, as manifests always are. Datasets without a manifest are read
    /// from primaries, since nothing could tell.
    Replica,
}

/// How TLS is set up, for addresses that ask for it (`rediss://`).
///
/// # Defaults
/// The system's certificate authorities, no client certificate, everything checked.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// A PEM file of the authorities to trust, instead of the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file of the certificate that this client shows. Needs a key.
    pub certificate: Option<PathBuf>,
    /// A PEM file of that certificate's private key.
    pub key: Option<PathBuf>,
    /// Whether any certificate is accepted. Whoever is between here and the server can then read
    /// and alter everything.
    pub insecure: bool,
}

/// A password. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_with_the_options_that_hold_it() {
        let password = Some(Secret::new("s3cret"));
        let options = ConnectOptions { password, ..ConnectOptions::default() };
        assert!(!format!("{options:?}").contains("s3cret"));
    }
}
