//! What to fetch: decided before the first value moves, so that what is absent is known first.
//!
//! Pure: it is told which keys are there.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::dataset::{BatchIndex, ChunkId, DatasetName, PartitionId};
use crate::error::{DataError, OptionsError};
use crate::key::chunk_key;
use crate::report::ReadReport;

use super::selection::Partitions;

/// Most chunks that one read plans: 10 million, which take about 250 MB here.
const MOST_CHUNKS: u64 = 10_000_000;

/// Longest list of partition ranges in a message.
const MOST_RANGES: usize = 20;

/// The chunks to fetch, in reading order, and what is known to be absent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) chunks: Vec<ChunkId>,
    pub(super) missing: Missing,
    /// The first chunk of each partition that lies beyond the number of batches asked for.
    pub(super) beyond: Vec<ChunkId>,
}

/// Chunks that should be there and are not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) count: u64,
    /// The first of them, as many as a report lists.
    pub(super) first: Vec<ChunkId>,
}

impl Missing {
    pub(super) fn add(&mut self, id: ChunkId) {
        self.count += 1;
        if self.first.len() < ReadReport::MOST_KEYS {
            self.first.push(id);
        }
    }
}

impl Plan {
    /// When both the partitions and their number of batches were given: all of those.
    ///
    /// # Errors
    /// When they are more than [`MOST_CHUNKS`].
    pub(super) fn given(
        ranges: &[RangeInclusive<u64>],
        batches: u32,
    ) -> Result<Self, OptionsError> {
        let partitions = ranges.iter().map(|range| range.end() - range.start());
        let partitions =
            partitions.fold(0, |sum: u64, more| sum.saturating_add(more).saturating_add(1));
        let found = partitions.saturating_mul(batches.into());
        if found > MOST_CHUNKS {
            let expected =
                format!("at most {MOST_CHUNKS}; leave out --batches to find what is there");
            return Err(OptionsError::OutOfRange {
                option: "partitions × batches",
                found,
                expected,
            });
        }
        let chunks = ranges.iter().cloned().flatten();
        let chunks = chunks.flat_map(|p| (0..batches).map(move |b| ChunkId::new(p, b))).collect();
        Ok(Self { chunks, ..Self::default() })
    }

    /// When the keys that are there have been listed: those of the selection, without a gap, and
    /// as many to a partition as `batches` says.
    pub(super) fn from_list(
        present: &BTreeSet<ChunkId>,
        selection: &Partitions,
        batches: Option<u32>,
    ) -> Self {
        let mut plan = Self::default();
        let there = partitions(present);
        if let Partitions::Listed(ranges) = selection {
            ranges.iter().for_each(|range| plan.add_absent_partitions(range, &there));
        }
        for partition in there.into_iter().filter(|partition| selection.contains(*partition)) {
            plan.add_partition(partition, present, batches);
        }
        plan
    }

    fn add_partition(
        &mut self,
        partition: PartitionId,
        present: &BTreeSet<ChunkId>,
        batches: Option<u32>,
    ) {
        let id = |batch| ChunkId { partition, batch: BatchIndex(batch) };
        let mut next = 0;
        for found in present.range(id(0)..=id(u32::MAX)) {
            if batches.is_some_and(|batches| found.batch.0 >= batches) {
                self.beyond.push(*found);
                break;
            }
            self.add_gap(partition, next..found.batch.0);
            self.chunks.push(*found);
            next = found.batch.0.saturating_add(1);
        }
        self.add_gap(partition, next..batches.unwrap_or(next));
    }

    /// The partitions of a range that have no chunk, each with its first key. A range can be as
    /// wide as the numbers go, so only as many are walked as a report lists.
    fn add_absent_partitions(
        &mut self,
        range: &RangeInclusive<u64>,
        there: &BTreeSet<PartitionId>,
    ) {
        let (first, last) = (PartitionId(*range.start()), PartitionId(*range.end()));
        let present = there.range(first..=last).count() as u64;
        let width = (range.end() - range.start()).saturating_add(1);
        self.missing.count = self.missing.count.saturating_add(width.saturating_sub(present));
        let room = ReadReport::MOST_KEYS - self.missing.first.len();
        let absent = range.clone().filter(|partition| !there.contains(&PartitionId(*partition)));
        let listed = usize::try_from(width.saturating_sub(present)).unwrap_or(usize::MAX).min(room);
        self.missing.first.extend(absent.take(listed).map(|partition| ChunkId::new(partition, 0)));
    }

    /// Batches that are absent; a gap can be as wide as the numbers go, so it is not walked.
    fn add_gap(&mut self, partition: PartitionId, gap: std::ops::Range<u32>) {
        let room = ReadReport::MOST_KEYS - self.missing.first.len();
        let id = |batch| ChunkId { partition, batch: BatchIndex(batch) };
        self.missing.first.extend(gap.clone().take(room).map(id));
        let width = u64::from(gap.end.saturating_sub(gap.start));
        self.missing.count = self.missing.count.saturating_add(width);
    }
}

/// The error for a chunk that is absent: of a partition that has others, or of one that has none.
pub(super) fn absent(
    id: ChunkId,
    present: &BTreeSet<ChunkId>,
    batches: Option<u32>,
    dataset: &DatasetName,
) -> DataError {
    let there = partitions(present);
    let (partition, key) = (id.partition, chunk_key(dataset, id));
    if !there.contains(&partition) {
        return DataError::NoPartition { partition: partition.0, key, present: shortened(&there) };
    }
    let why = match batches {
        Some(batches) => format!("{batches} batches of partition {partition} were asked for"),
        None => format!("partition {partition} has batches after it"),
    };
    DataError::Missing { key, why }
}

fn partitions(present: &BTreeSet<ChunkId>) -> BTreeSet<PartitionId> {
    present.iter().map(|id| id.partition).collect()
}

/// Partitions as a list of ranges that fits a message.
fn shortened(partitions: &BTreeSet<PartitionId>) -> String {
    if partitions.is_empty() {
        return "none".to_owned();
    }
    let listed = Partitions::of(partitions.iter().map(|partition| partition.0)).to_string();
    let ranges: Vec<_> = listed.split(',').collect();
    let more = ranges.len().saturating_sub(MOST_RANGES);
    let shown = ranges[..ranges.len() - more].join(",");
    if more == 0 { shown } else { format!("{shown} and {more} more ranges") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(ids: &[(u64, u32)]) -> BTreeSet<ChunkId> {
        ids.iter().map(|(partition, batch)| ChunkId::new(*partition, *batch)).collect()
    }

    fn plan(there: &[(u64, u32)], selection: &str, batches: Option<u32>) -> Plan {
        Plan::from_list(&present(there), &selection.parse().unwrap(), batches)
    }

    fn ids(ids: &[(u64, u32)]) -> Vec<ChunkId> {
        present(ids).into_iter().collect()
    }

    #[test]
    fn what_is_there_is_planned_in_order_and_gaps_are_missing() {
        let plan = plan(&[(2, 3), (0, 0), (0, 1), (2, 0)], "all", None);
        assert_eq!(plan.chunks, ids(&[(0, 0), (0, 1), (2, 0), (2, 3)]));
        assert_eq!(plan.missing, Missing { count: 2, first: ids(&[(2, 1), (2, 2)]) });
        assert!(plan.beyond.is_empty());
    }

    #[test]
    fn a_number_of_batches_asks_for_more_or_leaves_some_out() {
        let plan = plan(&[(0, 0), (0, 1), (0, 2), (1, 0)], "all", Some(2));
        assert_eq!(plan.chunks, ids(&[(0, 0), (0, 1), (1, 0)]));
        assert_eq!(plan.missing, Missing { count: 1, first: ids(&[(1, 1)]) });
        assert_eq!(plan.beyond, ids(&[(0, 2)]));
    }

    #[test]
    fn a_gap_as_wide_as_the_numbers_go_takes_no_time() {
        let plan = plan(&[(0, u32::MAX)], "all", None);
        assert_eq!(plan.missing.count, u64::from(u32::MAX));
        assert_eq!(plan.missing.first.len(), ReadReport::MOST_KEYS);
    }

    #[test]
    fn every_absent_partition_of_a_list_is_missing() {
        let there = [(0, 0), (1, 0), (2, 0), (5, 0), (u64::MAX, 0)];
        for (selection, count, first) in [
            ("3", 1, &[3][..]),
            ("1-7", 4, &[3, 4, 6, 7]),
            ("4-5", 1, &[4]),
            ("0-2,5", 0, &[]),
            ("18446744073709551615", 0, &[]),
            ("3,4,9", 3, &[3, 4, 9]),
        ] {
            let missing = plan(&there, selection, None).missing;
            let expected: Vec<_> = first.iter().map(|p| ChunkId::new(*p, 0)).collect();
            assert_eq!((missing.count, missing.first), (count, expected), "{selection}");
        }
        let missing = plan(&there, "0-18446744073709551615", None).missing;
        assert_eq!(missing.count, u64::MAX - 5);
        assert_eq!(missing.first.len(), ReadReport::MOST_KEYS);
    }

    #[test]
    fn an_absent_partition_is_named_with_its_key_and_what_is_there() {
        let demo = DatasetName::new("demo").unwrap();
        let there = present(&[(0, 0), (1, 0), (5, 0)]);
        let error = absent(ChunkId::new(3, 0), &there, None, &demo).to_string();
        assert!(error.contains("partition 3"), "{error}");
        assert!(error.contains("demo:{part=00003}:batch=00000"), "{error}");
        assert!(error.contains("0-1,5"), "{error}");
    }

    #[test]
    fn a_plan_that_no_memory_would_hold_is_refused() {
        let whole = 0..=u64::MAX;
        assert!(Plan::given(std::slice::from_ref(&whole), 8).is_err());
        assert_eq!(
            Plan::given(&[1..=2], 2).unwrap().chunks,
            ids(&[(1, 0), (1, 1), (2, 0), (2, 1)])
        );
    }
}
