//! How values are asked for: of whom, and what the replies must be.
//!
//! They are requests of their own that travel together. The server would build the reply to one request for
//! all before it sends any of it.

use ::redis::Value;

use super::bulk::{Packed, Reply};
use super::options::ReadFrom;
use super::patience::Patience;
use super::request::{BulkRequest, Unanswered, Whom, answers};
use super::{RedisStore, StoreError};

/// A request for the value of a key.
type Get = fn(&str) -> Packed;

impl RedisStore {
    /// What those answer that have the keys.
    pub(super) async fn ask_primaries(
        &self,
        keys: &[String],
        get: Get,
    ) -> Result<Vec<Reply>, StoreError> {
        let mut patience = Patience::new(&self.0.options);
        match self.ask_for_values(keys, get, Whom::Primary, &mut patience).await {
            Ok(replies) => Ok(replies),
            Err(Unanswered { index, trouble }) => {
                Err(self.failed("GET", &keys[index], trouble, &patience).await)
            }
        }
    }

    /// What those answer that have copies, if they may be asked and answer.
    pub(super) async fn ask_anywhere(
        &self,
        keys: &[String],
        get: Get,
    ) -> Result<Vec<Reply>, StoreError> {
        if self.0.options.read_from == ReadFrom::Primary || self.0.replicas_rest() {
            return self.ask_primaries(keys, get).await;
        }
        let mut once = Patience::with_retries(&self.0.options, 0);
        match self.ask_for_values(keys, get, Whom::Replica, &mut once).await {
            Ok(replies) => Ok(replies),
            Err(Unanswered { trouble, .. }) => {
                tracing::debug!(%trouble, "a replica does not answer, so primaries are asked");
                self.0.let_replicas_rest();
                self.ask_primaries(keys, get).await
            }
        }
    }

    async fn ask_for_values(
        &self,
        keys: &[String],
        get: Get,
        whom: Whom,
        patience: &mut Patience,
    ) -> Result<Vec<Reply>, Unanswered> {
        let request = |key: &String| BulkRequest { key: key.clone(), packed: get(key) };
        let requests: Vec<_> = keys.iter().map(request).collect();
        answers(&self.0.network, &requests, whom, patience, &self.0.notes).await
    }

    /// What was answered, as what `value` takes it for; `None` where there is nothing.
    pub(super) fn values<T>(
        &self,
        keys: &[String],
        replies: Vec<Reply>,
        value: impl Fn(Reply) -> Result<T, Reply>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        let each = |(key, reply): (&String, Reply)| match reply {
            Reply::Other(Value::Nil) => Ok(None),
            reply => {
                value(reply).map(Some).map_err(|other| self.unexpected_reply("GET", key, other))
            }
        };
        keys.iter().zip(replies).map(each).collect()
    }
}
