//! A Redis Cluster: formed, asked who is who, and made to fail over. Moving slots is `migration`'s
//! matter.

use std::collections::BTreeSet;

use arrowredis_throwaway::{Launch, Server};

use crate::control::{Control, find_field};
use crate::error::WorldError;
use crate::migration::Migration;
use crate::patience::until;
use crate::view::{Seen, parse};

/// Slots of every cluster.
const SLOTS: usize = 16_384;

/// After this many milliseconds of silence a node counts as gone. Less, and a machine under load
/// fails over by itself; more, and tests of a failover wait for longer.
const NODE_TIMEOUT: &str = "2000";

/// What every node is started with.
const ARGUMENTS: [&str; 12] = [
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    NODE_TIMEOUT,
    // A replica stays with its master, so that tests know who follows whom.
    "--cluster-allow-replica-migration",
    "no",
    // A replica that has been cut off may still be promoted, whatever the machine's load was.
    "--cluster-replica-validity-factor",
    "0",
    "--repl-diskless-sync-delay",
    "0",
    "--repl-ping-replica-period",
    "1",
];

/// A cluster. Its nodes are known by their numbers: masters first, as they were at the start, then
/// the replicas of the first master, of the second and so on.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    server: Server,
    id: String,
    running: bool,
}

impl Cluster {
    /// Starts and forms a cluster, and waits until every node says that it is whole and every
    /// replica has its master's data.
    ///
    /// # Errors
    /// [`WorldError`] when a node does not start or they do not come together.
    pub fn start(masters: usize, replicas_per_master: usize) -> Result<Self, WorldError> {
        Self::start_as(masters, replicas_per_master, &Launch::new())
    }

    /// Like [`Cluster::start`], with every node started as `launch` says: with a password, TLS (also
    /// between the nodes) or further arguments.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_as(
        masters: usize,
        replicas_per_master: usize,
        launch: &Launch,
    ) -> Result<Self, WorldError> {
        let mut nodes = Vec::new();
        for _ in 0..masters * (1 + replicas_per_master) {
            let mut node = launch.clone().arguments(&ARGUMENTS);
            if launch.speaks_tls() {
                node = node.arguments(&["--tls-cluster", "yes", "--tls-replication", "yes"]);
            }
            let server = node.start()?;
            let id = server.command(&["CLUSTER", "MYID"])?;
            nodes.push(Node { server, id, running: true });
        }
        let cluster = Self { nodes };
        cluster.introduce()?;
        cluster.give_slots(masters)?;
        for replica in masters..cluster.nodes.len() {
            let master = (replica - masters) / replicas_per_master;
            let id = cluster.nodes[master].id.clone();
            // Refused until the replica has heard of its master's part.
            until("a replica that takes its master", || {
                cluster.server(replica).command::<()>(&["CLUSTER", "REPLICATE", &id]).map(Some)
            })?;
        }
        cluster.settled()?;
        Ok(cluster)
    }

    fn introduce(&self) -> Result<(), WorldError> {
        for (number, node) in self.nodes.iter().enumerate() {
            // Two nodes with one epoch would first have to find out who gives way.
            let epoch = (number + 1).to_string();
            node.server.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
        }
        for node in &self.nodes[1..] {
            // Nodes that speak TLS to each other are known by their TLS ports.
            let port = node.server.tls_port().unwrap_or(node.server.port()).to_string();
            self.server(0).command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port])?;
        }
        let all: BTreeSet<_> = self.nodes.iter().map(|node| node.id.clone()).collect();
        until("nodes that know each other", || {
            for node in 0..self.nodes.len() {
                let seen = self.view(node)?;
                let known = seen.iter().filter(|seen| !seen.is("handshake") && seen.connected);
                if known.map(|seen| seen.id.clone()).collect::<BTreeSet<_>>() != all {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    fn give_slots(&self, masters: usize) -> Result<(), WorldError> {
        for master in 0..masters {
            let first = (SLOTS * master / masters).to_string();
            let last = (SLOTS * (master + 1) / masters - 1).to_string();
            self.server(master).command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
        }
        Ok(())
    }

    /// How many nodes there are, whether they run or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has no node, which it never has.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The server of a node.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn server(&self, node: usize) -> &Server {
        &self.nodes[node].server
    }

    /// A node's address.
    pub fn url(&self, node: usize) -> String {
        self.server(node).url()
    }

    /// The addresses of all nodes, whether they run or not.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.server.url()).collect()
    }

    /// The numbers of the nodes that run.
    pub fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].running).collect()
    }

    /// The slot of a key.
    ///
    /// # Errors
    /// [`WorldError`] when no node answers.
    pub fn slot_of(&self, key: &str) -> Result<u16, WorldError> {
        self.any()?.command(&["CLUSTER", "KEYSLOT", key])
    }

    /// The node that says that it owns a slot; of several, the one that was chosen last.
    ///
    /// # Errors
    /// [`WorldError::NoNode`] when none does.
    pub fn master_of_slot(&self, slot: u16) -> Result<usize, WorldError> {
        let owners = self.running().into_iter().filter_map(|node| {
            let own = self.myself(node).ok()?;
            (own.is("master") && own.owns(slot)).then_some((own.epoch, node))
        });
        let newest = owners.max().map(|(_, node)| node);
        newest.ok_or_else(|| WorldError::NoNode { what: format!("the master of slot {slot}") })
    }

    /// The node that owns a key's slot.
    ///
    /// # Errors
    /// As [`Cluster::master_of_slot`].
    pub fn master_of(&self, key: &str) -> Result<usize, WorldError> {
        self.master_of_slot(self.slot_of(key)?)
    }

    /// The nodes that run and say that they follow this master.
    pub fn replicas_of(&self, master: usize) -> Vec<usize> {
        let id = &self.nodes[master].id;
        let follows =
            |node: &usize| self.myself(*node).is_ok_and(|own| own.master.as_ref() == Some(id));
        self.running().into_iter().filter(follows).collect()
    }

    /// The nodes that run and say that they are masters with slots.
    pub fn masters(&self) -> Vec<usize> {
        let rules = |node: &usize| {
            self.myself(*node).is_ok_and(|own| own.is("master") && !own.slots.is_empty())
        };
        self.running().into_iter().filter(rules).collect()
    }

    /// Ends a node as a crash would.
    ///
    /// # Errors
    /// [`WorldError::Process`].
    pub fn kill(&mut self, node: usize) -> Result<(), WorldError> {
        let node = &mut self.nodes[node];
        node.running = false;
        let port = node.server.port();
        node.server.kill().map_err(|source| WorldError::Process { port, source })
    }

    /// Starts a node again on its ports, with what it knew of the cluster, and without data unless
    /// the cluster is persistent. It may come back as a replica.
    ///
    /// # Errors
    /// [`WorldError::Start`].
    pub fn restart(&mut self, node: usize) -> Result<(), WorldError> {
        self.nodes[node].server.restart()?;
        self.nodes[node].running = true;
        Ok(())
    }

    /// Lets a node tell clients and other nodes that it is found on another port, such as one of a
    /// proxy in front of it, and waits until all nodes say so. Not for clusters that speak TLS.
    ///
    /// # Errors
    /// [`WorldError`] when the node refuses or the others do not hear of it.
    pub fn announce(&mut self, node: usize, port: u16) -> Result<(), WorldError> {
        let text = port.to_string();
        let server = &mut self.nodes[node].server;
        server.command::<()>(&["CONFIG", "SET", "cluster-announce-port", &text])?;
        server.add_arguments(&["--cluster-announce-port", &text]);
        let id = &self.nodes[node].id;
        until("an announced port that all nodes know", || {
            Ok(self.all_see(|seen| seen.id != *id || seen.port == port)?.then_some(()))
        })
    }

    /// Lets a replica take over from a master that lives, as an operator would, and waits until all
    /// nodes know. The replica is returned.
    ///
    /// # Errors
    /// [`WorldError::NoNode`] when the master has no replica.
    pub fn failover(&self, master: usize) -> Result<usize, WorldError> {
        let heir =
            self.replicas_of(master).first().copied().ok_or_else(|| WorldError::NoNode {
                what: format!("a replica of node {master}"),
            })?;
        let id = &self.nodes[heir].id;
        until("a failover", || {
            let own = self.myself(heir)?;
            if own.is("master") && self.all_see(|seen| seen.id != *id || seen.is("master"))? {
                return Ok(Some(()));
            }
            if own.is("slave") {
                // A failover times out when its master is slow, and may be asked for again.
                let _ = self.server(heir).command::<()>(&["CLUSTER", "FAILOVER"]);
            }
            Ok(None)
        })?;
        self.settled()?;
        Ok(heir)
    }

    /// Kills a master, waits until one of its replicas took over, and returns that. Most masters must
    /// be left to vote, so that a cluster needs three for it.
    ///
    /// # Errors
    /// As [`Cluster::failover`].
    pub fn lose(&mut self, master: usize) -> Result<usize, WorldError> {
        let heirs = self.replicas_of(master);
        self.kill(master)?;
        let heir = until("a replica that takes over", || {
            let promoted = |heir: &&usize| {
                self.myself(**heir).is_ok_and(|own| own.is("master") && !own.slots.is_empty())
            };
            Ok(heirs.iter().find(promoted).copied())
        })?;
        self.settled()?;
        Ok(heir)
    }

    /// Waits until every running node says that the cluster is whole, knows every running node's
    /// part, and every replica of a running master has its data.
    ///
    /// # Errors
    /// [`WorldError::NotInTime`].
    pub fn settled(&self) -> Result<(), WorldError> {
        until("a cluster that is whole", || {
            let parts = self.running().into_iter().map(|node| self.myself(node));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            for node in self.running() {
                let info: String = self.server(node).command(&["CLUSTER", "INFO"])?;
                let is =
                    |field: &str, value: &str| find_field(&info, field).as_deref() == Some(value);
                if !is("cluster_state", "ok") || !is("cluster_slots_ok", "16384") {
                    return Ok(None);
                }
                let link = self.server(node).info("master_link_status")?;
                if link.is_some_and(|link| link != "up") {
                    return Ok(None);
                }
            }
            let agreed = self.all_see(|seen| {
                let own = parts.iter().find(|own| own.id == seen.id);
                own.is_none_or(|own| {
                    let same = own.master == seen.master && own.slots == seen.slots;
                    same && seen.connected && !seen.is("fail") && !seen.is("fail?")
                })
            })?;
            Ok(agreed.then_some(()))
        })
    }

    /// Begins to move a slot to another master.
    ///
    /// # Errors
    /// As [`Cluster::master_of_slot`].
    pub fn migration(&self, slot: u16, to: usize) -> Result<Migration<'_>, WorldError> {
        Migration::begin(self, slot, self.master_of_slot(slot)?, to)
    }

    /// Moves a slot with all its keys to another master.
    ///
    /// # Errors
    /// [`WorldError`] when a node refuses a step.
    pub fn migrate_slot(&self, slot: u16, to: usize) -> Result<(), WorldError> {
        let migration = self.migration(slot, to)?;
        while migration.move_keys(100)? > 0 {}
        migration.finish()
    }

    pub(crate) fn id(&self, node: usize) -> &str {
        &self.nodes[node].id
    }

    fn any(&self) -> Result<&Server, WorldError> {
        let first = self.nodes.iter().find(|node| node.running).map(|node| &node.server);
        first.ok_or_else(|| WorldError::NoNode { what: "running".to_owned() })
    }

    fn view(&self, node: usize) -> Result<Vec<Seen>, WorldError> {
        let text: String = self.server(node).command(&["CLUSTER", "NODES"])?;
        Ok(parse(&text))
    }

    /// What a node says about itself.
    fn myself(&self, node: usize) -> Result<Seen, WorldError> {
        let own = self.view(node)?.into_iter().find(|seen| seen.is("myself"));
        own.ok_or_else(|| WorldError::NoNode { what: format!("known to node {node} as itself") })
    }

    fn all_see(&self, holds: impl Fn(&Seen) -> bool) -> Result<bool, WorldError> {
        for node in self.running() {
            if !self.view(node)?.iter().all(&holds) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
