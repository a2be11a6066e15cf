//! A running server, and its end and return. How it was started is `launch`'s matter, what it is
//! told is nobody's here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::StartError;
use crate::launch::{Ended, Launch, Place};

/// A running server. Dropping it ends the process and removes its folder.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    // Before `place`, so that the process has ended when its folder is removed.
    process: Ended,
    place: Place,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// [`StartError`] when none is installed or it does not come up.
    pub fn start() -> Result<Self, StartError> {
        Launch::new().start()
    }

    /// Like [`Server::start`], with further arguments, such as `["--maxmemory", "10mb"]`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(arguments: &[&str]) -> Result<Self, StartError> {
        Launch::new().arguments(arguments).start()
    }

    pub(crate) fn new(launch: Launch, place: Place, process: Ended) -> Self {
        Self { launch, process, place }
    }

    /// The address, as `redis://127.0.0.1:port/0`, with the password that [`Launch`] was given; that
    /// of the TLS port when there is no other.
    pub fn url(&self) -> String {
        let scheme = if self.launch.is_tls_only() { "rediss" } else { "redis" };
        format!("{scheme}://{}127.0.0.1:{}/0", self.launch.credentials(), self.place.port)
    }

    /// The address of the TLS port, as `rediss://127.0.0.1:port/0`.
    pub fn tls_url(&self) -> Option<String> {
        let port = self.place.tls_port?;
        Some(format!("rediss://{}127.0.0.1:{port}/0", self.launch.credentials()))
    }

    /// The address of the Unix socket, as `redis+unix:///path`.
    pub fn unix_url(&self) -> Option<String> {
        let socket = self.unix_socket()?;
        let secret = self.password().map(|password| format!("?pass={password}"));
        Some(format!("redis+unix://{}{}", socket.display(), secret.unwrap_or_default()))
    }

    /// The Unix socket.
    pub fn unix_socket(&self) -> Option<PathBuf> {
        self.launch.socket_in(self.folder())
    }

    /// An address that needs no TLS, whatever the server offers to others.
    pub fn plain_url(&self) -> String {
        match self.unix_url() {
            Some(url) if self.launch.is_tls_only() => url,
            _ => self.url(),
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// The password of the default user that [`Launch`] was given.
    pub fn password(&self) -> Option<&str> {
        self.launch.demanded_password()
    }

    /// The port on 127.0.0.1 that speaks TLS.
    pub fn tls_port(&self) -> Option<u16> {
        self.place.tls_port
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// The program that runs.
    pub fn program(&self) -> &PathBuf {
        &self.place.program
    }

    /// The folder that the server writes to.
    pub fn folder(&self) -> &Path {
        self.place.folder.path()
    }

    /// Ends the process as a crash would, without a word to anybody.
    ///
    /// # Errors
    /// The system's reason.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.0.kill()?;
        self.process.0.wait().map(drop)
    }

    /// Ends the process if it runs, and starts it again on the same ports with the same arguments and
    /// whatever stands in its folder. Without [`Launch::persistent`] that is nothing but, for a
    /// cluster's node, the cluster.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.end()?;
        self.process = self.launch.attempt(&self.place)?;
        Ok(())
    }

    /// Like [`Server::restart`], with its folder emptied before.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart_empty(&mut self) -> Result<(), StartError> {
        self.end()?;
        self.clear().map_err(|source| self.failed(source))?;
        self.process = self.launch.attempt(&self.place)?;
        Ok(())
    }

    /// Adds arguments that the next restart uses, such as `["--loading-process-events-interval-bytes",
    /// "1024"]`.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        self.launch = self.launch.clone().arguments(arguments);
    }

    fn end(&mut self) -> Result<(), StartError> {
        self.kill().map_err(|source| self.failed(source))
    }

    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.folder())? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> StartError {
        StartError::Start { program: self.place.program.clone(), source }
    }
}
