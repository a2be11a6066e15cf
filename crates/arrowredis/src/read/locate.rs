//! Finds the chunks of a read and how long they are, before any is fetched.

use std::collections::BTreeSet;

use arrow_schema::SchemaRef;

use crate::catalog::{self, Found, Unlisted, is_removed};
use crate::dataset::{ChunkId, DatasetId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::{chunk_key, manifest_key};
use crate::manifest::{ChunkEntry, Fingerprint, Manifest, StoredCodec};
use crate::publish::KEYS_AT_ONCE;
use crate::report::ReadReport;
use crate::store::ChunkStore;

use super::ReadOptions;
use super::plan::{Plan, absent};
use super::selection::Partitions;
use super::tally::Tally;

/// A chunk that is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) id: ChunkId,
    /// Length of its value.
    pub(super) bytes: u64,
    /// What the manifest says of it, if there is one.
    pub(super) entry: Option<ChunkEntry>,
}

/// One writing of a dataset, with which a read stays.
#[derive(Debug, Clone)]
pub(crate) struct Edition {
    pub(crate) id: DatasetId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) schema: SchemaRef,
    pub(crate) codec: StoredCodec,
}

/// What was found where there is no manifest, to be compared with what is there at the end.
#[derive(Debug)]
pub(super) struct Unlisting {
    /// Whether what is left of a dataset was there, too.
    sign: bool,
    chunks: Vec<Located>,
}

impl Unlisting {
    /// Fails unless there still is no manifest, and the chunks are those of before.
    ///
    /// # Errors
    /// [`DataError::Replaced`] when a dataset was published or removed meanwhile.
    pub(super) async fn still_is<S: ChunkStore>(
        &self,
        store: &S,
        dataset: &DatasetName,
    ) -> Result<(), Error> {
        let key = manifest_key(dataset);
        let manifest = store.lengths(vec![key.clone()]).await?.pop().flatten();
        if manifest.is_some() || is_removed(store, dataset).await? != self.sign {
            return Err(replaced(dataset, key).into());
        }
        for chunks in self.chunks.chunks(KEYS_AT_ONCE) {
            let keys = chunks.iter().map(|chunk| chunk_key(dataset, chunk.id)).collect();
            let lengths = store.lengths(keys).await?;
            let other = chunks.iter().zip(lengths).find(|(chunk, now)| *now != Some(chunk.bytes));
            if let Some((chunk, _)) = other {
                return Err(replaced(dataset, chunk_key(dataset, chunk.id)).into());
            }
        }
        Ok(())
    }
}

fn replaced(dataset: &DatasetName, key: String) -> DataError {
    let (dataset, id) = (dataset.to_string(), "one without a manifest".to_owned());
    DataError::Replaced { dataset, key, id }
}

/// What a read will fetch.
#[derive(Debug)]
pub(super) struct Target {
    /// The dataset, after an alias was followed.
    pub(super) dataset: DatasetName,
    /// `None` when it has no manifest.
    pub(super) edition: Option<Edition>,
    /// What was found instead.
    pub(super) unlisted: Option<Unlisting>,
    /// In reading order.
    pub(super) chunks: Vec<Located>,
}

/// The chunks of a read: those of the manifest, or without one those that are there.
///
/// # Errors
/// Unless missing chunks are allowed: the first that is absent.
pub(super) async fn locate<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
    options: &ReadOptions,
    tally: &Tally,
) -> Result<Target, Error> {
    let Found { dataset, fingerprint, manifest } = catalog::find(store, name).await?;
    let Some(manifest) = manifest else {
        let sign = is_removed(store, &dataset).await?;
        let chunks = locate_unlisted(store, &dataset, options, sign, tally).await;
        // What was found is only worth something if no dataset was published or removed meanwhile.
        let found = Unlisting { sign, chunks: chunks.as_ref().map(Vec::clone).unwrap_or_default() };
        found.still_is(store, &dataset).await?;
        return Ok(Target { dataset, edition: None, unlisted: Some(found), chunks: chunks? });
    };
    tally.edition(&dataset, manifest.id);
    let chunks = locate_listed(&dataset, &manifest, options, tally)?;
    let Manifest { id, schema, codec, .. } = manifest;
    let edition = Edition { id, fingerprint, schema, codec };
    Ok(Target { dataset, edition: Some(edition), unlisted: None, chunks })
}

/// What a manifest lists, which asks the store nothing.
fn locate_listed(
    dataset: &DatasetName,
    manifest: &Manifest,
    options: &ReadOptions,
    tally: &Tally,
) -> Result<Vec<Located>, Error> {
    let there: BTreeSet<_> = manifest.chunks.iter().map(|chunk| chunk.id).collect();
    let plan = Plan::from_list(&there, &options.partitions, options.batches);
    if !options.allow_missing
        && let Some(first) = plan.missing.first.iter().min()
    {
        return Err(absent(*first, &there, options.batches, dataset).into());
    }
    announce(dataset, &plan, plan.chunks.len(), tally);
    let mut entries = manifest.chunks.iter();
    let located = plan.chunks.into_iter().filter_map(|id| {
        // Both are in ascending order, and what is planned was taken from the manifest.
        let entry = *entries.find(|entry| entry.id == id)?;
        Some(Located { id, bytes: entry.bytes, entry: Some(entry) })
    });
    Ok(located.collect())
}

/// What is there without a manifest, found by looking for it.
async fn locate_unlisted<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    options: &ReadOptions,
    sign: bool,
    tally: &Tally,
) -> Result<Vec<Located>, Error> {
    let (mut plan, mut present) = match (&options.partitions, options.batches) {
        // Where something was left behind, only listing tells what is whose.
        (Partitions::Listed(ranges), Some(batches)) if !sign => {
            let mut plan = Plan::given(ranges, batches)?;
            plan.beyond = beyond(store, dataset, &plan.chunks, batches).await?;
            (plan, BTreeSet::new())
        }
        (selection, batches) => {
            let present = Unlisted::look(store, dataset).await?.into_chunks()?;
            if present.is_empty() && !options.allow_missing {
                return Err(no_dataset(store, dataset));
            }
            (Plan::from_list(&present, selection, batches), present)
        }
    };

    let mut located = Vec::with_capacity(plan.chunks.len());
    for ids in plan.chunks.chunks(KEYS_AT_ONCE) {
        let keys = ids.iter().map(|id| chunk_key(dataset, *id)).collect();
        for (id, length) in ids.iter().zip(store.lengths(keys).await?) {
            match length {
                Some(bytes) => located.push(Located { id: *id, bytes, entry: None }),
                None => plan.missing.add(*id),
            }
        }
    }
    if !options.allow_missing
        && let Some(first) = plan.missing.first.iter().min()
    {
        if present.is_empty() {
            present = Unlisted::look(store, dataset).await?.into_chunks()?;
        }
        if present.is_empty() {
            return Err(no_dataset(store, dataset));
        }
        return Err(absent(*first, &present, options.batches, dataset).into());
    }
    announce(dataset, &plan, located.len(), tally);
    Ok(located)
}

fn announce(dataset: &DatasetName, plan: &Plan, present: usize, tally: &Tally) {
    let absent_later = (plan.chunks.len() - present) as u64;
    let missing = plan.missing.count - absent_later;
    let expected = (plan.chunks.len() as u64).saturating_add(missing);
    tracing::info!(expected, present, missing = plan.missing.count, "planned");
    tally.expected(expected);
    plan.missing.first.iter().for_each(|id| tally.missing(chunk_key(dataset, *id)));
    tally.beyond(plan.beyond.iter().map(|id| chunk_key(dataset, *id)).collect());
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
