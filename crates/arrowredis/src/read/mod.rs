//! VERB: partitions of a dataset, out of a store and back into Arrow.
//!
//! [`read_batches`] is the way all others take: a plan of what is there, then chunks fetched and
//! decoded ahead of the caller within a byte budget, handed out in order.

mod fetch;
mod found;
mod locate;
mod output;
mod plan;
mod recheck;
mod restart;
mod selection;
mod tally;

use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::dataset::DatasetName;
use crate::error::{DataError, Error};
use crate::ipc::Codec;
use crate::progress::{Progress, Unwatched, Work};
use crate::report::ReadReport;
use crate::store::ChunkStore;

use fetch::ReadChunk;
use locate::locate;
use output::{file_output, stream_output};
use restart::Restarts;
use tally::Tally;

pub(crate) use locate::Edition;
pub(crate) use recheck::{Mismatch, sound_value};

pub use selection::Partitions;

/// What to read, and how.
///
/// # Defaults
/// All partitions and all batches that are there, nothing missing, up to 64 small chunks a
/// request, up to 256 requests and 128 MiB at once.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The partitions to read.
    pub partitions: Partitions,
    /// How many batches each partition must have; `None` takes those that are there.
    pub batches: Option<u32>,
    /// Whether chunks that are absent, or not what the manifest says, are left out and reported
    /// instead of being an error.
    pub allow_missing: bool,
    /// Most chunks in one request, 1 or more. Large chunks travel alone whatever this says.
    pub pipeline: usize,
    /// Most requests at once, 1 or more.
    pub concurrency: usize,
    /// Bytes held at once: half of it for values that are fetched and not yet decoded, half for
    /// what they decode to and has not been taken yet. Uncompressed values are used where they
    /// lie and count as fetched until they are taken. One that is larger goes alone.
    pub byte_budget: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            partitions: Partitions::All,
            batches: None,
            allow_missing: false,
            pipeline: 64,
            concurrency: 256,
            // Several chunks of a few MB in flight keep the wire busy, and as much again keeps
            // the cores busy with decoding.
            byte_budget: 128 << 20,
        }
    }
}

/// A dataset's rows in memory.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The schema; `None` when there is no manifest and no chunk was present.
    pub schema: Option<SchemaRef>,
    /// The batches, in (partition, batch) order.
    pub batches: Vec<RecordBatch>,
}

/// Reads into memory.
///
/// If the dataset is replaced meanwhile it begins anew, so that the table is all of one writing.
///
/// # Errors
/// [`Error::Data`] when a chunk is absent or damaged, [`Error::Store`] when the store fails.
pub async fn read_table<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    options: &ReadOptions,
    progress: &dyn Progress,
) -> Result<(Table, ReadReport), Error> {
    let mut restarts = Restarts::default();
    loop {
        let reading = Reading::start(store, dataset, options, progress, &restarts);
        let read = match reading.await {
            Ok(reading) => reading.into_table(progress).await,
            Err(error) => Err(error),
        };
        match read {
            Err(error) if restarts.another_one(&error) => {}
            read => return read,
        }
    }
}

/// Reads as a stream of batches, in (partition, batch) order.
///
/// Within [`ReadOptions::byte_budget`] it fetches and decodes ahead of the caller while it is
/// polled. Returns once the first chunk is decoded.
///
/// Buffers that were compressed lie next to those of other batches, up to 16 MiB in one piece, which is
/// given back when the last batch with a part in it is dropped. Who keeps a few batches of many for long
/// should copy their rows.
///
/// # Errors
/// As [`read_table`], here or as an item of the stream, which ends after it. [`DataError::Replaced`]
/// when the dataset is replaced after the first batch was handed out: what was handed out is all of
/// the old one.
pub async fn read_batches<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    options: &ReadOptions,
) -> Result<BatchStream, Error> {
    // Whoever takes the batches sees by them how far it is.
    let (reading, schema) = Reading::begin(store, dataset, options, &Unwatched).await?;
    let batches = reading
        .chunks
        .map_ok(|some| {
            let batches = some.into_iter().flat_map(|chunk| chunk.batches);
            futures::stream::iter(batches.map(Ok))
        })
        .try_flatten()
        .boxed();
    Ok(BatchStream { schema, batches, tally: reading.tally })
}

/// Reads into an Arrow IPC file, which appears under its name when it is whole.
///
/// `compression` of `None` keeps the chunks' own, and forwards their messages where it can. If the
/// dataset is replaced meanwhile it begins anew.
///
/// # Errors
/// As [`read_table`], and [`Error::File`] when the file cannot be written.
pub async fn read_to_file<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    out: &Path,
    compression: Option<Codec>,
    options: &ReadOptions,
    progress: &dyn Progress,
) -> Result<ReadReport, Error> {
    let mut restarts = Restarts::default();
    loop {
        let output = file_output(out)?;
        let path = output.path().map(Path::to_owned);
        let reading = Reading::start(store, dataset, options, progress, &restarts);
        let written = match reading.await {
            Ok(reading) => reading.write(output, compression, progress).await,
            Err(error) => Err(error),
        };
        match written {
            Err(error) if restarts.another_one(&error) => {}
            written => return written.map(|report| ReadReport { out: path, ..report }),
        }
    }
}

/// Reads into an Arrow IPC stream.
///
/// `compression` of `None` keeps the chunks' own, and forwards their messages where it can.
///
/// # Errors
/// As [`read_batches`], and [`Error::File`] when the stream cannot be written.
pub async fn read_to_writer<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    out: Box<dyn Write + Send>,
    compression: Option<Codec>,
    options: &ReadOptions,
    progress: &dyn Progress,
) -> Result<ReadReport, Error> {
    let (reading, _) = Reading::begin(store, dataset, options, progress).await?;
    reading.write(stream_output(out), compression, progress).await
}

/// A read that has its plan and fetches chunks when polled.
pub(crate) struct Reading {
    /// That of the manifest, if there is one.
    schema: Option<SchemaRef>,
    chunks: BoxStream<'static, Result<Vec<ReadChunk>, Error>>,
    tally: Arc<Tally>,
}

impl Reading {
    async fn start<S: ChunkStore>(
        store: &S,
        name: &DatasetName,
        options: &ReadOptions,
        progress: &dyn Progress,
        restarts: &Restarts,
    ) -> Result<Self, Error> {
        let tally = Tally::start(name, store.address(), restarts.count());
        let target = locate(store, name, options, &tally).await?;
        let bytes = target.chunks.iter().map(|chunk| chunk.bytes).sum();
        progress.planned(Work { chunks: target.chunks.len() as u64, rows: 0, bytes });
        let schema = target.edition.as_ref().map(|edition| Arc::clone(&edition.schema));
        let chunks = fetch::chunks(store, target, options, Arc::clone(&tally)).boxed();
        Ok(Self { schema, chunks, tally })
    }

    /// Starts, and goes on until the first chunks are there; also returns their schema. Until then
    /// it can begin anew without anybody having seen a row.
    async fn begin<S: ChunkStore>(
        store: &S,
        name: &DatasetName,
        options: &ReadOptions,
        progress: &dyn Progress,
    ) -> Result<(Self, Option<SchemaRef>), Error> {
        let mut restarts = Restarts::default();
        loop {
            let begun = match Self::start(store, name, options, progress, &restarts).await {
                Ok(reading) => reading.with_first().await,
                Err(error) => Err(error),
            };
            match begun {
                Err(error) if restarts.another_one(&error) => {}
                begun => return begun,
            }
        }
    }

    /// Reads everything and keeps nothing. Begins anew if the dataset is replaced meanwhile.
    pub(crate) async fn discard<S: ChunkStore>(
        store: &S,
        name: &DatasetName,
        options: &ReadOptions,
        progress: &dyn Progress,
    ) -> Result<ReadReport, Error> {
        let mut restarts = Restarts::default();
        loop {
            let read = match Self::start(store, name, options, progress, &restarts).await {
                Ok(reading) => reading.finish(progress).await,
                Err(error) => Err(error),
            };
            match read {
                Err(error) if restarts.another_one(&error) => {}
                read => return read,
            }
        }
    }

    async fn finish(mut self, progress: &dyn Progress) -> Result<ReadReport, Error> {
        while let Some(some) = self.chunks.try_next().await? {
            some.iter().for_each(|chunk| progress.done(chunk.work()));
        }
        Ok(self.tally.report())
    }

    async fn with_first(mut self) -> Result<(Self, Option<SchemaRef>), Error> {
        let first = self.chunks.try_next().await?;
        let schema = first.iter().flatten().next().map(ReadChunk::schema);
        let schema = schema.or_else(|| self.schema.clone());
        let chunks = futures::stream::iter(first.map(Ok)).chain(self.chunks).boxed();
        Ok((Self { chunks, ..self }, schema))
    }

    async fn into_table(self, progress: &dyn Progress) -> Result<(Table, ReadReport), Error> {
        let mut table = Table { schema: self.schema, batches: Vec::new() };
        let mut chunks = self.chunks;
        while let Some(some) = chunks.try_next().await? {
            for chunk in some {
                progress.done(chunk.work());
                table.schema.get_or_insert_with(|| chunk.schema());
                table.batches.extend(chunk.batches);
            }
        }
        Ok((table, self.tally.report()))
    }

    async fn write(
        self,
        output: output::Output,
        compression: Option<Codec>,
        progress: &dyn Progress,
    ) -> Result<ReadReport, Error> {
        let written = output.write(self.schema, self.chunks, compression, progress).await?;
        let mut report = self.tally.report();
        let Some(bytes) = written else {
            return Err(DataError::NothingToWrite { dataset: report.dataset }.into());
        };
        report.out_bytes = Some(bytes);
        Ok(report)
    }
}

/// A dataset's batches as they come.
pub struct BatchStream {
    schema: Option<SchemaRef>,
    batches: BoxStream<'static, Result<RecordBatch, Error>>,
    tally: Arc<Tally>,
}

impl BatchStream {
    /// The schema of every batch; `None` when there is no manifest and no chunk was present.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// What has been read so far; all, once the stream has ended.
    pub fn report(&self) -> ReadReport {
        self.tally.report()
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_next_unpin(context)
    }
}

impl std::fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}
