//! Whether a dataset fits into the store, before anything of it is sent.

use crate::error::Error;
use crate::store::Room;

use super::{Planned, PublishError, PublishOptions};

/// Bytes that a key takes beside its value, at least: its name and the server's bookkeeping.
const BYTES_PER_KEY: u64 = 100;

/// The eviction policy that drops nothing.
const NOTHING: &str = "noeviction";

/// Policies that begin so drop only keys that have a time to live.
const ONLY_MORTAL: &str = "volatile-";

/// Compares what is needed with what there is in the store of this address, and with what will be
/// `reclaimed` before: bytes of a dataset that is dropped first, `None` if nobody knows how many.
///
/// # Errors
/// [`PublishError::NoRoom`] when it cannot fit.
pub(super) fn check(
    store: &str,
    room: Option<Room>,
    options: &PublishOptions,
    planned: &Planned,
    reclaimed: Option<u64>,
) -> Result<(), Error> {
    let Some(room) = room else {
        tracing::debug!("the store does not tell how much room there is");
        return Ok(());
    };
    if may_drop(&room, options) {
        tracing::warn!(
            "{} may drop chunks when it is full: maxmemory-policy is {}; set noeviction, or the \
             dataset can become unreadable at any time",
            store,
            room.eviction
        );
    }
    let needed = planned.bytes.saturating_add(planned.chunks.saturating_mul(BYTES_PER_KEY));
    let (Some(limit), Some(reclaimed)) = (room.limit, reclaimed) else { return Ok(()) };
    let free = free(&room, limit).saturating_add(reclaimed).min(limit);
    if needed > limit.saturating_sub(room.used).saturating_add(reclaimed) && needed <= free {
        tracing::warn!(
            "{} is too full to hold the dataset without dropping other keys, and while it is being \
             stored it may drop chunks of it, too: maxmemory-policy is {}",
            store,
            room.eviction
        );
    }
    if needed <= free {
        return Ok(());
    }
    let (store, used) = (store.to_owned(), room.used);
    Err(PublishError::NoRoom { store, needed, used, reclaimed, limit }.into())
}

/// Whether a full store would drop keys of this dataset.
fn may_drop(room: &Room, options: &PublishOptions) -> bool {
    let mortal = options.time_to_live.is_some();
    match room.eviction.as_str() {
        "" | NOTHING => false,
        policy => mortal || !policy.starts_with(ONLY_MORTAL),
    }
}

/// What can be had at most: what others may be dropped for counts as free.
fn free(room: &Room, limit: u64) -> u64 {
    match room.eviction.as_str() {
        "" | NOTHING => limit.saturating_sub(room.used),
        _ => limit,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_may_be_dropped_depends_on_the_policy_and_the_time_to_live() {
        for (policy, for_ever, mortal) in [
            ("noeviction", false, false),
            ("allkeys-lru", true, true),
            ("allkeys-random", true, true),
            ("volatile-lru", false, true),
            ("volatile-ttl", false, true),
            ("", false, false),
        ] {
            let room = Room { used: 0, limit: None, eviction: policy.to_owned() };
            for (life, expected) in [(None, for_ever), (Some(Duration::from_secs(1)), mortal)] {
                let options = PublishOptions { time_to_live: life, ..Default::default() };
                assert_eq!(may_drop(&room, &options), expected, "{policy} {life:?}");
            }
        }
    }
}
