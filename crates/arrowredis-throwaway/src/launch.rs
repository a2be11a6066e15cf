//! How a server is to be started: its program, ports, secrets and arguments. The running server is
//! `server`'s matter.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::StartError;
use crate::log::wait_for;
use crate::port;
use crate::program::find_program;
use crate::server::Server;

/// What a server logs once it listens.
const READY: &str = "Ready to accept connections";

/// What a sentinel logs once it listens.
const SENTINEL_READY: &str = "Sentinel ID is";

/// How often another port is tried when somebody else takes the free one first.
const PORT_ATTEMPTS: usize = 5;

/// The configuration in a sentinel's folder. It must be a file, in which the sentinel also keeps
/// what it has learned.
const SENTINEL_FILE: &str = "sentinel.conf";

/// The socket in a server's folder.
const SOCKET: &str = "s";

/// The files for a server that speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// The authority that clients' certificates, and other nodes', must come from.
    pub authority: PathBuf,
    /// Whether clients must show a certificate: `yes`, `no` or `optional`.
    pub clients: &'static str,
}

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    program: Option<PathBuf>,
    arguments: Vec<OsString>,
    port: Option<u16>,
    password: Option<String>,
    tls: Option<Tls>,
    tls_only: bool,
    socket: bool,
    sentinel: Option<String>,
}

impl Launch {
    /// A server on a free port, without secrets, TLS or persistence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts this program instead of the one from PATH.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Adds arguments, such as `["--maxmemory", "10mb"]`. They override all others.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Listens on this port, and on no other if somebody has it.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Demands this password of the default user, gives it to masters, and puts it into addresses.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.arguments(&["--requirepass", password, "--masterauth", password])
    }

    /// Adds a user with a password and rules, such as `["~demo:*", "+@all", "-keys"]`.
    #[must_use]
    pub fn user(self, name: &str, password: &str, rules: &[&str]) -> Self {
        self.arguments(&["--user", name, "on", &format!(">{password}")]).arguments(rules)
    }

    /// Speaks TLS on a port of its own, besides the plain one.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Speaks nothing but TLS, on the port that would be the plain one; and on a Unix socket, so that
    /// a test can still look at it without.
    #[must_use]
    pub fn tls_only(mut self, tls: Tls) -> Self {
        self.tls_only = true;
        self.tls(tls).unix_socket()
    }

    /// Listens on a Unix socket, too.
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.socket = true;
        self
    }

    /// Begins as the replica of the server on a loopback port.
    #[must_use]
    pub fn replica_of(self, master: u16) -> Self {
        self.arguments(&["--replicaof", "127.0.0.1", &master.to_string()])
    }

    /// Writes every change to its folder before it answers, so that a restart finds all of them.
    #[must_use]
    pub fn persistent(self) -> Self {
        self.arguments(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Is a sentinel with this configuration instead of a server.
    #[must_use]
    pub fn sentinel(mut self, configuration: &str) -> Self {
        self.sentinel = Some(configuration.to_owned());
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    /// [`StartError`] when none is installed or it does not come up.
    pub fn start(self) -> Result<Server, StartError> {
        let program = self.program.clone().or_else(find_program).ok_or(StartError::NotInstalled)?;
        let failed = |source| StartError::Start { program: program.clone(), source };
        let mut failure = StartError::NotInstalled;
        for _ in 0..PORT_ATTEMPTS {
            let folder =
                tempfile::Builder::new().prefix("arrowredis-").tempdir().map_err(failed)?;
            let port = self.port.map_or_else(port::free, Ok).map_err(failed)?;
            let second = match (&self.tls, self.tls_only) {
                (Some(_), false) => Some(port::free().map_err(failed)?),
                (Some(_), true) => Some(port),
                (None, _) => None,
            };
            let place = Place { program: program.clone(), folder, port, tls_port: second };
            match self.attempt(&place) {
                Ok(process) => return Ok(Server::new(self, place, process)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Starts the program in a place where it may have run before.
    pub(crate) fn attempt(&self, place: &Place) -> Result<Ended, StartError> {
        let program = &place.program;
        let failed = |source| StartError::Start { program: program.clone(), source };
        let mut command = Command::new(program);
        if let Some(configuration) = &self.sentinel {
            let file = place.folder.path().join(SENTINEL_FILE);
            // What a sentinel has learned stands there after a restart.
            if !file.exists() {
                let text = format!("port {}\nbind 127.0.0.1\n{configuration}\n", place.port);
                fs::write(&file, text).map_err(failed)?;
            }
            command.arg(file).arg("--sentinel");
        } else {
            let plain = if self.tls_only { 0 } else { place.port };
            command.args(["--bind", "127.0.0.1", "--port", &plain.to_string()]);
            command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        }
        command.args(["--logfile", "", "--dir"]).arg(place.folder.path());
        if let (Some(tls), Some(port)) = (&self.tls, place.tls_port) {
            command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", tls.clients]);
            command.arg("--tls-cert-file").arg(&tls.certificate);
            command.arg("--tls-key-file").arg(&tls.key);
            command.arg("--tls-ca-cert-file").arg(&tls.authority);
        }
        if let Some(socket) = self.socket_in(place.folder.path()) {
            command.arg("--unixsocket").arg(socket);
        }
        let mut process = command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Ended)
            .map_err(failed)?;
        let ready = if self.sentinel.is_some() { SENTINEL_READY } else { READY };
        match process.0.stdout.take().map(|stdout| wait_for(ready, stdout)) {
            Some(Ok(())) => Ok(process),
            Some(Err(log)) => Err(StartError::NotReady { program: program.clone(), log }),
            None => Err(failed(std::io::Error::other("it has no output"))),
        }
    }

    /// What stands between `://` and the host of an address.
    pub(crate) fn credentials(&self) -> String {
        self.password.as_ref().map_or_else(String::new, |password| format!(":{password}@"))
    }

    /// The password of the default user.
    pub(crate) fn demanded_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Whether the server will have a port that speaks TLS.
    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn is_tls_only(&self) -> bool {
        self.tls_only
    }

    pub(crate) fn socket_in(&self, folder: &Path) -> Option<PathBuf> {
        self.socket.then(|| folder.join(SOCKET))
    }
}

/// Where a server runs, which outlives its process.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) program: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) tls_port: Option<u16>,
}

/// A process that is ended when it is dropped, also while it is frozen.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do about either failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
