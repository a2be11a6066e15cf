//! How a value is stored that may be too long: what the server takes is asked before, and a connection that
//! it ends is not sent the same for ever.
//!
//! What a value's bytes are says `bulk`.

use ::redis::{Value, cmd};
use futures::future::join;

use super::bulk::{Packed, Reply};
use super::limits::{self, Limit};
use super::patience::Patience;
use super::request::{BulkRequest, Unanswered, Whom, answers};
use super::{RedisStore, StoreError};

/// How often a value is sent whose limits the server does not tell, if that ends the connection each time.
const MOST_CUTS: u32 = 2;

/// From what length on a value may be too long for some server.
const LARGE: u64 = 1 << 20;

/// From what length on a value may be more than a server keeps for its clients, whatever its other limits
/// are: 64 MiB.
const HUGE: u64 = 64 << 20;

impl RedisStore {
    /// The longest value that the server takes, asked for once: whoever needs it meanwhile waits.
    async fn limit(&self) -> Limit {
        // Boxed: every value that is on its way would hold room for a question that is asked once.
        let known = self.0.limit.get_or_try_init(|| Box::pin(self.ask_for_limit())).await;
        // The next request need not put up with that nobody answered.
        known.copied().unwrap_or_else(|error| {
            tracing::debug!(%error, "the longest value is not known yet");
            Limit::DEFAULT
        })
    }

    async fn ask_for_limit(&self) -> Result<Limit, StoreError> {
        let setting = |name| {
            let mut command = cmd("CONFIG");
            command.arg("GET").arg(name);
            self.ask("CONFIG GET", "", command)
        };
        // Two questions: Redis 6 takes a single name.
        match join(setting(limits::SETTINGS[0]), setting(limits::SETTINGS[1])).await {
            (Ok(value), Ok(query)) => Ok(Limit::read(&[value, query])),
            (Err(error), _) | (_, Err(error)) if !error.was_refused() => Err(error),
            // Hosted servers may keep that to themselves.
            _ => Ok(Limit::DEFAULT),
        }
    }

    /// Compares a value's length with what the server takes, which it would not say otherwise: it
    /// ends the connection.
    pub(super) async fn check_length(&self, key: &str, len: u64) -> Result<Limit, StoreError> {
        // No server can be told to take less than that.
        let limit = if len >= LARGE { self.limit().await } else { Limit::DEFAULT };
        if len <= limit.bytes {
            return Ok(limit);
        }
        let (max, setting, address) = (limit.bytes, limit.setting, self.0.address.clone());
        Err(StoreError::TooLarge { key: key.to_owned(), len, max, setting, address })
    }

    /// Stores a value of so many bytes.
    pub(super) async fn store(
        &self,
        key: &str,
        len: u64,
        packed: Packed,
    ) -> Result<Reply, StoreError> {
        match self.store_within_limits(key, len, packed).await {
            Err(StoreError::Command { trouble, tried, address, .. })
                if trouble.was_cut_for_what_was_sent()
                    && may_be_cut_off(len, self.limit().await) =>
            {
                let (key, times) = (key.to_owned(), tried.attempts);
                Err(StoreError::CutWhileSending { key, len, times, address, trouble })
            }
            stored => stored,
        }
    }

    async fn store_within_limits(
        &self,
        key: &str,
        len: u64,
        packed: Packed,
    ) -> Result<Reply, StoreError> {
        let limit = self.check_length(key, len).await?;
        let mut patience = Patience::new(&self.0.options);
        if may_be_cut_off(len, limit) {
            patience = patience.with_most_cuts(MOST_CUTS);
        }
        let request = [BulkRequest { key: key.to_owned(), packed }];
        let (network, notes) = (&self.0.network, &self.0.notes);
        match answers(network, &request, Whom::Primary, &mut patience, notes).await {
            Ok(mut replies) => Ok(replies.pop().unwrap_or(Reply::Other(Value::Nil))),
            Err(Unanswered { trouble, .. }) => {
                Err(self.failed("SET", key, trouble, &patience).await)
            }
        }
    }
}

/// Whether a server may end the connection because of a value of this length.
fn may_be_cut_off(len: u64, limit: Limit) -> bool {
    len >= HUGE || (len >= LARGE && !limit.is_known)
}
