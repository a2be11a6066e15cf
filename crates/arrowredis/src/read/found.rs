//! What stands at a chunk's key, before anybody knows whether it is the chunk.

use arrow_buffer::Buffer;

use super::recheck::is_listed;
use crate::checksum::Summed;
use crate::manifest::ChunkEntry;

/// What stands at a key.
pub(super) enum Found {
    Value(Buffer),
    Summed(Summed),
}

/// Values, as what they are.
pub(super) fn found<T>(values: Vec<Option<T>>, as_what: impl Fn(T) -> Found) -> Vec<Option<Found>> {
    values.into_iter().map(|value| value.map(&as_what)).collect()
}

impl Found {
    /// Whether it is what the manifest lists.
    pub(super) fn is(&self, entry: &ChunkEntry) -> bool {
        match self {
            Self::Value(value) => is_listed(entry, value),
            Self::Summed(Summed { value, checksum }) => {
                value.len() as u64 == entry.bytes && *checksum == entry.checksum
            }
        }
    }

    pub(super) fn into_value(self) -> Buffer {
        match self {
            Self::Value(value) | Self::Summed(Summed { value, .. }) => value,
        }
    }
}
