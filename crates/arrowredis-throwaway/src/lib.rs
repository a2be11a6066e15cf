//! A Redis or Valkey server for one test or one demonstration.
//!
//! It is a real server from PATH, started on a free loopback port in a folder of its own, without
//! persistence, and ended when its handle is dropped. A server that is already running is never
//! touched. What is stored in it is nobody's matter here.

use std::collections::VecDeque;
use std::env;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// The programs that are looked for on PATH, in this order.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Names the program to start instead of the ones on PATH.
pub const PROGRAM_VARIABLE: &str = "ARROWREDIS_SERVER";

/// What the server logs once it listens.
const READY: &str = "Ready to accept connections";

/// How long a server may take to listen. It takes some 10 ms; a machine under load takes longer.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How often another port is tried when somebody else takes the free one first.
const PORT_ATTEMPTS: usize = 5;

/// Lines of a failed server's log that are shown.
const LOG_LINES: usize = 5;

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

/// A running server. Dropping it ends the process and removes its folder.
#[derive(Debug)]
pub struct Server {
    process: Child,
    program: PathBuf,
    port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// [`StartError`] when none is installed or it does not come up.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&[])
    }

    /// Like [`Server::start`], with further arguments, such as `["--maxmemory", "10mb"]`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(arguments: &[&str]) -> Result<Self, StartError> {
        let program = find_program().ok_or(StartError::NotInstalled)?;
        let mut failure = StartError::NotInstalled;
        for _ in 0..PORT_ATTEMPTS {
            match Self::attempt(&program, arguments) {
                Ok(server) => return Ok(server),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn attempt(program: &PathBuf, arguments: &[&str]) -> Result<Self, StartError> {
        let failed = |source| StartError::Start { program: program.clone(), source };
        let folder = tempfile::Builder::new().prefix("arrowredis-").tempdir().map_err(failed)?;
        let port = free_port().map_err(failed)?;
        let mut process = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", ""])
            .arg("--dir")
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let stdout = process.stdout.take();
        let server = Self { process, program: program.clone(), port, _folder: folder };
        // From here on dropping `server` ends the process.
        match stdout.map(wait_until_ready) {
            Some(Ok(())) => Ok(server),
            Some(Err(log)) => Err(StartError::NotReady { program: program.clone(), log }),
            None => Err(failed(io::Error::other("it has no output"))),
        }
    }

    /// The address, as `redis://127.0.0.1:port/0`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The program that runs.
    pub fn program(&self) -> &PathBuf {
        &self.program
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do about either failure.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn find_program() -> Option<PathBuf> {
    if let Some(named) = env::var_os(PROGRAM_VARIABLE).filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    PROGRAMS.iter().find_map(|program| {
        env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
    })
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits for the line that says so in the server's own log: an answer on the port could come from
/// another server that took it first. The error is the end of the log.
fn wait_until_ready(stdout: ChildStdout) -> Result<(), String> {
    let (sender, lines) = mpsc::channel();
    // Reads on until the server ends, since a full pipe would stop it.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut last = VecDeque::with_capacity(LOG_LINES);
    loop {
        match lines.recv_timeout(START_TIMEOUT) {
            Ok(line) if line.contains(READY) => return Ok(()),
            Ok(line) => {
                if last.len() == LOG_LINES {
                    last.pop_front();
                }
                last.push_back(line);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Vec::from(last).join(" | "));
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!(
                    "nothing in {START_TIMEOUT:?} after: {}",
                    Vec::from(last).join(" | ")
                ));
            }
        }
    }
}
