//! What can go wrong with a request, and what that means for it; pure.
//!
//! Decided by type and by the server's error code. Text is looked at in one case only: servers
//! that allow no more connections say so without a code of its own.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio_rustls::rustls;

use super::address::Host;

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// The server that was asked.
    pub(super) node: Arc<str>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// The server answered with an error: it has not done what it was asked.
    Answer(RedisError),
    /// The connection broke while an answer was waited for.
    Lost(RedisError),
    /// Nothing moved for so long.
    Stalled(Duration),
    /// No connection could be made.
    Unreachable(Arc<io::Error>),
    /// No connection was made in so long.
    ConnectTimeout(Duration),
    /// The server, or what was taken for one, did not greet as one does.
    Greeting(RedisError),
    /// What was found is no answer to a question about a cluster or a primary.
    Unusable(Arc<str>),
}

/// What a trouble means for the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// It can pass by itself: ask again, so many times at most.
    Transient { most: u32 },
    /// It stays: asking again changes nothing.
    Permanent,
    /// Another server has the key, for good.
    Moved(Host),
    /// Another server has the key while its slot is on the way there.
    Ask(Host),
}

/// As often as the options say.
const AS_TOLD: u32 = u32::MAX;

/// A replica that is asked to write becomes a primary soon or never.
const FEW: u32 = 5;

impl Trouble {
    fn new(node: &Arc<str>, what: What) -> Self {
        Self { node: Arc::clone(node), what }
    }

    /// What the client library says of a request.
    pub(super) fn of(node: &Arc<str>, error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => Self::new(node, What::Answer(error)),
            _ => Self::new(node, What::Lost(error)),
        }
    }

    /// What the client library says of a greeting.
    pub(super) fn greeting(node: &Arc<str>, error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => Self::new(node, What::Answer(error)),
            _ => Self::new(node, What::Greeting(error)),
        }
    }

    pub(super) fn stalled(node: &Arc<str>, timeout: Duration) -> Self {
        Self::new(node, What::Stalled(timeout))
    }

    pub(super) fn unreachable(node: &Arc<str>, error: io::Error) -> Self {
        Self::new(node, What::Unreachable(Arc::new(error)))
    }

    pub(super) fn connect_timeout(node: &Arc<str>, timeout: Duration) -> Self {
        Self::new(node, What::ConnectTimeout(timeout))
    }

    pub(super) fn unusable(node: &Arc<str>, found: &str) -> Self {
        Self::new(node, What::Unusable(found.into()))
    }

    /// Whether the server answered, so that what it was asked for has certainly not been done.
    pub fn was_answered(&self) -> bool {
        matches!(self.what, What::Answer(_))
    }

    /// Whether the request may have been carried out without an answer.
    pub fn may_have_been_done(&self) -> bool {
        matches!(self.what, What::Lost(_) | What::Stalled(_))
    }

    /// Whether the server ended the connection while it was sent something.
    pub(super) fn was_cut(&self) -> bool {
        matches!(self.what, What::Lost(_))
    }

    /// Whether no server was found.
    pub(super) fn was_unreachable(&self) -> bool {
        matches!(
            self.what,
            What::Unreachable(_) | What::ConnectTimeout(_) | What::Greeting(_) | What::Unusable(_)
        )
    }

    /// For how long it had gone on before it was noticed.
    pub(super) fn had_lasted(&self) -> Duration {
        match self.what {
            What::Stalled(timeout) | What::ConnectTimeout(timeout) => timeout,
            _ => Duration::ZERO,
        }
    }

    /// The server's own error code.
    pub(super) fn code(&self) -> Option<&str> {
        match &self.what {
            What::Answer(error) => match error.kind() {
                // The client has no code for what it found wrong with user and password.
                ErrorKind::AuthenticationFailed => Some("WRONGPASS"),
                _ => error.code(),
            },
            What::Greeting(error) if error.kind() == ErrorKind::AuthenticationFailed => {
                Some("WRONGPASS")
            }
            _ => None,
        }
    }

    /// What it means for the request.
    pub(super) fn class(&self) -> Class {
        let transient = Class::Transient { most: AS_TOLD };
        match &self.what {
            What::Lost(_) | What::Stalled(_) | What::ConnectTimeout(_) | What::Unusable(_) => {
                transient
            }
            What::Unreachable(error) if is_refused_certificate(error) => Class::Permanent,
            What::Unreachable(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Class::Permanent
            }
            What::Unreachable(_) => transient,
            What::Greeting(error) => match error.kind() {
                ErrorKind::Io | ErrorKind::Parse => transient,
                _ => Class::Permanent,
            },
            What::Answer(error) => class_of_answer(error),
        }
    }

    /// Whether where things are should be looked up anew.
    pub(super) fn asks_for_directions(&self) -> bool {
        !self.was_answered()
            || matches!(self.code(), Some("READONLY" | "CLUSTERDOWN" | "MASTERDOWN"))
    }

    /// What a person can do about it.
    pub(super) fn advice(&self) -> &'static str {
        if self.is_out_of_connections() {
            return "the server allows no more connections: raise its maxclients, close others, or \
                    lower --connections";
        }
        match self.code() {
            Some("OOM") => {
                "the server is full: raise maxmemory, or remove datasets with 'arrowredis rm'"
            }
            Some("MISCONF") => {
                "the server refuses writes because it cannot persist: look at its log and its disk"
            }
            Some("READONLY") => {
                "that server is a replica: give the primary's address, or let it be found with \
                 redis+sentinel:// or --cluster on"
            }
            Some("NOPERM") => {
                "its user may not do that: docs/operations.md lists the commands and keys to allow"
            }
            Some("NOAUTH" | "WRONGPASS" | "NOUSER") => {
                "check user and password: in the address, in REDISCLI_AUTH or with --password-file"
            }
            Some("CROSSSLOT") => {
                "keys of one partition lie in several slots, which only a proxy or a prefix that \
                 holds braces can bring about"
            }
            Some("LOADING") => "the server is still loading its data: wait until it is done",
            Some("BUSY") => "a script keeps the server busy: wait, or end it with SCRIPT KILL",
            Some("CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN") => {
                "the cluster has no primary for the key just now: look at CLUSTER INFO, and run it \
                 again"
            }
            Some("NOREPLICAS") => {
                "the server has too few replicas to write: look at INFO replication"
            }
            Some(_) => "look at the server's own documentation of that answer",
            None => self.advice_without_answer(),
        }
    }

    fn advice_without_answer(&self) -> &'static str {
        match &self.what {
            What::Stalled(_) => {
                "the server or the network is stuck: look at it, or raise --timeout if it is only slow"
            }
            What::Unreachable(error) if is_refused_certificate(error) => {
                "check the name in the address and the certificates, with --tls-ca, --tls-cert and \
                 --tls-key"
            }
            What::Unreachable(error) if is_tls(error) => {
                "does that port speak TLS? For plain connections write redis:// instead of rediss://"
            }
            What::Greeting(_) => {
                "is it a Redis server, and does the address say rediss:// where it speaks TLS?"
            }
            What::Unreachable(_) | What::ConnectTimeout(_) => {
                "is a Redis server running there, and does a firewall let this machine through?"
            }
            What::Unusable(_) => "look at the server's configuration",
            What::Answer(_) | What::Lost(_) => {
                "was the server stopped, or did it close the connection because of a limit? Its log \
                 says so"
            }
        }
    }

    fn is_out_of_connections(&self) -> bool {
        matches!(&self.what, What::Answer(error) if says_out_of_connections(error))
    }
}

fn class_of_answer(error: &RedisError) -> Class {
    let transient = Class::Transient { most: AS_TOLD };
    match (error.kind(), error.code()) {
        (ErrorKind::Server(ServerErrorKind::Moved), _) => match redirected(error) {
            Some(host) => Class::Moved(host),
            None => Class::Permanent,
        },
        (ErrorKind::Server(ServerErrorKind::Ask), _) => match redirected(error) {
            Some(host) => Class::Ask(host),
            None => Class::Permanent,
        },
        (_, Some("READONLY")) => Class::Transient { most: FEW },
        (
            _,
            Some("LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "NOREPLICAS"),
        ) => transient,
        _ if says_out_of_connections(error) => transient,
        _ => Class::Permanent,
    }
}

fn redirected(error: &RedisError) -> Option<Host> {
    error.redirect_node().and_then(|(node, _)| Host::parse(node))
}

fn says_out_of_connections(error: &RedisError) -> bool {
    error.code() == Some("ERR")
        && error.detail().is_some_and(|text| text.contains("max number of clients"))
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_tls(error: &io::Error) -> bool {
    rustls_error(error).is_some()
}

/// Whether one side does not accept the other's certificate, or they cannot agree on TLS at all.
fn is_refused_certificate(error: &io::Error) -> bool {
    matches!(
        rustls_error(error),
        Some(
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::AlertReceived(_)
        )
    )
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Answer(error) | What::Greeting(error)
                if error.kind() == ErrorKind::AuthenticationFailed =>
            {
                match error.detail() {
                    Some(detail) => {
                        write!(f, "the server does not accept user and password: {detail}")
                    }
                    None => f.write_str("the server does not accept user and password"),
                }
            }
            What::Answer(error) => {
                let (code, text) = (error.code().unwrap_or("ERR"), error.detail().unwrap_or(""));
                write!(f, "the server answered '{}'", format!("{code} {text}").trim_end())
            }
            What::Lost(error) => write!(f, "the connection was lost ({error})"),
            What::Stalled(timeout) => write!(f, "nothing moved for {timeout:?}"),
            What::Unreachable(error) => write!(f, "{error}"),
            What::ConnectTimeout(timeout) => write!(f, "no connection within {timeout:?}"),
            What::Greeting(error) => write!(f, "no greeting ({error})"),
            What::Unusable(found) => f.write_str(found),
        }
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(line: &str) -> Trouble {
        let value = ::redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        Trouble::of(&"h:1".into(), value.extract_error().unwrap_err())
    }

    fn io(error: io::Error) -> Trouble {
        Trouble::unreachable(&"h:1".into(), error)
    }

    #[test]
    fn every_answer_has_its_class() {
        let host = Host { name: "h2".to_owned(), port: 7_001 };
        let as_told = Class::Transient { most: AS_TOLD };
        for (line, class) in [
            ("LOADING Redis is loading the dataset in memory", as_told.clone()),
            ("BUSY Redis is busy running a script", as_told.clone()),
            ("TRYAGAIN Multiple keys request during rehashing of slot", as_told.clone()),
            ("CLUSTERDOWN The cluster is down", as_told.clone()),
            ("MASTERDOWN Link with MASTER is down", as_told.clone()),
            ("NOREPLICAS Not enough good replicas to write.", as_told.clone()),
            ("ERR max number of clients reached", as_told),
            (
                "READONLY You can't write against a read only replica.",
                Class::Transient { most: FEW },
            ),
            ("MOVED 3999 h2:7001", Class::Moved(host.clone())),
            ("ASK 3999 h2:7001", Class::Ask(host)),
            ("OOM command not allowed when used memory > 'maxmemory'.", Class::Permanent),
            ("MISCONF Redis is configured to save RDB snapshots", Class::Permanent),
            ("NOAUTH Authentication required.", Class::Permanent),
            ("WRONGPASS invalid username-password pair", Class::Permanent),
            ("NOPERM this user has no permissions", Class::Permanent),
            ("CROSSSLOT Keys in request don't hash to the same slot", Class::Permanent),
            ("WRONGTYPE Operation against a key", Class::Permanent),
            ("ERR unknown command", Class::Permanent),
        ] {
            let trouble = answered(line);
            assert_eq!(trouble.class(), class, "{line}");
            assert!(trouble.was_answered() && !trouble.may_have_been_done(), "{line}");
            let shown = trouble.to_string();
            assert!(shown.contains(line), "the server's words are repeated: {shown}");
        }
    }

    #[test]
    fn what_has_no_answer_may_have_been_done() {
        let cut = RedisError::from(io::Error::from(io::ErrorKind::UnexpectedEof));
        for trouble in [
            Trouble::of(&"h:1".into(), cut),
            Trouble::of(&"h:1".into(), (ErrorKind::Parse, "Unexpected end of input").into()),
            Trouble::stalled(&"h:1".into(), Duration::from_secs(30)),
        ] {
            assert_eq!(trouble.class(), Class::Transient { most: AS_TOLD });
            assert!(trouble.may_have_been_done() && !trouble.was_answered(), "{trouble}");
        }
    }

    #[test]
    fn nobody_there_can_pass_and_a_certificate_cannot() {
        let refused = io(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(refused.class(), Class::Transient { most: AS_TOLD });
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let expired = io(io::Error::new(io::ErrorKind::InvalidData, expired));
        assert_eq!(expired.class(), Class::Permanent);
        assert!(expired.advice().contains("--tls-ca"));
    }

    #[test]
    fn a_redirection_that_names_nobody_is_no_redirection() {
        assert_eq!(answered("MOVED 3999").class(), Class::Permanent);
        assert_eq!(answered("MOVED 3999 nowhere").class(), Class::Permanent);
    }
}
