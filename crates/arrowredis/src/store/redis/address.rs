//! Where a server is and who asks, read out of an address; pure.
//!
//! The client library reads host, user, password and database; what it does not know are several
//! hosts, Sentinel, and that no part of an address may be repeated in a message.

use std::fmt;
use std::path::PathBuf;

use ::redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::store::StoreError;

use super::options::Secret;

/// The port of a Sentinel unless an address names another.
const SENTINEL_PORT: u16 = 26_379;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

impl Host {
    /// Reads `name:port` or `[name]:port`, as servers spell each other.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, port) = text.rsplit_once(':')?;
        let name = name.trim_start_matches('[').trim_end_matches(']');
        Some(Self { name: name.to_owned(), port: port.parse().ok()? })
    }
}

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A server, or some nodes of a cluster.
    Hosts(Vec<Host>),
    /// A socket of this machine.
    Socket(PathBuf),
    /// Whichever server some Sentinels say is the primary of a service.
    Sentinel { hosts: Vec<Host>, service: String },
}

/// An address that was read.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) tls: bool,
    /// User, password, database and protocol.
    pub(super) login: RedisConnectionInfo,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// The address without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, db) = (if self.tls { "rediss" } else { "redis" }, self.login.db());
        let list = |hosts: &[Host]| hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(",");
        match &self.place {
            Place::Hosts(hosts) => write!(f, "{scheme}://{}/{db}", list(hosts)),
            Place::Socket(path) => write!(f, "unix://{}?db={db}", path.display()),
            Place::Sentinel { hosts, service } => {
                write!(f, "{scheme}+sentinel://{}/{service}/{db}", list(hosts))
            }
        }
    }
}

impl Address {
    /// Reads an address. `password` is used where it holds none.
    ///
    /// # Errors
    /// [`StoreError::Address`], which repeats nothing of it.
    pub(super) fn parse(text: &str, password: Option<&Secret>) -> Result<Self, StoreError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refused("no scheme"))?;
        if rest.contains('#') {
            return Err(refused("'#' has no meaning in it; in a password write %23"));
        }
        let mut address = match scheme {
            "redis" | "valkey" => servers(rest, false)?,
            "rediss" | "valkeys" => servers(rest, true)?,
            "redis+sentinel" | "valkey+sentinel" => sentinels(rest, false)?,
            "rediss+sentinel" | "valkeys+sentinel" => sentinels(rest, true)?,
            "unix" | "redis+unix" | "valkey+unix" => socket(rest)?,
            _ => return Err(refused("an unknown scheme")),
        };
        if let (None, Some(password)) = (address.login.password(), password) {
            address.login = address.login.set_password(password.reveal());
        }
        Ok(address)
    }
}

fn refused(reason: &str) -> StoreError {
    StoreError::Address { reason: reason.to_owned() }
}

/// The parts of `[user[:password]@]host[:port][,host…][/path][?query]`.
struct Parts<'a> {
    /// With its `@`.
    user: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    /// With its `?`.
    query: &'a str,
}

fn parts(rest: &str) -> Parts<'_> {
    let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let hosts = hosts.split(',').filter(|host| !host.is_empty()).collect();
    Parts { user, hosts, path: path.trim_matches('/'), query }
}

fn servers(rest: &str, tls: bool) -> Result<Address, StoreError> {
    let Parts { user, hosts, path, query } = parts(rest);
    let read = hosts.into_iter().map(|host| read_one(&format!("{user}{host}/{path}{query}")));
    let (hosts, logins): (Vec<_>, Vec<_>) =
        read.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let login = logins.into_iter().next().ok_or_else(|| refused("no host"))?;
    Ok(Address { place: Place::Hosts(hosts), tls, login })
}

fn sentinels(rest: &str, tls: bool) -> Result<Address, StoreError> {
    let Parts { user, hosts, path, query } = parts(rest);
    let (service, db) = path.split_once('/').unwrap_or((path, ""));
    // An '@' after the first '/' is of a password that was not encoded.
    if service.is_empty() || path.contains('@') {
        return Err(refused("no service; expected redis+sentinel://host1,host2/service/database"));
    }
    let with_port = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) if !port.contains(']') => host.to_owned(),
        _ => format!("{host}:{SENTINEL_PORT}"),
    };
    let hosts = hosts.into_iter().map(with_port).collect::<Vec<_>>().join(",");
    let Address { place, login, .. } = servers(&format!("{user}{hosts}/{db}{query}"), tls)?;
    let Place::Hosts(hosts) = place else { return Err(refused("no host")) };
    Ok(Address { place: Place::Sentinel { hosts, service: service.to_owned() }, tls, login })
}

fn socket(rest: &str) -> Result<Address, StoreError> {
    let info = format!("unix://{rest}").into_connection_info().map_err(unreadable)?;
    let login = info.redis_settings().clone();
    match info.addr() {
        ConnectionAddr::Unix(path) => {
            Ok(Address { place: Place::Socket(path.clone()), tls: false, login })
        }
        _ => Err(refused("no path of a socket")),
    }
}

/// One host with all else, as the client library reads it.
fn read_one(rest: &str) -> Result<(Host, RedisConnectionInfo), StoreError> {
    let info = format!("redis://{rest}").into_connection_info().map_err(unreadable)?;
    match info.addr() {
        ConnectionAddr::Tcp(name, port) => {
            Ok((Host { name: name.clone(), port: *port }, info.redis_settings().clone()))
        }
        _ => Err(refused("no host")),
    }
}

/// "What is wrong - Kind: detail", of which the first part never repeats the text.
fn unreadable(error: ::redis::RedisError) -> StoreError {
    refused(error.to_string().split(" - ").next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Address {
        Address::parse(text, None).unwrap()
    }

    #[test]
    fn every_kind_of_address_is_shown_without_user_and_password() {
        for (text, shown) in [
            ("redis://h", "redis://h:6379/0"),
            ("redis://u:p%40ss@h:1/2", "redis://h:1/2"),
            ("redis://:p@[::1]:7/0", "redis://[::1]:7/0"),
            ("rediss://u:p@h", "rediss://h:6379/0"),
            ("valkey://u:p@h", "redis://h:6379/0"),
            ("redis://:p@h1:1,h2:2/", "redis://h1:1,h2:2/0"),
            ("unix:///run/r.sock?db=3&pass=p", "unix:///run/r.sock?db=3"),
            ("redis+unix:///run/r.sock", "unix:///run/r.sock?db=0"),
            ("redis+sentinel://u:p@a,b:5/main/4", "redis+sentinel://a:26379,b:5/main/4"),
            ("rediss+sentinel://[::1]/main", "rediss+sentinel://[::1]:26379/main/0"),
        ] {
            assert_eq!(parse(text).to_string(), shown, "{text}");
            assert_eq!(format!("{:?}", parse(text)), format!("Address({shown})"));
        }
    }

    #[test]
    fn user_password_database_and_protocol_are_read() {
        let login = parse("redis://us%3Aer:p%40s%2Fs@h/5?protocol=resp3").login;
        assert_eq!((login.username(), login.password()), (Some("us:er"), Some("p@s/s")));
        assert_eq!((login.db(), login.protocol()), (5, ::redis::ProtocolVersion::RESP3));
        let login = parse("unix:///s?user=u&pass=p").login;
        assert_eq!((login.username(), login.password()), (Some("u"), Some("p")));
    }

    #[test]
    fn a_password_of_its_own_comes_before_another_one() {
        let other = Secret::new("other");
        let password = |text| {
            let login = Address::parse(text, Some(&other)).unwrap().login;
            login.password().map(str::to_owned)
        };
        assert_eq!(password("redis://:own@h").as_deref(), Some("own"));
        assert_eq!(password("redis://u@h").as_deref(), Some("other"));
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for text in [
            "",
            "s3cret",
            "http://s3cret@h",
            "redis://",
            "redis://:s3cret@",
            "redis://h/s3cret",
            "redis://:s3cret@h#insecure",
            "redis://h:s3cret",
            "redis+sentinel://:s3cret@h",
            "unix://",
            "redis://:s3cret@h?protocol=9",
        ] {
            let error = Address::parse(text, None).unwrap_err();
            assert!(matches!(error, StoreError::Address { .. }), "{text}");
            assert!(!error.to_string().contains("s3cret"), "{text}: {error}");
        }
    }

    #[test]
    fn servers_spell_each_other_with_and_without_brackets() {
        for (text, name) in
            [("10.0.0.1:7000", "10.0.0.1"), ("[::1]:7000", "::1"), ("::1:7000", "::1")]
        {
            assert_eq!(Host::parse(text), Some(Host { name: name.to_owned(), port: 7_000 }));
        }
        assert_eq!(Host::parse("nowhere"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", scheme in "(redis|unix|redis\\+sentinel)://") {
            let _ = Address::parse(&text, None);
            let _ = Address::parse(&format!("{scheme}{text}"), None);
        }
    }
}
