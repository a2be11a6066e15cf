//! Running the command and looking at what it did.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use arrowredis_throwaway::{Launch, Server};
use tempfile::TempDir;

/// A folder that the command runs in, and perhaps a server that it talks to.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) server: Option<Server>,
    /// Where the command looks for a server, if not at `server`.
    pub(crate) url: Option<String>,
}

/// What a run of the command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn with_server() -> Self {
        let server = Server::start().expect("tests need a Redis server");
        Self { server: Some(server), ..Self::without_server() }
    }

    pub(crate) fn without_server() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: None, url: None }
    }

    /// A server that is started as a test wants it.
    pub(crate) fn with(launch: Launch) -> Self {
        let server = launch.start().expect("tests need a Redis server");
        Self { server: Some(server), ..Self::without_server() }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// The same folder and server, reached by another address.
    #[must_use]
    pub(crate) fn at(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The command, set up but not started. Without a server its address is one where none is.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arrowredis"));
        // Port 1 is reserved and nobody listens there.
        let own = || self.server.as_ref().map_or("redis://127.0.0.1:1/0".to_owned(), Server::url);
        let url = self.url.clone().unwrap_or_else(own);
        command.args(arguments).current_dir(self.folder.path()).env("REDIS_URL", url);
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        let arguments: Vec<_> = line.split(' ').collect();
        ran(self.command(&arguments).output().unwrap())
    }

    /// Runs a line that must succeed.
    pub(crate) fn done(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
        ran
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names of all files in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().expect("the command exits by itself"),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The one JSON report on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.text().lines().count(), 1, "{}", self.text());
        serde_json::from_slice(&self.stdout).unwrap()
    }
}
