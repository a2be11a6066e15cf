//! Requests, each of which is repeated until it has its answer or its patience is at an end.
//!
//! Requests that are repeated here do the same however often they are done. What does not is its
//! caller's matter.

use std::sync::Arc;

use ::redis::{Cmd, Value};
use futures::future::{BoxFuture, join_all};

use super::address::Host;
use super::bulk::{Packed, Reply};
use super::network::{Network, View};
use super::node::Node;
use super::patience::{Notes, Patience};
use super::topology::slot_of;
use super::trouble::{Class, Trouble};

/// Redirections that are followed in a row. Each costs a request, and a cluster whose nodes disagree
/// for longer needs time, which a redirection does not take.
const MOST_REDIRECTIONS: u32 = 8;

/// Something that the server of a key is asked.
pub(super) trait Ask: Sized + Send + Sync {
    /// What it answers.
    type Answer: Send;

    /// The key; empty for what is about none.
    fn key(&self) -> &str;

    /// Asks a server once for all of some requests. With `asking`, as what another node of a cluster
    /// sent on; with `again`, after a failure.
    fn ask_node(
        node: &Node,
        requests: &[&Self],
        asking: bool,
        again: bool,
    ) -> impl Future<Output = Vec<Result<Self::Answer, Trouble>>> + Send;
}

/// A command about a key, or about none.
pub(super) struct Request {
    pub(super) key: String,
    pub(super) command: Cmd,
}

/// A request for or with a value.
pub(super) struct BulkRequest {
    pub(super) key: String,
    pub(super) packed: Packed,
}

/// Who is to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// The server that has the key.
    Primary,
    /// Any that has a copy of it.
    Replica,
}

/// A request that was not answered.
pub(super) struct Unanswered {
    /// Its place among those that were made together.
    pub(super) index: usize,
    pub(super) trouble: Trouble,
}

/// Where a request goes next.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Way {
    BySlot,
    Moved(Host),
    Ask(Host),
}

/// Asks until every request has its answer, in their order, or one cannot be had.
///
/// Boxed, so that what waits for it does not hold the types of all that this waits for.
pub(super) fn answers<'a, A: Ask>(
    network: &'a Network,
    requests: &'a [A],
    whom: Whom,
    patience: &'a mut Patience,
    notes: &'a Notes,
) -> BoxFuture<'a, Result<Vec<A::Answer>, Unanswered>> {
    Box::pin(ask_until_answered(network, requests, whom, patience, notes))
}

async fn ask_until_answered<A: Ask>(
    network: &Network,
    requests: &[A],
    whom: Whom,
    patience: &mut Patience,
    notes: &Notes,
) -> Result<Vec<A::Answer>, Unanswered> {
    let mut answers: Vec<Option<A::Answer>> = requests.iter().map(|_| None).collect();
    let mut ways = vec![Way::BySlot; requests.len()];
    let mut redirections = 0;
    loop {
        let open: Vec<_> = (0..requests.len()).filter(|at| answers[*at].is_none()).collect();
        if open.is_empty() {
            return Ok(answers.into_iter().flatten().collect());
        }
        let again = patience.tried().attempts > 1;
        let round = ask_once(network, requests, &ways, &open, whom, again).await;
        let mut transient: Option<Unanswered> = None;
        let mut redirected = false;
        for (index, answer) in round {
            let trouble = match answer {
                Ok(answer) => {
                    answers[index] = Some(answer);
                    patience.progressed();
                    continue;
                }
                Err(trouble) => trouble,
            };
            ways[index] = Way::BySlot;
            match trouble.class() {
                Class::Permanent => return Err(Unanswered { index, trouble }),
                Class::Moved(host) if network.is_cluster() => {
                    network.look_again(&trouble).await;
                    (ways[index], redirected) = (Way::Moved(host), true);
                }
                Class::Ask(host) if network.is_cluster() => {
                    (ways[index], redirected) = (Way::Ask(host), true);
                }
                Class::Moved(_) | Class::Ask(_) => return Err(Unanswered { index, trouble }),
                Class::Transient { .. } => {
                    transient.get_or_insert(Unanswered { index, trouble });
                }
            }
        }
        if let Some(unanswered) = transient {
            if !patience.another(&unanswered.trouble, notes).await {
                return Err(unanswered);
            }
            if unanswered.trouble.asks_for_directions() {
                network.look_again(&unanswered.trouble).await;
            }
            redirections = 0;
        } else if redirected {
            redirections += 1;
            if redirections > MOST_REDIRECTIONS {
                let index = open[0];
                let trouble = Trouble::unusable(
                    &"the cluster".into(),
                    "its nodes send each other's requests in a circle",
                );
                if !patience.another(&trouble, notes).await {
                    return Err(Unanswered { index, trouble });
                }
                ways.fill(Way::BySlot);
                redirections = 0;
            }
        }
    }
}

/// Requests that the same server is asked together.
struct Group {
    node: Arc<Node>,
    asking: bool,
    indices: Vec<usize>,
}

/// Asks each open request once: those for the same server together, all servers at once.
async fn ask_once<A: Ask>(
    network: &Network,
    requests: &[A],
    ways: &[Way],
    open: &[usize],
    whom: Whom,
    again: bool,
) -> Vec<(usize, Result<A::Answer, Trouble>)> {
    let view = match network.view().await {
        Ok(view) => view,
        Err(trouble) => return open.iter().map(|at| (*at, Err(trouble.clone()))).collect(),
    };
    let mut round = Vec::with_capacity(open.len());
    let mut groups: Vec<Group> = Vec::new();
    for at in open {
        match find(&view, requests[*at].key(), &ways[*at], whom) {
            Ok((node, asking)) => {
                let same =
                    |group: &&mut Group| Arc::ptr_eq(&group.node, &node) && group.asking == asking;
                match groups.iter_mut().find(same) {
                    Some(group) => group.indices.push(*at),
                    None => groups.push(Group { node, asking, indices: vec![*at] }),
                }
            }
            Err(trouble) => round.push((*at, Err(trouble))),
        }
    }
    let asked = groups.into_iter().map(async |Group { node, asking, indices }| {
        let some: Vec<_> = indices.iter().map(|at| &requests[*at]).collect();
        let answers = A::ask_node(&node, &some, asking, again).await;
        indices.into_iter().zip(answers).collect::<Vec<_>>()
    });
    round.extend(join_all(asked).await.into_iter().flatten());
    round
}

fn find(view: &View<'_>, key: &str, way: &Way, whom: Whom) -> Result<(Arc<Node>, bool), Trouble> {
    let slot = slot_of(key.as_bytes());
    let own = || match whom {
        Whom::Primary => view.primary(slot),
        // Partitions lie in slots of their own, so slots are as good as chance.
        Whom::Replica => view.replica(slot, usize::from(slot)),
    };
    match way {
        Way::BySlot => Ok((own()?, false)),
        Way::Moved(host) | Way::Ask(host) => {
            let asking = matches!(way, Way::Ask(_));
            Ok(match view.named(&with_name(host, own)) {
                Some(node) => (node, asking),
                None => (own()?, false),
            })
        }
    }
}

/// A node that does not know its name sends on to a port of the node that was asked.
fn with_name(host: &Host, asked: impl Fn() -> Result<Arc<Node>, Trouble>) -> Host {
    let mut host = host.clone();
    if host.name.is_empty()
        && let Ok(asked) = asked()
        && let Some(known) = asked.host()
    {
        host.name.clone_from(&known.name);
    }
    host
}

impl Ask for Request {
    type Answer = Value;

    fn key(&self) -> &str {
        &self.key
    }

    async fn ask_node(
        node: &Node,
        requests: &[&Self],
        asking: bool,
        again: bool,
    ) -> Vec<Result<Value, Trouble>> {
        let all_failed = |trouble: Trouble| requests.iter().map(|_| Err(trouble.clone())).collect();
        let wire = match node.wire().await {
            Ok(wire) => wire,
            Err(trouble) => return all_failed(trouble),
        };
        // Alone, a command is not copied into a pipeline.
        if let ([only], false) = (requests, asking) {
            return vec![wire.ask(&only.command).await];
        }
        if again && !asking {
            // A pipeline that is cut has no answers, not even those that came. Apart, each that comes
            // counts, so that a connection that is cut again and again still gets on.
            let each = requests.iter().map(|request| wire.ask(&request.command));
            return join_all(each).await;
        }
        let commands: Vec<_> = requests.iter().map(|request| &request.command).collect();
        wire.ask_all(&commands, asking).await.unwrap_or_else(all_failed)
    }
}

impl Ask for BulkRequest {
    type Answer = Reply;

    fn key(&self) -> &str {
        &self.key
    }

    async fn ask_node(
        node: &Node,
        requests: &[&Self],
        asking: bool,
        _again: bool,
    ) -> Vec<Result<Reply, Trouble>> {
        let bulk = match node.bulk().await {
            Ok(bulk) => bulk,
            Err(trouble) => return requests.iter().map(|_| Err(trouble.clone())).collect(),
        };
        let each = requests.iter().map(|request| bulk.ask(request.packed.clone(), asking));
        join_all(each).await
    }
}
