//! Where Redis is and how it is reached: flags, variables and files in, a store out.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrowredis::store::{ClusterMode, ConnectOptions, ReadFrom, RedisStore, Secret, TlsOptions};
use clap::ValueEnum;

use crate::args::at_least_one;
use crate::exit::Failure;

const DEFAULT_URL: &str = "redis://127.0.0.1:6379/0";

/// What stands above these flags in the help.
const CONNECTION: &str = "Connection";

/// Where `redis-cli` looks for a password, too.
const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";

/// Longer than any password, and short enough to read a wrong file without harm: 64 KiB.
const LONGEST_PASSWORD: u64 = 1 << 16;

/// Where Redis is, and how it is reached.
#[derive(Debug, clap::Args)]
pub(crate) struct Redis {
    /// redis[s]://[user:password@]host[:port][/database], unix:///path[?db=0] or
    /// redis+sentinel://host1,host2/service[/database] [default: redis://127.0.0.1:6379/0]
    #[arg(long, help_heading = CONNECTION, value_name = "URL", env = "REDIS_URL")]
    #[arg(hide_env_values = true)]
    redis_url: Option<String>,
    /// A file that holds the password, if the address does not [or variable REDISCLI_AUTH]
    #[arg(long, help_heading = CONNECTION, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Whether the server is a node of a Redis Cluster
    #[arg(long, help_heading = CONNECTION, value_name = "WHETHER", default_value = "auto")]
    cluster: ClusterFlag,
    /// Which of a cluster's servers may hand out chunks; replicas may lag
    #[arg(long, help_heading = CONNECTION, value_name = "WHICH", default_value = "primary")]
    read_from: ReadFromFlag,
    /// Connections for chunks to each server; one more carries all else
    #[arg(long, help_heading = CONNECTION, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = at_least_one)]
    connections: usize,
    /// How long one attempt to connect may take
    #[arg(long, help_heading = CONNECTION, value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = patience)]
    connect_timeout: Duration,
    /// How long nothing may move on a connection that owes a reply
    #[arg(long, help_heading = CONNECTION, value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = patience)]
    timeout: Duration,
    /// How often a request is repeated, for 120 s at most, after a failure that can pass; 0 for never
    #[arg(long, help_heading = CONNECTION, value_name = "N", default_value_t = 20)]
    retries: u32,
    /// A PEM file of the authorities to trust, instead of the system's
    #[arg(long, help_heading = CONNECTION, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// A PEM file of this client's certificate
    #[arg(long, help_heading = CONNECTION, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// A PEM file of that certificate's private key
    #[arg(long, help_heading = CONNECTION, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Accept any certificate; whoever is in between can then read and alter everything
    #[arg(long, help_heading = CONNECTION, conflicts_with = "tls_ca")]
    tls_insecure: bool,
}

impl Redis {
    /// Connects to the server that the flags name.
    pub(crate) async fn connect(&self) -> Result<RedisStore, Failure> {
        // An empty address, as an unset variable often is, counts as none.
        let url = self.redis_url.as_deref().filter(|url| !url.is_empty()).unwrap_or(DEFAULT_URL);
        self.connect_to(url).await
    }

    /// Connects to another server in the same way.
    pub(crate) async fn connect_to(&self, url: &str) -> Result<RedisStore, Failure> {
        Ok(RedisStore::connect_with(url, self.options()?).await?)
    }

    fn options(&self) -> Result<ConnectOptions, Failure> {
        Ok(ConnectOptions {
            cluster: self.cluster.into(),
            read_from: self.read_from.into(),
            connections: self.connections,
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            retries: self.retries,
            password: self.password()?,
            tls: TlsOptions {
                ca: self.tls_ca.clone(),
                certificate: self.tls_cert.clone(),
                key: self.tls_key.clone(),
                insecure: self.tls_insecure,
            },
            ..ConnectOptions::default()
        })
    }

    fn password(&self) -> Result<Option<Secret>, Failure> {
        if let Some(path) = &self.password_file {
            return read_password(path).map(Some);
        }
        let variable = std::env::var(PASSWORD_VARIABLE).ok();
        Ok(variable.filter(|password| !password.is_empty()).map(Secret::new))
    }
}

/// The first line of a file.
fn read_password(path: &Path) -> Result<Secret, Failure> {
    let unusable = |what: &str| {
        Failure::Usage(format!(
            "cannot use the password file {path:?}: {what}; expected a file whose first line is the \
             password"
        ))
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| unusable(&error.to_string()))?;
    // A pipe or a device does not say how long it is.
    let read = file.take(LONGEST_PASSWORD + 1).read_to_string(&mut text);
    read.map_err(|error| unusable(&error.to_string()))?;
    if text.len() as u64 > LONGEST_PASSWORD {
        return Err(unusable(&format!("it is longer than {LONGEST_PASSWORD} bytes")));
    }
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(unusable("its first line is empty")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClusterFlag {
    Auto,
    On,
    Off,
}

impl From<ClusterFlag> for ClusterMode {
    fn from(flag: ClusterFlag) -> Self {
        match flag {
            ClusterFlag::Auto => Self::Auto,
            ClusterFlag::On => Self::On,
            ClusterFlag::Off => Self::Off,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReadFromFlag {
    Primary,
    Replica,
}

impl From<ReadFromFlag> for ReadFrom {
    fn from(flag: ReadFromFlag) -> Self {
        match flag {
            ReadFromFlag::Primary => Self::Primary,
            ReadFromFlag::Replica => Self::Replica,
        }
    }
}

/// Longest time that anything is waited for: a day.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

fn patience(text: &str) -> Result<Duration, String> {
    // A bare number is seconds, as in other tools.
    let time = text.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(text));
    match time {
        Ok(time) if time < Duration::from_millis(1) => Err("expected 1ms or more".to_owned()),
        Ok(time) if time > LONGEST_PATIENCE => Err("expected at most a day".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}; expected a time such as 500ms, 5s or 2m")),
    }
}
