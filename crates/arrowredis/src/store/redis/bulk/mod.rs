//! A connection for chunks: values are received where they stay and sent from where they lie.
//!
//! The client library opens and greets it (`lent`), and takes care of everything else on connections of
//! its own. Here are only requests for and with values, and their replies: `request` and `reply` say what
//! the bytes are, `driver`, `writer` and `replies` move them. Whom to ask and how often is decided elsewhere.

mod driver;
#[cfg(fuzzing)]
mod heard;
mod lent;
mod replies;
mod reply;
mod request;
mod window;
mod writer;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::redis::RedisError;
use tokio::sync::{mpsc, oneshot};

use super::line::Line;
use super::stream::{Both, Watched};
use super::trouble::Trouble;
use driver::{Asked, checked, drive};

#[cfg(fuzzing)]
pub(crate) use heard::heard;
pub(super) use lent::lend;
pub(super) use reply::Reply;
pub(super) use request::Packed;

/// A connection that requests for and with values share.
#[derive(Clone)]
pub(super) struct Bulk {
    asked: mpsc::UnboundedSender<Asked>,
    line: Arc<Line>,
    /// Why it ended.
    ended: Arc<OnceLock<RedisError>>,
}

impl Bulk {
    /// Takes a connection whose server has been greeted and owes no reply. The way there and back takes
    /// `round_trip`.
    pub(super) fn over(
        node: &Arc<str>,
        stream: Box<dyn Both>,
        round_trip: Duration,
        timeout: Duration,
    ) -> Self {
        let (stream, progress) = Watched::new(stream);
        let (asked, to_ask) = mpsc::unbounded_channel();
        let ended = Arc::new(OnceLock::new());
        let told = Arc::clone(&ended);
        let driver = tokio::spawn(async move {
            if let Err(error) = drive(stream, to_ask, round_trip).await {
                told.get_or_init(|| error);
            }
        });
        let line = Line::new(node, timeout, progress, driver.abort_handle());
        Self { asked, line, ended }
    }

    /// Whether it is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        self.line.is_broken()
    }

    /// Ends it: whoever waits for a reply gets none, and nothing more is sent.
    pub(super) fn cut(&self) {
        self.line.cut();
    }

    /// Asks; with `asking`, as what was sent on by another node of a cluster.
    pub(super) async fn ask(&self, request: Packed, asking: bool) -> Result<Reply, Trouble> {
        let (to, reply) = oneshot::channel();
        let request = if asking { request.asking() } else { request };
        let asked = Asked { request, before: usize::from(asking), to };
        let reply = async {
            // It can only fail once the driver has ended, and so does the reply.
            let _ = self.asked.send(asked);
            reply.await.map_err(|_| self.why_ended())
        };
        let answer = self.line.unless_stalled(reply).await?;
        if matches!(answer.reply, Reply::Unsent(_)) {
            // A part of it was sent, so that nothing can be sent after it.
            self.cut();
        }
        checked(answer.reply).map_err(|error| self.line.trouble(error))
    }

    fn why_ended(&self) -> RedisError {
        let gone = || io::Error::from(io::ErrorKind::ConnectionAborted).into();
        self.ended.get().cloned().unwrap_or_else(gone)
    }
}
