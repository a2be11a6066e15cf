//! One connection to one server. It is used until it breaks or stalls, and never again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value, cmd};

use super::line::Line;
use super::stream::{Both, Watched};
use super::trouble::Trouble;

/// A connection that all requests to a server share, but for those that carry chunks.
#[derive(Clone)]
pub(super) struct Wire {
    connection: MultiplexedConnection,
    line: Arc<Line>,
}

impl Wire {
    /// Greets the server: protocol, user and password, database.
    pub(super) async fn greet(
        node: &Arc<str>,
        stream: Box<dyn Both>,
        login: &RedisConnectionInfo,
        timeout: Duration,
    ) -> Result<Self, Trouble> {
        let (stream, progress) = Watched::new(stream);
        // How long a reply may take is decided by whether bytes move.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let greeted = MultiplexedConnection::new_with_config(login, stream, config).await;
        let (connection, driver) = greeted.map_err(|error| Trouble::greeting(node, error))?;
        let driver = tokio::spawn(driver).abort_handle();
        Ok(Self { connection, line: Line::new(node, timeout, progress, driver) })
    }

    /// Whether it is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        self.line.is_broken()
    }

    /// Ends it: whoever waits for a reply gets none, and nothing more is sent.
    pub(super) fn cut(&self) {
        self.line.cut();
    }

    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        let mut connection = self.connection.clone();
        let reply = self.line.unless_stalled(connection.send_packed_command(command)).await?;
        reply.extract_error().map_err(|error| self.line.trouble(error))
    }

    /// How long the server takes to answer, and the way there and back. The connection is not what is
    /// timed: it may end at a proxy.
    pub(super) async fn round_trip(&self) -> Result<Duration, Trouble> {
        let asked = Instant::now();
        // What every user may ask who reads or writes datasets.
        match self.ask(&cmd("TIME")).await {
            // To be refused takes as long.
            Err(trouble) if !trouble.was_answered() => Err(trouble),
            Ok(_) | Err(_) => Ok(asked.elapsed()),
        }
    }

    /// Sends commands together and gives each its reply. With `asking`, each says before that it was
    /// sent on by another server.
    pub(super) async fn ask_all(
        &self,
        commands: &[&Cmd],
        asking: bool,
    ) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        let each = 1 + usize::from(asking);
        let mut pipeline = Pipeline::with_capacity(commands.len() * each);
        pipeline.ignore_errors();
        for command in commands {
            if asking {
                pipeline.add_command(cmd("ASKING"));
            }
            pipeline.add_command((*command).clone());
        }
        let mut connection = self.connection.clone();
        let count = commands.len() * each;
        let replies =
            self.line.unless_stalled(connection.send_packed_commands(&pipeline, 0, count)).await?;
        let own = replies.into_iter().skip(each - 1).step_by(each);
        let own = own.map(|reply| reply.extract_error().map_err(|error| self.line.trouble(error)));
        Ok(own.collect())
    }
}
