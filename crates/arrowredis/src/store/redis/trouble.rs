//! What can go wrong with a request, and what that means for it; pure.
//!
//! Decided by type and by the server's error code. Text is looked at only where a server has no code
//! of its own for what it says: that it allows no more connections, that a script may not do what it
//! does, and that it cannot read what it was sent.

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
    /// No connection was made in so long, with TLS or without.
    ConnectTimeout { timeout: Duration, tls: bool },
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

    pub(super) fn connect_timeout(node: &Arc<str>, timeout: Duration, tls: bool) -> Self {
        Self::new(node, What::ConnectTimeout { timeout, tls })
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

    /// Whether the server ended the connection because of what it was sent. It may say so before.
    pub(super) fn was_cut_for_what_was_sent(&self) -> bool {
        self.was_cut() || matches!(&self.what, What::Answer(error) if says_unreadable(error))
    }

    /// Whether the server answered that it does not do that: it does not know the command or keeps it
    /// to itself.
    pub(super) fn is_refusal(&self) -> bool {
        self.was_answered() && self.class() == Class::Permanent
    }

    /// Whether the connection ended while it was greeted.
    pub(super) fn was_cut_while_greeting(&self) -> bool {
        matches!(&self.what, What::Greeting(error)
            if matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse))
            && self.class() != Class::Permanent
    }

    /// Whether no server was found.
    pub(super) fn was_unreachable(&self) -> bool {
        matches!(
            self.what,
            What::Unreachable(_)
                | What::ConnectTimeout { .. }
                | What::Greeting(_)
                | What::Unusable(_)
        )
    }

    /// For how long it had gone on before it was noticed.
    pub(super) fn had_lasted(&self) -> Duration {
        match self.what {
            What::Stalled(timeout) | What::ConnectTimeout { timeout, .. } => timeout,
            _ => Duration::ZERO,
        }
    }

    /// The server's own error code.
    pub(super) fn code(&self) -> Option<&str> {
        match &self.what {
            What::Answer(error) => match error.kind() {
                // The client has no code for what it found wrong with user and password.
                ErrorKind::AuthenticationFailed => Some("WRONGPASS"),
                _ if says_script_is_denied(error) => Some("NOPERM"),
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
            What::Lost(_) | What::Stalled(_) | What::ConnectTimeout { .. } | What::Unusable(_) => {
                transient
            }
            What::Unreachable(error) if is_refused_certificate(error) => Class::Permanent,
            What::Unreachable(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Class::Permanent
            }
            What::Unreachable(_) => transient,
            // With TLS 1.3 a client's certificate is refused after the client is done with its part.
            What::Greeting(error) if io_error(error).is_some_and(is_refused_certificate) => {
                Class::Permanent
            }
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
            What::Greeting(error) if io_error(error).is_some_and(is_refused_certificate) => {
                "the server does not accept this client's certificate, or wants one: check --tls-cert, \
                 --tls-key and the authority that the server trusts"
            }
            What::Greeting(_) => {
                "is it a Redis server, and does the address say rediss:// where it speaks TLS?"
            }
            What::ConnectTimeout { tls: true, .. } => {
                "is a Redis server that speaks TLS running there? For plain connections write \
                 redis:// instead of rediss://"
            }
            What::Unreachable(_) | What::ConnectTimeout { .. } => {
                "is a Redis server running there, and does a firewall let this machine through?"
            }
            What::Unusable(_) => "look at the server's configuration",
            What::Answer(_) | What::Lost(_) => {
                "was the server stopped, or did it close the connection because of a limit? Its log \
                 says so"
            }
        }
    }

    pub(super) fn is_out_of_connections(&self) -> bool {
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

/// A server's answer without the arguments that it repeats: they may hold a password.
fn without_arguments(text: &str) -> &str {
    text.split_once(", with args beginning").map_or(text, |(before, _)| before)
}

fn says_out_of_connections(error: &RedisError) -> bool {
    error.code() == Some("ERR")
        && error.detail().is_some_and(|text| text.contains("max number of clients"))
}

/// Redis 6.2 and 7.0 say the first, later ones and Valkey the second.
fn says_script_is_denied(error: &RedisError) -> bool {
    let is_denied = |text: &str| {
        text.starts_with("The user executing the script can't")
            || text.starts_with("ACL failure in script")
    };
    error.code() == Some("ERR") && error.detail().is_some_and(is_denied)
}

fn says_unreadable(error: &RedisError) -> bool {
    error.code() == Some("ERR")
        && error.detail().is_some_and(|text| text.starts_with("Protocol error"))
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// The system's error, or that of TLS, in the client library's.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = std::error::Error::source(error)?;
    let shared = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    (**shared).downcast_ref()
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
                        let detail = without_arguments(detail);
                        write!(f, "the server does not accept user and password: {detail}")
                    }
                    None => f.write_str("the server does not accept user and password"),
                }
            }
            What::Answer(error) => {
                let text = without_arguments(error.detail().unwrap_or(""));
                let code = error.code().unwrap_or("ERR");
                write!(f, "the server answered '{}'", format!("{code} {text}").trim_end())
            }
            What::Lost(error) => write!(f, "the connection was lost ({error})"),
            What::Stalled(timeout) => write!(f, "nothing moved for {timeout:?}"),
            What::Unreachable(error) => write!(f, "{error}"),
            What::ConnectTimeout { timeout, .. } => write!(f, "no connection within {timeout:?}"),
            What::Greeting(error) => {
                write!(f, "no greeting ({})", without_arguments(&error.to_string()))
            }
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
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let alert = io::Error::new(io::ErrorKind::InvalidData, alert);
        let unwanted = Trouble::greeting(&"h:1".into(), alert.into());
        assert_eq!(unwanted.class(), Class::Permanent);
        assert!(unwanted.advice().contains("--tls-cert"));
    }

    #[test]
    fn a_script_that_may_not_is_denied_whatever_the_server_says_to_it() {
        for line in [
            "ERR The user executing the script can't run this command or subcommand script: 1f",
            "ERR The user executing the script can't access at least one of the keys mentioned",
            "ERR ACL failure in script: User u has no permissions to run the 'set' command",
        ] {
            assert_eq!(answered(line).code(), Some("NOPERM"), "{line}");
            assert!(answered(line).to_string().contains(line));
        }
        assert_eq!(answered("ERR unknown command").code(), Some("ERR"));
    }

    #[test]
    fn a_value_that_cannot_be_read_ends_the_connection() {
        assert!(answered("ERR Protocol error: invalid bulk length").was_cut_for_what_was_sent());
        assert!(!answered("ERR unknown command").was_cut_for_what_was_sent());
    }

    #[test]
    fn a_redirection_that_names_nobody_is_no_redirection() {
        assert_eq!(answered("MOVED 3999").class(), Class::Permanent);
        assert_eq!(answered("MOVED 3999 nowhere").class(), Class::Permanent);
    }
}
