//! Which server has which slot of a cluster, read out of what a node says; pure.

use std::collections::BTreeSet;

use ::redis::Value;

use super::address::Host;

/// Slots of every cluster, by the cluster's specification.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key: that of what stands in its first braces, or else of all of it.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')? + 1;
        let length = key[open..].iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &key[open..open + length])
    };
    crc16::State::<crc16::XMODEM>::calculate(tag().unwrap_or(key)) % SLOTS
}

/// A cluster as one of its nodes saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Topology {
    shards: Vec<Shard>,
    /// The place of a slot's shard in `shards`.
    by_slot: Vec<Option<u16>>,
}

/// A primary and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) primary: Host,
    pub(super) replicas: Vec<Host>,
}

impl Topology {
    /// Reads what `CLUSTER SLOTS` answers. A node that does not know its own name leaves it empty,
    /// and is the one that was `asked`.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub(super) fn read(answer: &Value, asked: Option<&Host>) -> Result<Self, String> {
        let Value::Array(ranges) = answer else { return Err("no list of slots".to_owned()) };
        let mut topology = Self { shards: Vec::new(), by_slot: vec![None; usize::from(SLOTS)] };
        for range in ranges {
            let (first, last, mut hosts) =
                read_range(range, asked).ok_or("a range of slots that cannot be read")?;
            if first > last || last >= SLOTS {
                return Err(format!("slots {first} to {last} of {SLOTS}"));
            }
            let shard = topology.shard(hosts.remove(0), hosts);
            topology.by_slot[usize::from(first)..=usize::from(last)].fill(Some(shard));
        }
        match topology.shards.is_empty() {
            true => Err("a cluster without slots".to_owned()),
            false => Ok(topology),
        }
    }

    fn shard(&mut self, primary: Host, replicas: Vec<Host>) -> u16 {
        let known = self.shards.iter().position(|shard| shard.primary == primary);
        let place = known.unwrap_or_else(|| {
            self.shards.push(Shard { primary, replicas });
            self.shards.len() - 1
        });
        // There are no more shards than slots.
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// The shard that has a slot, if one does.
    pub(super) fn shard_of(&self, slot: u16) -> Option<&Shard> {
        let place = (*self.by_slot.get(usize::from(slot))?)?;
        self.shards.get(usize::from(place))
    }

    /// The first slot that no shard has.
    pub(super) fn uncovered(&self) -> Option<u16> {
        let place = self.by_slot.iter().position(Option::is_none)?;
        u16::try_from(place).ok()
    }

    pub(super) fn primaries(&self) -> impl Iterator<Item = &Host> {
        self.shards.iter().map(|shard| &shard.primary)
    }

    /// All its servers.
    pub(super) fn hosts(&self) -> BTreeSet<&Host> {
        self.shards
            .iter()
            .flat_map(|shard| [&shard.primary].into_iter().chain(&shard.replicas))
            .collect()
    }
}

/// First and last slot, and at least one host: the primary.
fn read_range(range: &Value, asked: Option<&Host>) -> Option<(u16, u16, Vec<Host>)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), nodes @ ..] = parts.as_slice() else { return None };
    let mut hosts = nodes.iter().map(|node| read_host(node, asked));
    let primary = hosts.next()??;
    // A replica that cannot be read is one less to ask.
    let hosts = [primary].into_iter().chain(hosts.flatten()).collect();
    Some((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, hosts))
}

fn read_host(node: &Value, asked: Option<&Host>) -> Option<Host> {
    let Value::Array(parts) = node else { return None };
    let [name, Value::Int(port), ..] = parts.as_slice() else { return None };
    let name = match name {
        Value::BulkString(name) => String::from_utf8(name.clone()).ok()?,
        Value::SimpleString(name) => name.clone(),
        Value::Nil => String::new(),
        _ => return None,
    };
    let name = match name.as_str() {
        "" => asked?.name.clone(),
        // The node has a name and was not told it.
        "?" => return None,
        _ => name,
    };
    Some(Host { name, port: u16::try_from(*port).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, hosts: &[(&str, i64)]) -> Value {
        let host = |(name, port): &(&str, i64)| Value::Array(vec![text(name), Value::Int(*port)]);
        let hosts = hosts.iter().map(host);
        Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(hosts).collect())
    }

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    #[test]
    fn a_key_lies_where_the_specification_says() {
        // The first three are the specification's and the server's own examples.
        for (key, slot) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{foo}bar", 12_182),
            ("a{foo}b{bar}", 12_182),
            ("demo:{part=00003}:batch=00001", slot_of(b"part=00003")),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_ne!(slot_of(b"{}a"), slot_of(b"{}b"), "empty braces are no tag");
    }

    #[test]
    fn slots_lead_to_their_shards() {
        let answer = Value::Array(vec![
            range(0, 99, &[("a", 1), ("r", 2), ("?", 3)]),
            range(200, 16_383, &[("", 7)]),
            range(100, 150, &[("a", 1), ("r", 2)]),
        ]);
        let topology = Topology::read(&answer, Some(&host("asked", 6_379))).unwrap();
        let shard = Shard { primary: host("a", 1), replicas: vec![host("r", 2)] };
        assert_eq!(topology.shard_of(0), Some(&shard));
        assert_eq!(topology.shard_of(150), Some(&shard));
        assert_eq!(topology.shard_of(151), None);
        assert_eq!(topology.shard_of(16_383).unwrap().primary, host("asked", 7));
        assert_eq!(topology.shard_of(u16::MAX), None);
        assert_eq!(topology.uncovered(), Some(151));
        assert_eq!(topology.primaries().count(), 2);
        assert_eq!(topology.hosts().len(), 3);
    }

    #[test]
    fn what_is_no_topology_is_said_to_be_none() {
        for answer in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![range(0, 1, &[])]),
            Value::Array(vec![range(5, 1, &[("a", 1)])]),
            Value::Array(vec![range(0, 16_384, &[("a", 1)])]),
            Value::Array(vec![range(-1, 5, &[("a", 1)])]),
            Value::Array(vec![range(0, 1, &[("a", 99_999)])]),
            Value::Array(vec![range(0, 1, &[("?", 1)])]),
        ] {
            assert!(Topology::read(&answer, None).is_err(), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_slot(key: Vec<u8>) {
            prop_assert!(slot_of(&key) < SLOTS);
        }
    }
}
