//! A hand on one server: commands, and signals to its process. Starting and ending it is the
//! server's own matter.

use std::time::Duration;

use arrowredis_throwaway::Server;
use redis::FromRedisValue;
use rustix::process::{Pid, Signal, kill_process};

use crate::error::WorldError;
use crate::patience::until;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a command may take. `MIGRATE` and `DEBUG` take the longest of those that worlds use.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// What a test does to a server besides storing data in it.
pub trait Control {
    /// Runs a command on a connection of its own, without TLS, as the default user.
    ///
    /// # Errors
    /// [`WorldError::Command`] when it is refused or not answered.
    fn command<T: FromRedisValue>(&self, arguments: &[&str]) -> Result<T, WorldError>;

    /// Stops the process where it is: it keeps its connections and answers nothing.
    ///
    /// # Errors
    /// [`WorldError::Process`] when there is none.
    fn freeze(&self) -> Result<(), WorldError>;

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// As [`Control::freeze`].
    fn thaw(&self) -> Result<(), WorldError>;

    /// A field of `INFO`, such as `run_id` or `master_link_status`.
    ///
    /// # Errors
    /// As [`Control::command`].
    fn info(&self, field: &str) -> Result<Option<String>, WorldError> {
        let all: String = self.command(&["INFO"])?;
        Ok(find_field(&all, field))
    }

    /// Waits until this replica has everything of its master.
    ///
    /// # Errors
    /// [`WorldError::NotInTime`].
    fn in_sync(&self) -> Result<(), WorldError> {
        until("a replica's link to its master", || {
            Ok((self.info("master_link_status")?.as_deref() == Some("up")).then_some(()))
        })
    }
}

/// The value of a line `field:value`.
pub(crate) fn find_field(text: &str, field: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
}

impl Control for Server {
    fn command<T: FromRedisValue>(&self, arguments: &[&str]) -> Result<T, WorldError> {
        let answer = || {
            let client = redis::Client::open(self.plain_url())?;
            let mut connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
            connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            let mut command = redis::Cmd::new();
            arguments.iter().for_each(|argument| {
                command.arg(*argument);
            });
            command.query(&mut connection)
        };
        answer().map_err(|source| WorldError::Command {
            port: self.port(),
            command: arguments.join(" "),
            source,
        })
    }

    fn freeze(&self) -> Result<(), WorldError> {
        signal(self, Signal::STOP)
    }

    fn thaw(&self) -> Result<(), WorldError> {
        signal(self, Signal::CONT)
    }
}

fn signal(server: &Server, signal: Signal) -> Result<(), WorldError> {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    let sent = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| kill_process(pid, signal));
    sent.map_err(|errno| WorldError::Process { port: server.port(), source: errno.into() })
}
