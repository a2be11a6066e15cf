//! VERB: a stored dataset compared with its own manifest, or with the file that it was split from.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use futures::{StreamExt, TryStreamExt};

use crate::budget::ByteBudget;
use crate::catalog::{Listed, find_listed};
use crate::chunk::ChunkContent;
use crate::dataset::{ChunkId, DatasetName};
use crate::error::{DataError, Error, FileError};
use crate::ipc::IpcError;
use crate::ipc::source::Source;
use crate::key::chunk_key;
use crate::manifest::{ChunkEntry, Manifest};
use crate::pipeline;
use crate::progress::{Progress, Work};
use crate::read::{Edition, Mismatch, ReadOptions, Reading, sound_value};
use crate::report::{DatasetVerifyReport, Difference, VerifyReport};
use crate::schema_difference::schema_difference;
use crate::split::{Assigned, Partitioner, Survey, survey};
use crate::store::ChunkStore;

use super::compare::{Found, first_difference};
use super::plain::{plain_batch, plain_schema};

/// Bytes of chunks that are compared with a file at once.
const BYTES_AT_ONCE: u64 = 64 << 20;

/// Reads every chunk of a dataset and checks it against the manifest: length, checksum, rows,
/// schema, and that it can be decoded.
///
/// # Errors
/// [`Error::Data`] when there is no manifest, or the dataset is replaced while it is read. Chunks
/// that are absent or not as they were written are a result, not an error.
pub async fn verify_dataset<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
    progress: &dyn Progress,
) -> Result<DatasetVerifyReport, Error> {
    find_listed(store, name).await?;
    let options = ReadOptions { allow_missing: true, ..ReadOptions::default() };
    let report = Reading::discard(store, name, &options, progress).await?;
    Ok(DatasetVerifyReport {
        dataset: report.dataset,
        dataset_id: report.dataset_id,
        store: report.store,
        whole: report.chunks_present == report.chunks_expected,
        rows: report.rows,
        chunks: report.chunks_present,
        chunks_expected: report.chunks_expected,
        bytes: report.bytes,
        missing: report.missing,
        damaged: report.damaged,
        seconds: report.seconds,
    })
}

/// Compares a stored dataset with what a split of a file would store: the same chunks, each with
/// the same rows, however they are compressed and wherever in the file they lie.
///
/// `batches` is what [`crate::split::SplitOptions`] says. The file must not change until this
/// returns or, if the future is dropped, for a moment longer.
///
/// # Errors
/// [`Error::File`] when the file is not whole Arrow IPC; [`Error::Data`] when there is no manifest,
/// a chunk is not as it was written, or the dataset is replaced meanwhile. A difference is a
/// result, not an error.
pub async fn verify_dataset_with_file<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
    file: &Path,
    batches: Option<u32>,
    progress: &dyn Progress,
) -> Result<VerifyReport, Error> {
    let started = Instant::now();
    let Listed { dataset, fingerprint, manifest } = find_listed(store, name).await?;
    let schema = Arc::clone(&manifest.schema);
    let edition = Edition { id: manifest.id, fingerprint, schema };

    let path = file.to_owned();
    let (source, unmapped) = pipeline::run(move || Source::open(&path)).await?;
    let bytes = manifest.bytes();
    let sides = Sides { store, dataset, edition, manifest, file: file.into() };
    let compared = sides.compare(source, batches, progress).await;
    unmapped.wait().await;
    let Compared { difference, work } = compared?;
    Ok(VerifyReport {
        equal: difference.is_none(),
        difference,
        rows: work.rows,
        chunks: work.chunks,
        bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A stored dataset and a file.
struct Sides<'a, S> {
    store: &'a S,
    dataset: DatasetName,
    edition: Edition,
    manifest: Manifest,
    file: Arc<Path>,
}

/// The first difference, in file order, and what was equal before it.
struct Compared {
    difference: Option<Difference>,
    work: Work,
}

impl<S: ChunkStore> Sides<'_, S> {
    async fn compare(
        &self,
        source: Source,
        batches: Option<u32>,
        progress: &dyn Progress,
    ) -> Result<Compared, Error> {
        let mut work = Work::default();
        let schemas = [&self.manifest.schema, source.schema()].map(|schema| plain_schema(schema));
        if let Some(what) = schema_difference(&schemas[1], &schemas[0]) {
            let difference = Some(Difference::Schema { what });
            return Ok(Compared { difference, work });
        }
        let partitioner = Partitioner::new(source.schema(), batches, &self.file);
        let assigned = pipeline::produce(partitioner.clone().assign(&source));
        let Survey { ids, first, work: all, .. } = survey(assigned, None).await?;
        progress.planned(all);
        if let Some(difference) = self.first_beyond(ids) {
            return Ok(Compared { difference: Some(difference), work });
        }

        let assigned = pipeline::produce(partitioner.starting_in(first).assign(&source));
        drop(source);
        let budget = &ByteBudget::new(BYTES_AT_ONCE);
        let mut compared = assigned
            .and_then(|assigned| async move {
                let entry = self.entry(assigned.id);
                let permit = budget.acquire(entry.map_or(0, |entry| entry.bytes)).await;
                Ok((assigned, permit))
            })
            .map_ok(|(assigned, permit)| async move {
                let rows = assigned.part.rows();
                let difference = self.compare_chunk(assigned).await?;
                drop(permit);
                Ok((rows, difference))
            })
            .try_buffered(pipeline::cores() * 2)
            .boxed();
        while let Some((rows, difference)) = compared.try_next().await? {
            if difference.is_some() {
                return Ok(Compared { difference, work });
            }
            let some = Work { chunks: 1, rows, bytes: 0 };
            progress.done(some);
            work += some;
        }
        Ok(Compared { difference: None, work })
    }

    fn entry(&self, id: ChunkId) -> Option<ChunkEntry> {
        let chunks = &self.manifest.chunks;
        chunks.binary_search_by_key(&id, |entry| entry.id).ok().map(|at| chunks[at])
    }

    /// The first chunk that is stored and that no split of the file would store.
    fn first_beyond(&self, mut in_file: Vec<ChunkId>) -> Option<Difference> {
        in_file.sort_unstable();
        let beyond =
            self.manifest.chunks.iter().find(|entry| in_file.binary_search(&entry.id).is_err())?;
        Some(Difference::Chunk {
            key: chunk_key(&self.dataset, beyond.id),
            file: "no such chunk".to_owned(),
            stored: format!("{} rows", beyond.rows),
        })
    }

    async fn compare_chunk(&self, assigned: Assigned) -> Result<Option<Difference>, Error> {
        let (id, rows) = (assigned.id, assigned.part.rows());
        let key = chunk_key(&self.dataset, id);
        let differ = |stored: String| {
            let (key, file) = (key.clone(), format!("{rows} rows"));
            Ok(Some(Difference::Chunk { key, file, stored }))
        };
        let Some(entry) = self.entry(id) else { return differ("no such chunk".to_owned()) };
        if entry.rows != rows {
            return differ(format!("{} rows", entry.rows));
        }
        let value = sound_value(self.store, &self.dataset, &self.edition, &entry).await?;
        let value = value.map_err(Mismatch::into_error)?;
        let file = Arc::clone(&self.file);
        pipeline::run(move || {
            let damaged = |source| DataError::Damaged { key: key.clone(), source };
            let content = ChunkContent::parse(value, None).map_err(damaged)?;
            let stored = content.decode().map_err(damaged)?;
            let schema = &content.schema.schema;
            let stored = concat_batches(schema, &stored)
                .map_err(IpcError::arrow("its batches cannot be joined"))
                .map_err(damaged)?;
            let content = |source| FileError::Content { path: file.to_path_buf(), source };
            let found = differing(&assigned.part.decode(&file)?, &stored).map_err(content)?;
            Ok::<_, Error>(found.map(|Found { row, column, value1, value2 }| {
                Difference::StoredValue { key, row: row as u64, column, value1, value2 }
            }))
        })
        .await
    }
}

fn differing(in_file: &RecordBatch, stored: &RecordBatch) -> Result<Option<Found>, IpcError> {
    let plain = |batch| plain_batch(batch).map_err(IpcError::arrow("values cannot be compared"));
    let columns = in_file.schema();
    Ok(first_difference(&plain(in_file)?, &plain(stored)?, columns.fields()))
}
