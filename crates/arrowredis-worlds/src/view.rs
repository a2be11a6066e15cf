//! How one node sees its cluster: the lines of `CLUSTER NODES`. Changing the cluster is `cluster`'s
//! and `migration`'s matter.

use std::ops::RangeInclusive;

/// One node as another sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    /// The port that clients are told.
    pub(crate) port: u16,
    pub(crate) flags: Vec<String>,
    /// Whose replica it is.
    pub(crate) master: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) connected: bool,
    pub(crate) slots: Vec<RangeInclusive<u16>>,
}

impl Seen {
    pub(crate) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    pub(crate) fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }
}

/// Lines that cannot be read are left out; whoever waits for a node then goes on waiting.
pub(crate) fn parse(text: &str) -> Vec<Seen> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Seen> {
    let mut words = line.split(' ');
    let id = words.next()?.to_owned();
    let (_, ports) = words.next()?.split_once(':')?;
    let port = ports.split('@').next()?.parse().ok()?;
    let flags = words.next()?.split(',').map(str::to_owned).collect();
    let master = words.next().filter(|master| *master != "-").map(str::to_owned);
    let epoch = words.nth(2)?.parse().ok()?;
    let connected = words.next()? == "connected";
    // What is in brackets is on its way from or to another node, and listed besides if it is owned.
    let slots = words.filter(|word| !word.starts_with('[')).filter_map(range).collect();
    Some(Seen { id, port, flags, master, epoch, connected, slots })
}

fn range(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_with_an_open_slot_and_a_replica() {
        let text = "aa 127.0.0.1:1@10001,host myself,master - 0 5 3 connected 0-5 7 [9->-bb]\n\
                    bb 127.0.0.1:2@10002 slave,fail aa 1 2 4 disconnected\n";
        let seen = parse(text);
        assert_eq!((seen[0].id.as_str(), seen[0].epoch, seen[0].connected), ("aa", 3, true));
        assert_eq!([seen[0].port, seen[1].port], [1, 2]);
        assert_eq!(seen[0].slots, [0..=5, 7..=7]);
        assert!(seen[0].is("myself") && seen[0].owns(5) && !seen[0].owns(6) && !seen[0].owns(9));
        assert_eq!((seen[1].master.as_deref(), seen[1].connected), (Some("aa"), false));
        assert!(seen[1].is("fail") && seen[1].slots.is_empty());
    }
}
