//! VERB: the datasets and aliases of a store.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use crate::clock::Timestamp;
use crate::dataset::DatasetName;
use crate::error::Error;
use crate::glob::{matches, widened};
use crate::key::{manifest_key, manifest_pattern, parse_manifest_key};
use crate::manifest::Entry;
use crate::report::{ListReport, ListedEntry, ListedKind};
use crate::store::{ChunkStore, Life, StoreError};

use super::decode;

/// Manifests on their way at once. One of 100,000 chunks is 3.6 MB.
const MANIFESTS_AT_ONCE: usize = 8;

/// Lists the datasets and aliases whose names match a pattern, by name.
///
/// A pattern is one of Redis: `*` any characters, `?` any one, `[abc]` one of some, `\` before what
/// is meant as it stands. All keys' names are looked at, some at a time; only manifests are fetched.
/// Datasets without one are not listed.
///
/// # Errors
/// [`Error::Store`] when the store fails. A manifest that cannot be read is listed as such.
pub async fn list<S: ChunkStore>(store: &S, pattern: &str) -> Result<ListReport, Error> {
    let keys = store.keys(&manifest_pattern(&widened(pattern))).await?;
    let now = store.now().await?;
    let names: BTreeSet<_> = keys
        .iter()
        .filter_map(|key| parse_manifest_key(key))
        .filter(|name| matches(pattern, name.as_str()))
        .collect();
    let entries: Vec<Option<ListedEntry>> = stream::iter(names)
        .map(|name| describe(store, name, now))
        .buffered(MANIFESTS_AT_ONCE)
        .try_collect()
        .await?;
    let entries = entries.into_iter().flatten().collect();
    Ok(ListReport { store: store.address().to_owned(), entries })
}

/// What stands under a name, as [`list`] shows it; `None` if nothing does.
///
/// # Errors
/// [`Error::Store`] when the store fails.
pub async fn look<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
) -> Result<Option<ListedEntry>, Error> {
    describe(store, name.clone(), store.now().await?).await
}

async fn describe<S: ChunkStore>(
    store: &S,
    name: DatasetName,
    now: Timestamp,
) -> Result<Option<ListedEntry>, Error> {
    let key = vec![manifest_key(&name)];
    let value = match store.get(key.clone()).await {
        Err(StoreError::NotAChunk { .. }) => {
            let what = "expected a string value, found another type of key".to_owned();
            let kind = ListedKind::Unreadable { what };
            return Ok(Some(ListedEntry { name: name.to_string(), kind }));
        }
        found => found?.pop().flatten(),
    };
    let Some(value) = value else { return Ok(None) };
    let life = store.lives(key).await?.pop().flatten();
    let time_to_live_seconds = life.and_then(Life::left).map(|left| left.as_secs_f64());
    let kind = match decode(value).await? {
        Ok(Entry::Alias(dataset)) => ListedKind::Alias { dataset: dataset.to_string() },
        Ok(Entry::Dataset(manifest)) => ListedKind::Dataset {
            dataset_id: manifest.id,
            rows: manifest.rows(),
            partitions: manifest.partitions().len() as u64,
            chunks: manifest.chunks.len() as u64,
            bytes: manifest.bytes(),
            codec: manifest.codec,
            created_ms: manifest.created,
            age_seconds: now.since(manifest.created).as_secs_f64(),
            time_to_live_seconds,
        },
        Err(error) => ListedKind::Unreadable { what: error.to_string() },
    };
    Ok(Some(ListedEntry { name: name.to_string(), kind }))
}
