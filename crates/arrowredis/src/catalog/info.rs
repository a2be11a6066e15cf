//! VERB: all that is known of one dataset, and whether its chunks are there.

use std::collections::BTreeMap;

use crate::dataset::{ChunkId, DatasetName};
use crate::error::Error;
use crate::key::{chunk_key, claim_key, manifest_key, staged_key};
use crate::manifest::{ChunkEntry, Manifest};
use crate::publish::KEYS_AT_ONCE;
use crate::report::{ColumnInfo, InfoReport, PartitionInfo, ReadReport, State};
use crate::store::{ChunkStore, Life, StoreError};

use super::{Listed, find_listed};

/// Describes a dataset. Asks for the length of every chunk, but fetches none.
///
/// # Errors
/// [`Error::Data`] when the name stands for no dataset with a manifest.
pub async fn info<S: ChunkStore>(store: &S, name: &DatasetName) -> Result<InfoReport, Error> {
    let Listed { dataset, manifest, .. } = find_listed(store, name).await?;
    let key = manifest_key(&dataset);
    let there = presence(store, &dataset, &manifest).await?;
    let claim = store.get(vec![claim_key(&dataset)]).await?.pop().flatten();
    let life = store.lives(vec![key.clone()]).await?.pop().flatten();
    let memory = store.memory(vec![key]).await?.pop().flatten().unwrap_or_default();
    let now = store.now().await?;
    Ok(InfoReport {
        alias: (dataset != *name).then(|| name.to_string()),
        dataset: dataset.to_string(),
        dataset_id: manifest.id,
        store: store.address().to_owned(),
        state: there.state(),
        rows: manifest.rows(),
        chunks: manifest.chunks.len() as u64,
        bytes: manifest.bytes(),
        memory_bytes: memory.saturating_add(there.memory),
        codec: manifest.codec,
        created_ms: manifest.created,
        age_seconds: now.since(manifest.created).as_secs_f64(),
        writer: manifest.writer.clone(),
        time_to_live_seconds: life.and_then(Life::left).map(|left| left.as_secs_f64()),
        being_written_by: claim.map(|claim| String::from_utf8_lossy(&claim).into_owned()),
        columns: columns(&manifest),
        metadata: manifest.schema.metadata().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        partitions: partitions(&manifest),
        absent: there.absent,
        staged: there.staged,
        missing: there.missing,
    })
}

/// Which of a dataset's chunks are where.
#[derive(Debug, Default)]
pub(super) struct Presence {
    memory: u64,
    staged: u64,
    pub(super) absent: u64,
    missing: Vec<String>,
}

impl Presence {
    fn state(&self) -> State {
        if self.absent > 0 {
            State::Damaged
        } else if self.staged > 0 {
            State::WholeNotRenamed
        } else {
            State::Whole
        }
    }
}

/// Looks for every chunk under its own name and, if it is not there, under its staged one.
pub(super) async fn presence<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    manifest: &Manifest,
) -> Result<Presence, Error> {
    let mut there = Presence::default();
    for entries in manifest.chunks.chunks(KEYS_AT_ONCE) {
        let own = |entry: &ChunkEntry| chunk_key(dataset, entry.id);
        let astray = not_there(store, entries, own, &mut there.memory).await?;
        if astray.is_empty() {
            continue;
        }
        let staged = |entry: &ChunkEntry| staged_key(dataset, entry.id, manifest.id);
        let absent = not_there(store, &astray, staged, &mut there.memory).await?;
        // Renamed between the two looks.
        let absent = not_there(store, &absent, own, &mut there.memory).await?;
        there.staged += (astray.len() - absent.len()) as u64;
        there.absent += absent.len() as u64;
        let room = ReadReport::MOST_KEYS - there.missing.len();
        let keys = absent.iter().take(room).map(|entry| chunk_key(dataset, entry.id));
        there.missing.extend(keys);
    }
    Ok(there)
}

/// The chunks whose keys hold nothing of the right length. Adds up the memory of the others.
async fn not_there<S: ChunkStore>(
    store: &S,
    entries: &[ChunkEntry],
    key: impl Fn(&ChunkEntry) -> String,
    memory: &mut u64,
) -> Result<Vec<ChunkEntry>, Error> {
    let keys: Vec<_> = entries.iter().map(key).collect();
    let lengths = lengths(store, &keys).await?;
    let (mut absent, mut present) = (Vec::new(), Vec::new());
    for ((entry, key), length) in entries.iter().zip(keys).zip(lengths) {
        if length == Some(entry.bytes) {
            present.push(key);
        } else {
            absent.push(*entry);
        }
    }
    let used = store.memory(present).await?;
    *memory = used.into_iter().flatten().fold(*memory, u64::saturating_add);
    Ok(absent)
}

/// The lengths of values; none, too, where something else than a value is.
async fn lengths<S: ChunkStore>(store: &S, keys: &[String]) -> Result<Vec<Option<u64>>, Error> {
    match store.lengths(keys.to_vec()).await {
        Err(StoreError::NotAChunk { .. }) => {}
        lengths => return Ok(lengths?),
    }
    let mut lengths = Vec::with_capacity(keys.len());
    for key in keys {
        match store.lengths(vec![key.clone()]).await {
            Err(StoreError::NotAChunk { .. }) => lengths.push(None),
            length => lengths.extend(length?),
        }
    }
    Ok(lengths)
}

fn columns(manifest: &Manifest) -> Vec<ColumnInfo> {
    let column = |field: &arrow_schema::FieldRef| ColumnInfo {
        name: field.name().clone(),
        data_type: field.data_type().to_string(),
        nullable: field.is_nullable(),
        metadata: field.metadata().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    };
    manifest.schema.fields().iter().map(column).collect()
}

fn partitions(manifest: &Manifest) -> Vec<PartitionInfo> {
    let mut partitions: BTreeMap<_, PartitionInfo> = BTreeMap::new();
    for ChunkEntry { id: ChunkId { partition, .. }, rows, bytes, .. } in &manifest.chunks {
        let info = partitions.entry(*partition).or_insert_with(|| PartitionInfo {
            partition: partition.0,
            ..PartitionInfo::default()
        });
        info.chunks += 1;
        info.rows = info.rows.saturating_add(*rows);
        info.bytes = info.bytes.saturating_add(*bytes);
    }
    partitions.into_values().collect()
}
