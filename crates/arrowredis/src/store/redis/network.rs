//! The servers behind a store, and which one to ask: one server, the primary that Sentinels name,
//! or the nodes of a cluster.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::redis::{Value, cmd};

use super::address::Host;
use super::node::{Door, Node, Role, Setup};
use super::shared::Shared;
use super::topology::Topology;
use super::trouble::Trouble;

/// The servers behind a store.
pub(super) struct Network {
    setup: Arc<Setup>,
    kind: Kind,
}

enum Kind {
    Single(Arc<Node>),
    Sentinel { sentinels: Vec<Watcher>, service: String, found: Shared<Arc<Node>> },
    Cluster { seeds: Vec<Host>, nodes: Nodes, found: Shared<Arc<Topology>>, looks: AtomicUsize },
}

/// A Sentinel: asked without user and password, and with those of the server if it wants some.
struct Watcher {
    anonymous: Arc<Node>,
    known: Arc<Node>,
}

/// A view of the network that does not change under whoever plans with it.
pub(super) enum View<'a> {
    One(Arc<Node>),
    Cluster { network: &'a Network, nodes: &'a Nodes, topology: Arc<Topology> },
}

impl Network {
    pub(super) fn single(setup: Arc<Setup>, door: Door) -> Self {
        let kind = Kind::Single(Node::new(&setup, door, Role::Any));
        Self { setup, kind }
    }

    /// `setup` is how to talk to the server, the other two how to talk to a Sentinel: without and with
    /// a password.
    pub(super) fn sentinel(
        setup: Arc<Setup>,
        [anonymous, known]: [&Arc<Setup>; 2],
        hosts: &[Host],
        service: &str,
    ) -> Self {
        let node = |setup, host: &Host| Node::new(setup, Door::Host(host.clone()), Role::Any);
        let watcher = |host| Watcher { anonymous: node(anonymous, host), known: node(known, host) };
        let (sentinels, service) = (hosts.iter().map(watcher).collect(), service.to_owned());
        let kind = Kind::Sentinel { sentinels, service, found: Shared::default() };
        Self { setup, kind }
    }

    pub(super) fn cluster(setup: Arc<Setup>, seeds: Vec<Host>) -> Self {
        let (nodes, found, looks) = (Nodes::default(), Shared::default(), AtomicUsize::new(0));
        let kind = Kind::Cluster { seeds, nodes, found, looks };
        Self { setup, kind }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster { .. })
    }

    /// What is known of it, looked up if nothing is.
    pub(super) async fn view(&self) -> Result<View<'_>, Trouble> {
        match &self.kind {
            Kind::Single(node) => Ok(View::One(Arc::clone(node))),
            Kind::Sentinel { sentinels, service, found } => {
                let node =
                    found.get(|_| true, || find_primary(&self.setup, sentinels, service)).await?;
                Ok(View::One(node))
            }
            Kind::Cluster { nodes, found, .. } => {
                let topology = found.get(|_| true, || self.map()).await?;
                Ok(View::Cluster { network: self, nodes, topology })
            }
        }
    }

    /// Looks up anew where things are, after a trouble that asks for it. What is found is used from
    /// the next view on; if nothing is, the next view looks again.
    pub(super) async fn look_again(&self, because: &Trouble) {
        match &self.kind {
            Kind::Single(node) => {
                if because.was_answered() {
                    // A name or a proxy may lead to another server by now.
                    node.cut();
                }
            }
            Kind::Sentinel { sentinels, service, found } => {
                let looked = found.renew(|| find_primary(&self.setup, sentinels, service)).await;
                report("primary", looked.map(drop));
            }
            Kind::Cluster { nodes, found, .. } => {
                let looked = found.renew(|| self.map()).await;
                if let Ok(topology) = &looked {
                    nodes.keep(topology);
                }
                report("cluster", looked.map(drop));
            }
        }
    }

    /// Looks up anew where things are, whatever happened.
    pub(super) async fn refresh(&self) -> Result<(), Trouble> {
        if let Kind::Cluster { found, .. } = &self.kind {
            found.renew(|| self.map()).await?;
        }
        Ok(())
    }

    /// Whether it is known where to ask, although nobody may answer there just now.
    pub(super) fn is_known(&self) -> bool {
        match &self.kind {
            Kind::Single(_) => false,
            Kind::Sentinel { found, .. } => found.known().is_some(),
            Kind::Cluster { found, .. } => found.known().is_some(),
        }
    }

    /// Which server has which slot, as far as that is known.
    pub(super) fn topology(&self) -> Option<Arc<Topology>> {
        match &self.kind {
            Kind::Cluster { found, .. } => found.known(),
            _ => None,
        }
    }

    /// Asks the nodes that are known, and then the seeds, for the slots. Each time another one is asked
    /// first: one that is cut off from the others tells what was.
    async fn map(&self) -> Result<Arc<Topology>, Trouble> {
        let Kind::Cluster { seeds, nodes, found, looks } = &self.kind else {
            return Err(Trouble::unusable(&"the server".into(), "it is no cluster"));
        };
        let known = found.known();
        let mut hosts: Vec<_> = known.iter().flat_map(|known| known.hosts()).collect();
        let first = looks.fetch_add(1, Ordering::Relaxed) % hosts.len().max(1);
        hosts.rotate_left(first);
        let seeds_too: Vec<_> = seeds.iter().filter(|seed| !hosts.contains(seed)).collect();
        let mut trouble = None;
        for host in hosts.into_iter().chain(seeds_too) {
            let node = nodes.get(&self.setup, host, Role::Any);
            match ask_for_slots(&node).await {
                Ok(topology) => return Ok(Arc::new(topology)),
                Err(found) => trouble = Some(found),
            }
        }
        Err(trouble.unwrap_or_else(|| Trouble::unusable(&"the cluster".into(), "no node is known")))
    }
}

fn report(what: &str, looked: Result<(), Trouble>) {
    match looked {
        Ok(()) => tracing::debug!("looked up the {what} anew"),
        Err(trouble) => tracing::debug!(%trouble, "cannot look up the {what}"),
    }
}

async fn ask_for_slots(node: &Node) -> Result<Topology, Trouble> {
    let answer = node.wire().await?.ask(cmd("CLUSTER").arg("SLOTS")).await?;
    Topology::read(&answer, node.host())
        .map_err(|found| Trouble::unusable(&node.name, &format!("CLUSTER SLOTS answered {found}")))
}

/// Asks one Sentinel after the other.
async fn find_primary(
    setup: &Arc<Setup>,
    sentinels: &[Watcher],
    service: &str,
) -> Result<Arc<Node>, Trouble> {
    let mut trouble = None;
    for sentinel in sentinels {
        let mut asked = ask_for_primary(&sentinel.anonymous, service).await;
        if matches!(&asked, Err(trouble) if trouble.code() == Some("NOAUTH")) {
            asked = ask_for_primary(&sentinel.known, service).await;
        }
        match asked {
            Ok(host) => return Ok(Node::new(setup, Door::Host(host), Role::Primary)),
            Err(found) => trouble = Some(found),
        }
    }
    Err(trouble.unwrap_or_else(|| Trouble::unusable(&"Sentinel".into(), "no Sentinel is known")))
}

async fn ask_for_primary(sentinel: &Node, service: &str) -> Result<Host, Trouble> {
    let mut question = cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    let answer = sentinel.wire().await?.ask(&question).await?;
    let found = match &answer {
        Value::Array(parts) => match parts.as_slice() {
            [Value::BulkString(name), Value::BulkString(port)] => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
                let port = text(port).and_then(|port| port.parse().ok());
                text(name).zip(port).map(|(name, port)| Host { name, port })
            }
            _ => None,
        },
        _ => None,
    };
    found.ok_or_else(|| {
        let found = format!("this Sentinel knows no service '{service}'");
        Trouble::unusable(&sentinel.name, &found)
    })
}

impl View<'_> {
    /// The server that has a slot.
    pub(super) fn primary(&self, slot: u16) -> Result<Arc<Node>, Trouble> {
        match self {
            Self::One(node) => Ok(Arc::clone(node)),
            Self::Cluster { network, nodes, topology } => match topology.shard_of(slot) {
                Some(shard) => Ok(nodes.get(&network.setup, &shard.primary, Role::Any)),
                None => Err(uncovered(slot)),
            },
        }
    }

    /// A server that has a copy of a slot; its primary, if there is no other.
    pub(super) fn replica(&self, slot: u16, choice: usize) -> Result<Arc<Node>, Trouble> {
        let Self::Cluster { network, nodes, topology } = self else { return self.primary(slot) };
        match topology.shard_of(slot).map(|shard| &shard.replicas) {
            Some(replicas) if !replicas.is_empty() => {
                let host = &replicas[choice % replicas.len()];
                Ok(nodes.get(&network.setup, host, Role::Replica))
            }
            _ => self.primary(slot),
        }
    }

    /// Every server that has keys of its own.
    ///
    /// # Errors
    /// When some slots are nobody's just now: what they hold would be missing.
    pub(super) fn primaries(&self) -> Result<Vec<Arc<Node>>, Trouble> {
        match self {
            Self::One(node) => Ok(vec![Arc::clone(node)]),
            Self::Cluster { network, nodes, topology } => match topology.uncovered() {
                Some(slot) => Err(uncovered(slot)),
                None => {
                    let node = |host| nodes.get(&network.setup, host, Role::Any);
                    Ok(topology.primaries().map(node).collect())
                }
            },
        }
    }

    /// A server that another one named.
    pub(super) fn named(&self, host: &Host) -> Option<Arc<Node>> {
        match self {
            Self::One(_) => None,
            Self::Cluster { network, nodes, .. } => {
                Some(nodes.get(&network.setup, host, Role::Any))
            }
        }
    }
}

fn uncovered(slot: u16) -> Trouble {
    Trouble::unusable(&"the cluster".into(), &format!("no node has slot {slot} just now"))
}

/// A cluster's servers, as they were named.
#[derive(Default)]
pub(super) struct Nodes(Mutex<HashMap<(Host, Role), Arc<Node>>>);

impl Nodes {
    fn get(&self, setup: &Arc<Setup>, host: &Host, role: Role) -> Arc<Node> {
        // Nothing panics under the lock.
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let node = nodes.entry((host.clone(), role));
        Arc::clone(node.or_insert_with(|| Node::new(setup, Door::Host(host.clone()), role)))
    }

    /// Lets go of those that are not of the cluster any more.
    fn keep(&self, topology: &Topology) {
        let hosts = topology.hosts();
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|(host, _), _| hosts.contains(host));
    }
}
