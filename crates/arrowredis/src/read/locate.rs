//! Finds the chunks of a read and how long they are, before any is fetched.

use std::collections::BTreeSet;

use crate::dataset::{ChunkId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::chunk_key;
use crate::report::ReadReport;
use crate::store::ChunkStore;

use super::ReadOptions;
use super::plan::{Plan, absent};
use super::selection::Partitions;
use super::tally::Tally;

/// Keys that are spelled out in memory at once: a megabyte or so.
const KEYS_AT_ONCE: usize = 10_000;

/// A chunk that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) id: ChunkId,
    /// Length of its value.
    pub(super) bytes: u64,
}

/// The chunks of a read in reading order.
///
/// # Errors
/// Unless missing chunks are allowed: the first that is absent.
pub(super) async fn locate<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    options: &ReadOptions,
    tally: &Tally,
) -> Result<Vec<Located>, Error> {
    let (mut plan, mut present) = match (&options.partitions, options.batches) {
        (Partitions::Listed(ranges), Some(batches)) => {
            let mut plan = Plan::given(ranges, batches)?;
            plan.beyond = beyond(store, dataset, &plan.chunks, batches).await?;
            (plan, BTreeSet::new())
        }
        (selection, batches) => {
            let present = store.list(dataset).await?;
            if present.is_empty() && !options.allow_missing {
                return Err(no_dataset(store, dataset));
            }
            (Plan::from_list(&present, selection, batches), present)
        }
    };
    let expected = (plan.chunks.len() as u64).saturating_add(plan.missing.count);

    let mut located = Vec::with_capacity(plan.chunks.len());
    for ids in plan.chunks.chunks(KEYS_AT_ONCE) {
        let keys = ids.iter().map(|id| chunk_key(dataset, *id)).collect();
        for (id, length) in ids.iter().zip(store.lengths(keys).await?) {
            match length {
                Some(bytes) => located.push(Located { id: *id, bytes }),
                None => plan.missing.add(*id),
            }
        }
    }
    if !options.allow_missing
        && let Some(first) = plan.missing.first.iter().min()
    {
        if present.is_empty() {
            present = store.list(dataset).await?;
        }
        if present.is_empty() {
            return Err(no_dataset(store, dataset));
        }
        return Err(absent(*first, &present, options.batches, dataset).into());
    }
    tracing::info!(expected, present = located.len(), missing = plan.missing.count, "planned");
    tally.expected(expected);
    plan.missing.first.iter().for_each(|id| tally.missing(chunk_key(dataset, *id)));
    tally.beyond(plan.beyond.iter().map(|id| chunk_key(dataset, *id)).collect());
    Ok(located)
}

/// The chunks that follow the last one asked for, in the partitions that have one.
async fn beyond<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    chunks: &[ChunkId],
    batches: u32,
) -> Result<Vec<ChunkId>, Error> {
    let next = chunks.iter().filter(|id| id.batch.0 == 0).map(|id| id.partition.0);
    let next: Vec<_> = next
        .take(ReadReport::MOST_KEYS)
        .map(|partition| ChunkId::new(partition, batches))
        .collect();
    let lengths = store.lengths(next.iter().map(|id| chunk_key(dataset, *id)).collect()).await?;
    let there = next.into_iter().zip(lengths).filter(|(_, length)| length.is_some());
    Ok(there.map(|(id, _)| id).collect())
}

fn no_dataset<S: ChunkStore>(store: &S, dataset: &DatasetName) -> Error {
    let key = chunk_key(dataset, ChunkId::new(0, 0));
    let (dataset, store) = (dataset.to_string(), store.address().to_owned());
    DataError::NoDataset { dataset, store, key }.into()
}
