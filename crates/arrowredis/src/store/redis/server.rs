//! Which program a server is, as it says itself.

use ::redis::cmd;
use serde::Serialize;

use super::{RedisStore, info};
use crate::store::StoreError;

/// A server's program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    /// What it is called: `redis`, `valkey`, or what another one calls itself.
    pub name: String,
    /// Its version, such as `7.0.15`.
    pub version: String,
}

impl Server {
    /// Reads what `INFO server` answers. Valkey gives its own version beside that of the Redis whose
    /// commands it knows.
    fn read(info: &str) -> Option<Self> {
        let name = info::value(info, "server_name").unwrap_or("redis").to_owned();
        let own = info::value(info, &format!("{name}_version"));
        let version = own.or_else(|| info::value(info, "redis_version"))?.to_owned();
        Some(Self { name, version })
    }
}

impl RedisStore {
    /// Asks the server which program it is; in a cluster, one of them. `None` when it does not tell.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    pub async fn server(&self) -> Result<Option<Server>, StoreError> {
        let mut command = cmd("INFO");
        command.arg("server");
        match self.ask("INFO", "", command).await {
            Ok(answer) => Ok(info::text(&answer).and_then(|info| Server::read(&info))),
            // Hosted servers may keep that to themselves.
            Err(StoreError::Denied { .. }) => Ok(None),
            Err(StoreError::Command { trouble, .. }) if trouble.is_refusal() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_and_valkey_are_told_apart() {
        let server =
            |name: &str, version: &str| Server { name: name.into(), version: version.into() };
        let redis = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(Server::read(redis), Some(server("redis", "7.0.15")));
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n";
        assert_eq!(Server::read(valkey), Some(server("valkey", "8.1.0")));
        assert_eq!(Server::read("# Server\r\n"), None);
    }
}
