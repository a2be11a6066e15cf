//! Questions to every server that has keys of its own. An answer that lacks one of them is none.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::redis::{Cmd, Value, cmd};

use super::info;
use super::network::Network;
use super::node::Node;
use super::patience::{Notes, Patience};
use super::trouble::Trouble;

/// How many keys one `SCAN` step looks at. Redis serves nobody else meanwhile: about 1 ms.
const KEYS_PER_SCAN: usize = 1_000;

/// How often all keys are looked at while some are on their way from node to node.
const MOST_LOOKS: usize = 10;

/// Every key that a pattern matches and that is text, of all servers.
pub(super) async fn keys(
    network: &Network,
    pattern: &str,
    patience: &mut Patience,
    notes: &Notes,
) -> Result<BTreeSet<String>, Trouble> {
    loop {
        match all_keys(network, pattern).await {
            Ok(keys) => return Ok(keys),
            Err(trouble) => from_the_beginning(network, trouble, patience, notes).await?,
        }
    }
}

/// What every server answers to one command.
pub(super) async fn of_each_primary(
    network: &Network,
    command: &Cmd,
    patience: &mut Patience,
    notes: &Notes,
) -> Result<Vec<Value>, Trouble> {
    loop {
        match ask_each(network, command).await {
            Ok(answers) => return Ok(answers),
            Err(trouble) => from_the_beginning(network, trouble, patience, notes).await?,
        }
    }
}

/// Waits for another attempt at all of it.
///
/// # Errors
/// The trouble, if there is to be none.
async fn from_the_beginning(
    network: &Network,
    trouble: Trouble,
    patience: &mut Patience,
    notes: &Notes,
) -> Result<(), Trouble> {
    if !patience.another(&trouble, notes).await {
        return Err(trouble);
    }
    network.look_again(&trouble).await;
    Ok(())
}

async fn ask_each(network: &Network, command: &Cmd) -> Result<Vec<Value>, Trouble> {
    let mut answers = Vec::new();
    for node in network.view().await?.primaries()? {
        answers.push(node.wire().await?.ask(command).await?);
    }
    Ok(answers)
}

/// A key that is on its way from a node that was not looked at yet to one that was is seen on
/// neither. So in a cluster everything is looked at again until nothing has moved meanwhile, or nothing
/// new turned up.
async fn all_keys(network: &Network, pattern: &str) -> Result<BTreeSet<String>, Trouble> {
    let mut found = BTreeSet::new();
    for look in 0..MOST_LOOKS {
        let (before, primaries) = (found.len(), network.view().await?.primaries()?);
        let (topology, moving) = (network.topology(), are_moving(network, &primaries).await?);
        for node in &primaries {
            scan(node, pattern, &mut found).await?;
        }
        network.refresh().await?;
        let nothing_moved =
            !moving && network.topology() == topology && !are_moving(network, &primaries).await?;
        if nothing_moved || (look > 0 && found.len() == before) {
            return Ok(found);
        }
    }
    let found = "slots were on their way each time that all keys were looked at";
    Err(Trouble::unusable(&"the cluster".into(), found))
}

async fn scan(node: &Node, pattern: &str, found: &mut BTreeSet<String>) -> Result<(), Trouble> {
    let mut cursor = 0;
    loop {
        let mut command = cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(KEYS_PER_SCAN);
        let answer = node.wire().await?.ask(&command).await?;
        let (next, keys): (u64, Vec<Vec<u8>>) = ::redis::from_redis_value(answer)
            .map_err(|_| Trouble::unusable(&node.name, "SCAN answered no list of keys"))?;
        found.extend(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()));
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// Whether a node says that a slot is on its way from or to it.
async fn are_moving(network: &Network, primaries: &[Arc<Node>]) -> Result<bool, Trouble> {
    if !network.is_cluster() {
        return Ok(false);
    }
    let mut command = cmd("CLUSTER");
    command.arg("NODES");
    for node in primaries {
        let answer = match node.wire().await?.ask(&command).await {
            Ok(answer) => answer,
            // A user may not be allowed to ask, so it may be so.
            Err(trouble) if trouble.is_refusal() => return Ok(true),
            Err(trouble) => return Err(trouble),
        };
        // `[slot->-node]` and `[slot-<-node]`, which a node tells of itself only.
        if info::text(&answer).is_some_and(|nodes| nodes.contains('[')) {
            return Ok(true);
        }
    }
    Ok(false)
}
