//! One connection to one server. It is used until it breaks or stalls, and never again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisResult, Value, cmd};
use tokio::task::AbortHandle;

use super::stream::{Both, Progress, Watched};
use super::trouble::Trouble;

/// A connection that all requests to a server share.
#[derive(Clone)]
pub(super) struct Wire {
    connection: MultiplexedConnection,
    shared: Arc<Shared>,
}

struct Shared {
    node: Arc<str>,
    timeout: Duration,
    progress: Arc<Progress>,
    broken: AtomicBool,
    /// Whether it broke because nothing moved: all that wait for a reply are told so.
    stalled: AtomicBool,
    /// Moves bytes until it is ended.
    driver: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.abort();
    }
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
        let (node, broken, stalled) =
            (Arc::clone(node), AtomicBool::new(false), AtomicBool::new(false));
        let shared = Arc::new(Shared { node, timeout, progress, broken, stalled, driver });
        Ok(Self { connection, shared })
    }

    /// Whether it is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Ends it: whoever waits for a reply gets none, and nothing more is sent.
    pub(super) fn cut(&self) {
        self.shared.broken.store(true, Ordering::Relaxed);
        self.shared.driver.abort();
    }

    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        let mut connection = self.connection.clone();
        let reply = self.unless_stalled(connection.send_packed_command(command)).await?;
        reply.extract_error().map_err(|error| Trouble::of(&self.shared.node, error))
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
            self.unless_stalled(connection.send_packed_commands(&pipeline, 0, count)).await?;
        let own = replies.into_iter().skip(each - 1).step_by(each);
        let own = own.map(|reply| {
            reply.extract_error().map_err(|error| Trouble::of(&self.shared.node, error))
        });
        Ok(own.collect())
    }

    async fn unless_stalled<T>(
        &self,
        reply: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Trouble> {
        let shared = &self.shared;
        let reply = tokio::select! {
            reply = reply => reply.map_err(|error| match shared.stalled.load(Ordering::Relaxed) {
                true => Trouble::stalled(&shared.node, shared.timeout),
                false => Trouble::of(&shared.node, error),
            }),
            () = shared.progress.stalled(shared.timeout) => {
                shared.stalled.store(true, Ordering::Relaxed);
                Err(Trouble::stalled(&shared.node, shared.timeout))
            }
        };
        // What was sent must not arrive after what is sent next, on another connection.
        if reply.as_ref().is_err_and(|trouble| !trouble.was_answered()) {
            self.cut();
        }
        reply
    }
}
