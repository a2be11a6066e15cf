//! Which stored chunks hold a part of a file.
//!
//! A split never joins batches, but may divide them by size. So the chunks of a part are those that
//! follow one another in its partition and add up to its rows, however many they are.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::dataset::{BatchIndex, ChunkId, PartitionId};
use crate::manifest::ChunkEntry;

/// The chunks of a manifest, handed out to the parts of a file in their order.
#[derive(Debug)]
pub(super) struct Pairing<'a> {
    chunks: &'a [ChunkEntry],
    /// Where each partition's chunks begin, and which are left.
    left: HashMap<PartitionId, (usize, usize)>,
}

/// No chunks are exactly a part's rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unpaired {
    /// The chunk at which that shows.
    pub(super) id: ChunkId,
    /// The rows that the file has for it, and for further ones.
    pub(super) rows: u64,
    /// The rows that are stored; `None` if the chunk is not there.
    pub(super) stored: Option<u64>,
}

impl<'a> Pairing<'a> {
    /// Takes chunks ascending by partition and batch, as a manifest lists them.
    pub(super) fn new(chunks: &'a [ChunkEntry]) -> Self {
        Self { chunks, left: HashMap::new() }
    }

    /// The chunks of the next so many rows of a partition. A part without rows is one chunk.
    pub(super) fn take(
        &mut self,
        partition: PartitionId,
        rows: u64,
    ) -> Result<Range<usize>, Unpaired> {
        let begin = || self.chunks.partition_point(|entry| entry.id.partition < partition);
        let (first, next) = self.left.entry(partition).or_insert_with(|| (begin(), begin()));
        let (first, start) = (*first, *next);
        let mut rows_left = rows;
        let mut end = start;
        loop {
            // Batches are numbered in 32 bits, so no more of them can be listed.
            let batch = BatchIndex(u32::try_from(end - first).unwrap_or(u32::MAX));
            let id = ChunkId { partition, batch };
            let stored =
                self.chunks.get(end).filter(|entry| entry.id == id).map(|entry| entry.rows);
            match stored {
                Some(stored) if stored <= rows_left && (stored > 0 || rows == 0) => {
                    rows_left -= stored;
                    end += 1;
                }
                _ => return Err(Unpaired { id, rows: rows_left, stored }),
            }
            if rows_left == 0 {
                *next = end;
                return Ok(start..end);
            }
        }
    }

    /// The first chunk that belongs to none of a file's parts. Partitions of which a part has no
    /// chunks are left out: that is found where the part is.
    pub(super) fn first_beyond(
        chunks: &'a [ChunkEntry],
        parts: &[(PartitionId, u64)],
    ) -> Option<&'a ChunkEntry> {
        let (mut pairing, mut unpaired) = (Self::new(chunks), HashSet::new());
        for (partition, rows) in parts {
            if !unpaired.contains(partition) && pairing.take(*partition, *rows).is_err() {
                unpaired.insert(*partition);
            }
        }
        let beyond = |(at, entry): &(usize, &ChunkEntry)| {
            let partition = entry.id.partition;
            let taken = pairing.left.get(&partition).is_some_and(|(_, next)| at < next);
            !taken && !unpaired.contains(&partition)
        };
        chunks.iter().enumerate().find(beyond).map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Checksum;

    fn chunks(rows: &[(u64, u32, u64)]) -> Vec<ChunkEntry> {
        let entry = |&(partition, batch, rows): &(u64, u32, u64)| {
            let checksum = Checksum::of(&[]);
            ChunkEntry { id: ChunkId::new(partition, batch), rows, bytes: 1, checksum }
        };
        rows.iter().map(entry).collect()
    }

    #[test]
    fn chunks_follow_one_another_in_their_partition() {
        let chunks = chunks(&[(0, 0, 4), (0, 1, 4), (0, 2, 1), (3, 0, 0), (3, 1, 2)]);
        let mut pairing = Pairing::new(&chunks);
        let mut take = |partition, rows| pairing.take(PartitionId(partition), rows);
        assert_eq!(take(3, 0), Ok(3..4));
        assert_eq!(take(0, 8), Ok(0..2));
        assert_eq!(take(3, 2), Ok(4..5));
        assert_eq!(take(0, 1), Ok(2..3));
        let none = |partition, batch| Unpaired {
            id: ChunkId::new(partition, batch),
            rows: 7,
            stored: None,
        };
        assert_eq!(take(0, 7), Err(none(0, 3)));
        assert_eq!(take(1, 7), Err(none(1, 0)));
    }

    #[test]
    fn chunks_that_do_not_add_up_are_named() {
        let id = ChunkId::new;
        for (stored, rows, id, left, found) in [
            (&[(0, 0, 4), (0, 1, 4)][..], 6, id(0, 1), 2, Some(4)),
            (&[(0, 0, 4)], 3, id(0, 0), 3, Some(4)),
            (&[(0, 0, 0)], 3, id(0, 0), 3, Some(0)),
            (&[(0, 0, 1), (0, 1, 0), (0, 2, 2)], 3, id(0, 1), 2, Some(0)),
            (&[(0, 0, 1), (0, 2, 2)], 3, id(0, 1), 2, None),
            (&[(0, 0, 1)], 0, id(0, 0), 0, Some(1)),
        ] {
            let chunks = chunks(stored);
            let expected = Unpaired { id, rows: left, stored: found };
            assert_eq!(Pairing::new(&chunks).take(PartitionId(0), rows), Err(expected));
        }
    }

    #[test]
    fn what_is_beyond_is_found_where_all_parts_have_chunks() {
        let chunks = chunks(&[(0, 0, 4), (0, 1, 4), (2, 0, 1), (2, 1, 1), (5, 0, 9)]);
        let beyond = |parts: &[(u64, u64)]| {
            let parts: Vec<_> = parts.iter().map(|(p, rows)| (PartitionId(*p), *rows)).collect();
            Pairing::first_beyond(&chunks, &parts).map(|entry| entry.id)
        };
        assert_eq!(beyond(&[(0, 8), (2, 2), (5, 9)]), None);
        assert_eq!(beyond(&[(0, 8), (2, 1), (5, 9)]), Some(ChunkId::new(2, 1)));
        assert_eq!(beyond(&[(0, 8), (2, 2)]), Some(ChunkId::new(5, 0)));
        assert_eq!(beyond(&[(0, 9), (2, 2), (5, 9)]), None);
    }
}
