//! What a server says of itself: its kind, its memory, which process it is; pure.

use ::redis::Value;

use crate::store::Room;

/// What kind of server greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Standalone,
    Cluster,
    Sentinel,
}

impl Mode {
    /// Reads what `HELLO` answers. Proxies and old servers do not know it, and stand alone.
    pub(super) fn read(answer: &Value) -> Self {
        let is = |value: &Value, text: &str| match value {
            Value::BulkString(bytes) => bytes == text.as_bytes(),
            Value::SimpleString(found) => found == text,
            _ => false,
        };
        let mode = match answer {
            Value::Map(pairs) => {
                pairs.iter().find(|(name, _)| is(name, "mode")).map(|(_, value)| value)
            }
            Value::Array(items) => {
                items.chunks_exact(2).find(|pair| is(&pair[0], "mode")).map(|pair| &pair[1])
            }
            _ => None,
        };
        match mode {
            Some(mode) if is(mode, "cluster") => Self::Cluster,
            Some(mode) if is(mode, "sentinel") => Self::Sentinel,
            _ => Self::Standalone,
        }
    }
}

/// The text of what `INFO` and `CLIENT LIST` answer.
pub(super) fn text(answer: &Value) -> Option<String> {
    match answer {
        Value::BulkString(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

/// A line of `INFO`.
pub(super) fn value<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
    lines.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// What `INFO memory` says, as far as it does.
pub(super) fn room(info: &str) -> Option<Room> {
    let limit = value(info, "maxmemory").and_then(|limit| limit.parse().ok());
    Some(Room {
        used: value(info, "used_memory")?.parse().ok()?,
        limit: limit.filter(|limit| *limit > 0),
        eviction: value(info, "maxmemory_policy").unwrap_or_default().to_owned(),
    })
}

/// The servers of a cluster as one: they are full when the fullest is, if keys are spread evenly.
pub(super) fn together(rooms: Vec<Room>) -> Option<Room> {
    let count = rooms.len() as u64;
    let eviction = rooms.iter().find(|room| room.eviction != "noeviction").or(rooms.first());
    let eviction = eviction.map(|room| room.eviction.clone()).unwrap_or_default();
    let used = rooms.iter().fold(0_u64, |sum, room| sum.saturating_add(room.used));
    let free = |room: &Room| room.limit.map(|limit| limit.saturating_sub(room.used));
    // Without a bound on one, nobody knows what that one can take.
    let least = rooms.iter().filter_map(free).min();
    let limit = least.map(|free| used.saturating_add(free.saturating_mul(count)));
    (count > 0).then_some(Room { used, limit, eviction })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn the_kind_of_server_is_read_from_either_form_of_greeting() {
        for (mode, expected) in [
            ("cluster", Mode::Cluster),
            ("sentinel", Mode::Sentinel),
            ("standalone", Mode::Standalone),
            ("other", Mode::Standalone),
        ] {
            let items = vec![bulk("server"), bulk("redis"), bulk("mode"), bulk(mode)];
            assert_eq!(Mode::read(&Value::Array(items)), expected);
            assert_eq!(Mode::read(&Value::Map(vec![(bulk("mode"), bulk(mode))])), expected);
        }
        assert_eq!(Mode::read(&Value::Nil), Mode::Standalone);
    }

    #[test]
    fn a_cluster_is_as_full_as_its_fullest_node_makes_it() {
        let room =
            |used, limit, eviction: &str| Room { used, limit, eviction: eviction.to_owned() };
        let two = vec![room(60, Some(100), "noeviction"), room(90, Some(100), "allkeys-lru")];
        assert_eq!(together(two), Some(room(150, Some(170), "allkeys-lru")));
        assert_eq!(together(vec![room(1, None, "noeviction")]), Some(room(1, None, "noeviction")));
        assert_eq!(together(vec![]), None);
    }
}
