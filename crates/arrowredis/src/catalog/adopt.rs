//! VERB: a manifest for chunks that another program stored.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use futures::{StreamExt, TryStreamExt, stream};

use crate::budget::ByteBudget;
use crate::checksum::Checksum;
use crate::chunk::ChunkContent;
use crate::dataset::{ChunkId, DatasetId, DatasetName};
use crate::error::{DataError, Error, OptionsError};
use crate::ipc::Codec;
use crate::key::{chunk_key, manifest_key};
use crate::manifest::{ChunkEntry, Entry, Fingerprint, Manifest, StoredCodec};
use crate::pipeline;
use crate::progress::{Progress, Work};
use crate::publish::{Claim, KEYS_AT_ONCE, PublishError, Steps, Transition, WRITER};
use crate::report::AdoptReport;
use crate::schema_difference::schema_difference;
use crate::store::{Change, ChunkStore};

use super::{Standing, Unlisted, look_up};

/// Bytes of chunks that are looked at at once.
const BYTES_AT_ONCE: u64 = 64 << 20;

/// Chunks that are looked at at once.
const CHUNKS_AT_ONCE: usize = 64;

/// Reads every chunk that stands under a dataset's own names and writes the manifest that lists
/// them, so that from now on every change of them is seen. A damaged manifest is replaced.
///
/// If chunks have a time to live, all get the shortest one, as the keys of a dataset do.
///
/// # Errors
/// [`Error::Data`] when there is no chunk, a gap between two, one that is damaged, one with another
/// schema, or one that was published and lost its manifest before it had its own name;
/// [`Error::Options`] when there is a manifest that is whole.
pub async fn adopt<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    progress: &dyn Progress,
) -> Result<AdoptReport, Error> {
    let id = DatasetId::random().map_err(PublishError::Random)?;
    let mut claim = Claim::take(store, dataset, id).await?;
    let adopted = adopt_claimed(store, dataset, &claim, progress).await;
    claim.release().await;
    adopted
}

async fn adopt_claimed<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    claim: &Claim<S>,
    progress: &dyn Progress,
) -> Result<AdoptReport, Error> {
    let (started, id) = (Instant::now(), claim.id());
    let key = manifest_key(dataset);
    let fingerprint = unadopted(store, dataset).await?;
    let ids = Unlisted::look(store, dataset).await?.into_chunks()?;
    check_listed(store, dataset, &ids)?;
    progress.planned(Work { chunks: ids.len() as u64, rows: 0, bytes: 0 });

    let (schema, codec, chunks) = describe(store, dataset, &ids, progress).await?;
    let manifest = Manifest {
        id,
        schema,
        codec,
        created: store.now().await?,
        writer: WRITER.to_owned(),
        time_to_live: None,
        chunks,
    };
    let report = AdoptReport {
        dataset: dataset.to_string(),
        dataset_id: id,
        store: store.address().to_owned(),
        partitions: manifest.partitions().len() as u64,
        rows: manifest.rows(),
        chunks: manifest.chunks.len() as u64,
        bytes: manifest.bytes(),
        codec,
        seconds: 0.0,
    };
    let until = shortest_life(store, dataset, &ids).await?.map(|life| manifest.created.after(life));
    let value = Entry::Dataset(manifest).encode().map_err(Error::Encode)?;
    let fingerprint_now = Fingerprint::of(&value);
    let commit = vec![Change::Put { key: key.clone(), value: value.into(), until }];
    let expire = |id| Change::Expire { key: chunk_key(dataset, id), until };
    let before = until.map(|_| ids.iter().copied().map(expire).collect()).unwrap_or_default();
    let steps = Steps { before, commit, ..Steps::default() };
    let mut transition = Transition::claimed(claim, steps);
    if !transition.commit(&fingerprint).await? || !transition.tidy(&fingerprint_now).await? {
        return Err(PublishError::Overtaken { dataset: dataset.to_string(), key }.into());
    }
    Ok(AdoptReport { seconds: started.elapsed().as_secs_f64(), ..report })
}

/// What stands under the manifest's key, if that is no manifest that can be used.
async fn unadopted<S: ChunkStore>(store: &S, dataset: &DatasetName) -> Result<Fingerprint, Error> {
    let Standing { fingerprint, entry } = look_up(store, dataset).await?;
    match entry {
        Ok(None) | Err(DataError::Manifest { .. }) => Ok(fingerprint),
        Ok(Some(Entry::Dataset(_))) => {
            let (dataset, key) = (dataset.to_string(), manifest_key(dataset));
            Err(OptionsError::Adopted { dataset, key }.into())
        }
        Ok(Some(Entry::Alias(target))) => {
            let (alias, dataset) = (dataset.to_string(), target.to_string());
            Err(PublishError::Alias { alias, dataset }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// There must be chunks, and in each partition none may be absent before another.
fn check_listed<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    ids: &BTreeSet<ChunkId>,
) -> Result<(), DataError> {
    if ids.is_empty() {
        let (key, store) = (chunk_key(dataset, ChunkId::new(0, 0)), store.address().to_owned());
        return Err(DataError::NoDataset { dataset: dataset.to_string(), store, key });
    }
    let mut before: Option<ChunkId> = None;
    for id in ids {
        let expected = match before {
            Some(before) if before.partition == id.partition => before.batch.0 + 1,
            _ => 0,
        };
        if id.batch.0 != expected {
            let key = chunk_key(dataset, ChunkId::new(id.partition.0, expected));
            let why = format!("partition {} has batches after it", id.partition);
            return Err(DataError::Missing { key, why });
        }
        before = Some(*id);
    }
    Ok(())
}

/// Reads all chunks: the schema that they share, how they are compressed, and one entry each.
async fn describe<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    ids: &BTreeSet<ChunkId>,
    progress: &dyn Progress,
) -> Result<(SchemaRef, StoredCodec, Vec<ChunkEntry>), Error> {
    let budget = &ByteBudget::new(BYTES_AT_ONCE);
    let lengths = lengths(store, dataset, ids).await?;
    let mut described = stream::iter(ids.iter().copied().zip(lengths))
        .then(|(id, length)| async move {
            let permit = budget.acquire(length).await;
            (id, permit)
        })
        .map(|(id, permit)| async move {
            let key = chunk_key(dataset, id);
            let Some(value) = store.get(vec![key.clone()]).await?.pop().flatten() else {
                let why = "it was there a moment ago".to_owned();
                return Err(DataError::Missing { key, why }.into());
            };
            let described = pipeline::compute(move || describe_one(id, value, key)).await;
            drop(permit);
            described
        })
        .buffered(CHUNKS_AT_ONCE)
        .boxed();

    let mut chunks = Vec::with_capacity(ids.len());
    let mut first: Option<(SchemaRef, String, StoredCodec)> = None;
    while let Some((entry, schema, codecs)) = described.try_next().await? {
        let key = chunk_key(dataset, entry.id);
        let own = codecs.first().copied().unwrap_or(Codec::Uncompressed);
        let (shared, named, codec) =
            first.get_or_insert_with(|| (Arc::clone(&schema), key.clone(), StoredCodec::All(own)));
        if let Some(difference) = schema_difference(shared, &schema) {
            let first = named.clone();
            return Err(DataError::SchemaDiffers { key, first, difference }.into());
        }
        *codec = codecs.into_iter().fold(*codec, StoredCodec::and);
        progress.done(Work { chunks: 1, rows: entry.rows, bytes: entry.bytes });
        chunks.push(entry);
    }
    let (schema, _, codec) = first.expect("there is a chunk: `check_listed` saw to it");
    Ok((schema, codec, chunks))
}

fn describe_one(
    id: ChunkId,
    value: Buffer,
    key: String,
) -> Result<(ChunkEntry, SchemaRef, Vec<Codec>), DataError> {
    let (bytes, checksum) = (value.len() as u64, Checksum::of(&value));
    let damaged = |source| DataError::Damaged { key, source };
    let content = ChunkContent::parse(value, None).and_then(|content| {
        // What cannot be decoded must not be vouched for.
        content.decode().map(|_| content)
    });
    let content = content.map_err(damaged)?;
    let entry = ChunkEntry { id, rows: content.rows(), bytes, checksum };
    let codecs = content.blocks.iter().map(|block| block.codec()).collect();
    Ok((entry, Arc::clone(&content.schema.schema), codecs))
}

async fn lengths<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    ids: &BTreeSet<ChunkId>,
) -> Result<Vec<u64>, Error> {
    let ids: Vec<_> = ids.iter().collect();
    let mut all = Vec::with_capacity(ids.len());
    for ids in ids.chunks(KEYS_AT_ONCE) {
        let keys = ids.iter().map(|id| chunk_key(dataset, **id)).collect();
        // One that has gone is found out when it is fetched.
        all.extend(store.lengths(keys).await?.into_iter().map(Option::unwrap_or_default));
    }
    Ok(all)
}

/// The shortest time that a chunk will live, if one does not live for ever.
async fn shortest_life<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    ids: &BTreeSet<ChunkId>,
) -> Result<Option<Duration>, Error> {
    let ids: Vec<_> = ids.iter().collect();
    let mut shortest: Option<Duration> = None;
    for ids in ids.chunks(KEYS_AT_ONCE) {
        let keys = ids.iter().map(|id| chunk_key(dataset, **id)).collect();
        for life in store.lives(keys).await?.into_iter().flatten() {
            shortest = shortest.into_iter().chain(life.left()).min();
        }
    }
    Ok(shortest)
}
