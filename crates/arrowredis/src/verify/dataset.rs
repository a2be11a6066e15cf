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
use crate::dataset::DatasetName;
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
use crate::split::{Assigned, Form, Part, Partitioner, Survey, survey};
use crate::store::ChunkStore;

use super::compare::{Found, first_difference};
use super::pairing::{Pairing, Unpaired};
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

/// Compares a stored dataset with what a split of a file would store: the same rows in the same
/// batches, however they are compressed, wherever in the file they lie, and with
/// `max_chunk_bytes` of any size: a batch may be one chunk or divided into several.
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
    let edition = Edition { id: manifest.id, fingerprint, schema, codec: manifest.codec };

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
        let form = Form::kept(Arc::clone(&self.file));
        let assigned = partitioner.clone().assign(&source);
        let Survey { mut parts, first, work: all, .. } = survey(assigned, form).await?;
        partitioner.move_leading(&mut parts, first);
        let chunks = &self.manifest.chunks;
        progress.planned(Work { chunks: chunks.len() as u64, ..all });
        if let Some(entry) = Pairing::first_beyond(chunks, &parts) {
            let difference = Some(Difference::Chunk {
                key: chunk_key(&self.dataset, entry.id),
                file: "no such chunk".to_owned(),
                stored: format!("{} rows", entry.rows),
            });
            return Ok(Compared { difference, work });
        }
        drop(parts);

        let assigned = pipeline::produce(
            partitioner.starting_in(first).assign(&source),
            pipeline::ITEMS_AHEAD,
        );
        drop(source);
        let mut pairing = Pairing::new(chunks);
        let budget = &ByteBudget::new(BYTES_AT_ONCE);
        let mut compared = assigned
            .map_ok(|Assigned { id, part, .. }| {
                let entries = pairing.take(id.partition, part.rows()).map(|at| &chunks[at]);
                (part, entries)
            })
            .and_then(|(part, entries)| async move {
                let bytes = entries.as_ref().map_or(0, |entries| bytes_of(entries));
                let permit = budget.acquire(bytes).await;
                Ok((part, entries, permit))
            })
            .map_ok(|(part, entries, permit)| async move {
                let difference = self.compare_part(part, entries).await?;
                drop(permit);
                Ok(difference)
            })
            .try_buffered(pipeline::jobs())
            .boxed();
        while let Some(Compared { difference, work: some }) = compared.try_next().await? {
            progress.done(some);
            work += some;
            if difference.is_some() {
                return Ok(Compared { difference, work });
            }
        }
        Ok(Compared { difference: None, work })
    }

    /// A part of the file with the chunks that hold it.
    async fn compare_part(
        &self,
        part: Part,
        entries: Result<&[ChunkEntry], Unpaired>,
    ) -> Result<Compared, Error> {
        let mut work = Work::default();
        let entries = match entries {
            Ok(entries) => entries,
            Err(Unpaired { id, rows, stored }) => {
                let stored =
                    stored.map_or("no such chunk".to_owned(), |rows| format!("{rows} rows"));
                let (key, file) = (chunk_key(&self.dataset, id), format!("{rows} rows"));
                return Ok(Compared {
                    difference: Some(Difference::Chunk { key, file, stored }),
                    work,
                });
            }
        };
        let file = Arc::clone(&self.file);
        let in_file = pipeline::compute(move || part.decode(&file)).await?;
        let mut row = 0;
        for entry in entries {
            // The chunks' rows add up to those that are in memory.
            let rows = usize::try_from(entry.rows).unwrap_or(usize::MAX);
            let difference = self.compare_chunk(in_file.slice(row, rows), entry).await?;
            if difference.is_some() {
                return Ok(Compared { difference, work });
            }
            row += rows;
            work += Work { chunks: 1, rows: entry.rows, bytes: 0 };
        }
        Ok(Compared { difference: None, work })
    }

    async fn compare_chunk(
        &self,
        in_file: RecordBatch,
        entry: &ChunkEntry,
    ) -> Result<Option<Difference>, Error> {
        let key = chunk_key(&self.dataset, entry.id);
        let value = sound_value(self.store, &self.dataset, &self.edition, entry).await?;
        let value = value.map_err(Mismatch::into_error)?;
        let file = Arc::clone(&self.file);
        pipeline::compute(move || {
            let damaged = |source| DataError::Damaged { key: key.clone(), source };
            let content = ChunkContent::parse(value, None).map_err(damaged)?;
            let stored = content.decode().map_err(damaged)?;
            let schema = &content.schema.schema;
            let stored = concat_batches(schema, &stored)
                .map_err(IpcError::arrow("its batches cannot be joined"))
                .map_err(damaged)?;
            if stored.num_rows() != in_file.num_rows() {
                let expected = format!("{} rows, as the manifest says", in_file.num_rows());
                let found = stored.num_rows();
                return Err(damaged(IpcError::invalid("the value", 0, expected, found)).into());
            }
            let content = |source| FileError::Content { path: file.to_path_buf(), source };
            let found = differing(&in_file, &stored).map_err(content)?;
            Ok::<_, Error>(found.map(|Found { row, column, value1, value2 }| {
                Difference::StoredValue { key, row: row as u64, column, value1, value2 }
            }))
        })
        .await
    }
}

fn bytes_of(entries: &[ChunkEntry]) -> u64 {
    entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.bytes))
}

fn differing(in_file: &RecordBatch, stored: &RecordBatch) -> Result<Option<Found>, IpcError> {
    let plain = |batch| plain_batch(batch).map_err(IpcError::arrow("values cannot be compared"));
    let columns = in_file.schema();
    Ok(first_difference(&plain(in_file)?, &plain(stored)?, columns.fields()))
}
