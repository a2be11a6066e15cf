//! A slot on its way from one master to another, step by step, so that a test can look in between.
//! Who owns what is asked of `cluster`.

use crate::cluster::Cluster;
use crate::control::Control;
use crate::error::WorldError;

/// How long one `MIGRATE` may take, in milliseconds.
const MIGRATE_TIMEOUT: &str = "10000";

/// A slot on its way. While it is open, its old owner answers `ASK` for keys that it has not, and
/// `TRYAGAIN` for several keys of which some have moved. Dropping it leaves the slot open.
#[derive(Debug)]
pub struct Migration<'cluster> {
    cluster: &'cluster Cluster,
    slot: String,
    from: usize,
    to: usize,
}

impl<'cluster> Migration<'cluster> {
    pub(crate) fn begin(
        cluster: &'cluster Cluster,
        slot: u16,
        from: usize,
        to: usize,
    ) -> Result<Self, WorldError> {
        let migration = Self { cluster, slot: slot.to_string(), from, to };
        migration.set_slot(to, "IMPORTING", cluster.id(from))?;
        migration.set_slot(from, "MIGRATING", cluster.id(to))?;
        Ok(migration)
    }

    /// Moves so many keys at most, and returns how many it moved. With 0 the old owner has no more.
    ///
    /// # Errors
    /// [`WorldError::Command`] when the old owner refuses.
    pub fn move_keys(&self, at_most: usize) -> Result<usize, WorldError> {
        let source = self.cluster.server(self.from);
        let count = at_most.to_string();
        let keys: Vec<String> =
            source.command(&["CLUSTER", "GETKEYSINSLOT", &self.slot, &count])?;
        if keys.is_empty() {
            return Ok(0);
        }
        let target = self.cluster.server(self.to);
        // Servers that speak TLS to each other migrate by it.
        let port = target.tls_port().unwrap_or(target.port()).to_string();
        let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", MIGRATE_TIMEOUT];
        if let Some(password) = target.password() {
            command.extend(["AUTH", password]);
        }
        command.push("KEYS");
        command.extend(keys.iter().map(String::as_str));
        source.command::<()>(&command)?;
        Ok(keys.len())
    }

    /// Gives the slot to its new owner and waits until all nodes know. All keys must have moved.
    ///
    /// # Errors
    /// [`WorldError`] when a node refuses, as the old owner does while it has keys.
    pub fn finish(self) -> Result<(), WorldError> {
        // The new owner first, so that there always is one.
        let mut nodes = vec![self.to, self.from];
        nodes.extend(self.cluster.masters());
        for node in nodes {
            self.set_slot(node, "NODE", self.cluster.id(self.to))?;
        }
        self.cluster.settled()
    }

    /// Leaves the slot with its old owner, as one who gives up would. Keys that have moved are out of
    /// reach until the slot moves after them.
    ///
    /// # Errors
    /// [`WorldError::Command`] when a node refuses.
    pub fn give_up(self) -> Result<(), WorldError> {
        for node in [self.from, self.to] {
            let command = ["CLUSTER", "SETSLOT", self.slot.as_str(), "STABLE"];
            self.cluster.server(node).command::<()>(&command)?;
        }
        Ok(())
    }

    fn set_slot(&self, node: usize, how: &str, other: &str) -> Result<(), WorldError> {
        self.cluster.server(node).command(&["CLUSTER", "SETSLOT", &self.slot, how, other])
    }
}
