//! Claims as a server keeps them: by whom, and whether whoever made one is still connected.
//!
//! What a claim is for, and how long it lasts, `publish` decides; the script that makes one is in `script`.

use std::time::Duration;

use ::redis::{Value, cmd};
use futures::future::join;

use super::{RedisStore, info, script};
use crate::store::StoreError;

impl RedisStore {
    /// The text by which this connection claims a key, so that others can see when it is gone: the
    /// server's own number of it, and which process the server is.
    async fn claim_of(&self, key: &str, owner: &str) -> String {
        // A server that does not tell only makes dead writers' claims last until they run out.
        let mut client = cmd("CLIENT");
        client.arg("ID");
        match join(self.ask("CLIENT ID", key, client), self.process(key)).await {
            (Ok(Value::Int(connection)), Some(process)) => {
                format!("connection={connection} server={process} {owner}")
            }
            _ => owner.to_owned(),
        }
    }

    /// Which process has a key.
    async fn process(&self, key: &str) -> Option<String> {
        let mut command = cmd("INFO");
        command.arg("server");
        let info = info::text(&self.ask("INFO", key, command).await.ok()?)?;
        info::value(&info, "run_id").map(str::to_owned)
    }

    /// Whether the connection by which a claim was made is gone. A server may not tell.
    pub(super) async fn is_gone(&self, key: &str, claim: &str) -> bool {
        let word = |name: &str| claim.split(' ').find_map(|word| word.strip_prefix(name));
        let (Some(connection), Some(server)) = (word("connection="), word("server=")) else {
            return false;
        };
        // Another process, after a restart or a failover, numbers its connections anew.
        if self.process(key).await.as_deref() != Some(server) {
            return false;
        }
        let mut command = cmd("CLIENT");
        command.arg("LIST").arg("ID").arg(connection);
        let clients = self.ask("CLIENT LIST", key, command).await;
        clients.is_ok_and(|clients| info::text(&clients).is_some_and(|text| text.is_empty()))
    }

    /// Claims a key; `None` if that worked, or else what whoever has it says.
    pub(super) async fn try_claim(
        &self,
        key: &str,
        owner: &str,
        life: Duration,
        instead_of: &str,
    ) -> Result<Option<String>, StoreError> {
        let claim = self.claim_of(key, owner).await;
        let command = script::claim(key, &claim, owner, life, instead_of);
        match self.ask("EVAL", key, command).await? {
            Value::Nil => Ok(None),
            Value::BulkString(theirs) => Ok(Some(String::from_utf8_lossy(&theirs).into_owned())),
            other => Err(self.unexpected("EVAL", key, &other)),
        }
    }
}
