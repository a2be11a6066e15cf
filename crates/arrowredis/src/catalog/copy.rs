//! VERB: a dataset under another name, or in another store, value by value.

use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};

use crate::budget::ByteBudget;
use crate::chunk::Chunk;
use crate::dataset::DatasetName;
use crate::error::{Error, OptionsError};
use crate::key::manifest_key;
use crate::manifest::{ChunkEntry, Manifest};
use crate::progress::{Progress, Work};
use crate::publish::{Planned, Publication, PublishOptions, Published};
use crate::read::{Edition, Mismatch, sound_value};
use crate::report::CopyReport;
use crate::store::{ChunkStore, Life};

use super::{Listed, find_listed, look_up};

/// Bytes of chunks that are on their way at once.
const BYTES_AT_ONCE: u64 = 64 << 20;

/// Chunks that are on their way at once.
const CHUNKS_AT_ONCE: usize = 256;

/// Copies a dataset without decoding it. Every value is checked against the manifest on its way.
///
/// The copy is a dataset of its own, published as a whole. It lives as long as the options say or, if
/// they do not, as long as the dataset still does.
///
/// # Errors
/// [`Error::Data`] when the name stands for no dataset with a manifest, a chunk is not as it was
/// written, or it was replaced meanwhile; [`Error::Publish`] when the copy's name is taken. Nothing
/// is published then.
pub async fn copy<S: ChunkStore, T: ChunkStore>(
    from: &S,
    name: &DatasetName,
    to: &T,
    copy: &DatasetName,
    options: &PublishOptions,
    progress: &dyn Progress,
) -> Result<CopyReport, Error> {
    let started = Instant::now();
    let Listed { dataset, fingerprint, manifest } = find_listed(from, name).await?;
    // One server may have several addresses, but no two writings have the same fingerprint.
    if look_up(to, copy).await?.fingerprint == fingerprint {
        return Err(OptionsError::SameDataset { dataset: dataset.to_string() }.into());
    }
    let (rows, bytes) = (manifest.rows(), manifest.bytes());
    let chunks = manifest.chunks.len() as u64;
    progress.planned(Work { chunks, rows, bytes });
    let mut options = options.clone();
    if options.time_to_live.is_none() {
        let life = from.lives(vec![manifest_key(&dataset)]).await?.pop().flatten();
        options.time_to_live = life.and_then(Life::left);
    }
    let publication = Publication::begin(to, copy, &options, &Planned { chunks, bytes }).await?;

    let (schema, codec) = (Arc::clone(&manifest.schema), manifest.codec);
    let edition = Edition { id: manifest.id, fingerprint, schema, codec };
    if let Err(error) = transfer(from, &dataset, &edition, &manifest, &publication, progress).await
    {
        publication.abandon().await;
        return Err(error);
    }
    let Published { manifest, replaced } =
        publication.publish(manifest.schema, manifest.codec).await?;
    Ok(CopyReport {
        dataset: dataset.to_string(),
        store: from.address().to_owned(),
        copy: copy.to_string(),
        copy_id: manifest.id,
        copy_store: to.address().to_owned(),
        replaced,
        rows,
        chunks,
        bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

async fn transfer<S: ChunkStore, T: ChunkStore>(
    from: &S,
    dataset: &DatasetName,
    edition: &Edition,
    manifest: &Manifest,
    publication: &Publication<T>,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let budget = &ByteBudget::new(BYTES_AT_ONCE);
    let mut staged = stream::iter(manifest.chunks.iter().copied())
        .then(|entry| async move {
            let permit = budget.acquire(entry.bytes).await;
            (entry, permit)
        })
        .map(|(entry, permit)| async move {
            let ChunkEntry { id, rows, checksum, .. } = entry;
            let value = sound_value(from, dataset, edition, &entry).await?;
            let value = value.map_err(Mismatch::into_error)?;
            let length = value.len();
            let payload = (vec![value], length).into();
            let staged = publication.stage(Chunk { id, rows, checksum, payload }).await?;
            drop(permit);
            Ok::<_, Error>(staged)
        })
        .buffer_unordered(CHUNKS_AT_ONCE)
        .boxed();
    while let Some(ChunkEntry { rows, bytes, .. }) = staged.try_next().await? {
        progress.done(Work { chunks: 1, rows, bytes });
    }
    Ok(())
}
