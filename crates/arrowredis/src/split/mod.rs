//! VERB: an Arrow file or stream, batch by batch, into a store.

mod compact;
mod partition;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_select::take::take_record_batch;
use futures::future::{self, Either};
use futures::{Stream, TryStreamExt};

use crate::budget::ByteBudget;
use crate::chunk::Chunk;
use crate::dataset::{DatasetName, PartitionId};
use crate::error::{Error, FileError};
use crate::ipc::batch_metadata::BatchMetadata;
use crate::ipc::source::Source;
use crate::ipc::{Codec, IpcError};
use crate::key::chunk_key;
use crate::pipeline;
use crate::progress::{Progress, Work};
use crate::report::SplitReport;
use crate::store::ChunkStore;

use compact::compact;
use partition::{Assigned, Partitioner};

/// How to split.
///
/// # Defaults
/// Batches divided by the `partition` column or all in partition 0, messages kept as they are,
/// 256 chunks and 64 MiB in flight.
#[derive(Debug, Clone)]
pub struct SplitOptions {
    /// Batches to a partition, in file order, for files without an integer column `partition`.
    /// `None` puts all of them in partition 0.
    pub batches: Option<u32>,
    /// `None` keeps each batch's messages as they lie in the file; a codec encodes them anew.
    pub compression: Option<Codec>,
    /// Chunks that may be on their way at once, 1 or more.
    pub max_inflight: usize,
    /// Bytes of chunks that may be on their way at once. A chunk that is larger goes alone.
    pub bytes_in_flight: u64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self {
            batches: None,
            compression: None,
            max_inflight: 256,
            // Several chunks of a few MB keep the wire busy; more only takes memory, of which the
            // client holds up to three copies on the way to the socket.
            bytes_in_flight: 64 << 20,
        }
    }
}

/// Stores every batch of an Arrow IPC file or stream under a key of its own.
///
/// The file must not change until this returns or, if the future is dropped, for a moment longer.
/// Chunks that stand under the dataset's keys are overwritten.
///
/// # Errors
/// [`Error::File`] when the file is not whole Arrow IPC; its framing and its partition numbers are
/// looked at before anything is stored. [`Error::Upload`] when the store fails, or when values that
/// had to be decoded turn out to be damaged. Chunks that were stored before that stay.
pub async fn split<S: ChunkStore>(
    store: &S,
    input: &Path,
    dataset: &DatasetName,
    options: &SplitOptions,
    progress: &dyn Progress,
) -> Result<SplitReport, Error> {
    let started = Instant::now();
    let path = input.to_owned();
    let (source, unmapped) = pipeline::run(move || Source::open(&path)).await?;
    let report = split_source(store, source, input, dataset, options, progress, started).await;
    unmapped.wait().await;
    report
}

async fn split_source<S: ChunkStore>(
    store: &S,
    source: Source,
    input: &Path,
    dataset: &DatasetName,
    options: &SplitOptions,
    progress: &dyn Progress,
    started: Instant,
) -> Result<SplitReport, Error> {
    let file_bytes = source.bytes();
    let partitioner = Partitioner::new(source.schema(), options.batches, input);
    let partitioned_by = partitioner.by();
    let survey = survey(pipeline::produce(partitioner.clone().assign(&source))).await?;
    progress.planned(Work { bytes: file_bytes, ..survey.work });

    let assigned = pipeline::produce(partitioner.starting_in(survey.first).assign(&source));
    drop(source);
    let chunks = encode(assigned, options.compression, input.into());
    let stored = upload(store, dataset, chunks, options, progress).await?;

    Ok(SplitReport {
        dataset: dataset.to_string(),
        store: store.address().to_owned(),
        partitioned_by,
        partitions: stored.partitions.len() as u64,
        rows: stored.work.rows,
        chunks: stored.work.chunks,
        bytes: stored.work.bytes,
        file_bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// What a file holds, learnt by walking it once before anything of it is stored.
#[derive(Debug)]
struct Survey {
    work: Work,
    /// The partition of the first rows.
    first: PartitionId,
}

async fn survey(
    assigned: impl Stream<Item = Result<Assigned, Error>> + Send,
) -> Result<Survey, Error> {
    let mut assigned = std::pin::pin!(assigned);
    let (mut work, mut first) = (Work::default(), None);
    while let Some(assigned) = assigned.try_next().await? {
        work += Work { chunks: 1, rows: assigned.rows(), bytes: 0 };
        if assigned.rows() > 0 {
            first.get_or_insert(assigned.id().partition);
        }
    }
    tracing::debug!(chunks = work.chunks, rows = work.rows, "the file is whole");
    Ok(Survey { work, first: first.unwrap_or(PartitionId(0)) })
}

/// Makes chunks: at once where messages are only forwarded, on all cores where they are encoded.
fn encode(
    assigned: impl Stream<Item = Result<Assigned, Error>> + Send,
    codec: Option<Codec>,
    path: Arc<Path>,
) -> impl Stream<Item = Result<Chunk, Error>> + Send {
    let make = move |assigned| match (assigned, codec) {
        (Assigned::Whole(id, block), None) => {
            Either::Left(future::ready(Chunk::forward(id, &block).map_err(Error::Encode)))
        }
        (assigned, codec) => {
            let path = Arc::clone(&path);
            Either::Right(pipeline::run(move || encode_anew(assigned, codec, &path)))
        }
    };
    assigned.map_ok(make).try_buffer_unordered(pipeline::cores())
}

fn encode_anew(assigned: Assigned, codec: Option<Codec>, path: &Path) -> Result<Chunk, Error> {
    let content = |source| FileError::Content { path: path.to_owned(), source };
    let (id, batch, metadata, own) = match assigned {
        Assigned::Whole(id, block) => {
            (id, block.decode().map_err(content)?, block.metadata(), block.codec())
        }
        Assigned::Rows(id, divided, rows) => {
            let batch = divided.batch().map_err(content)?;
            let rows = take_record_batch(batch, &rows).and_then(|rows| compact(&rows));
            let what = "a batch cannot be divided";
            let rows = rows.map_err(|error| content(IpcError::arrow(what)(error)))?;
            (id, rows, divided.block().metadata(), divided.block().codec())
        }
        Assigned::Made(id, batch) => (id, batch, BatchMetadata::default(), Codec::Uncompressed),
    };
    Chunk::encode_with(id, &batch, &metadata, codec.unwrap_or(own)).map_err(Error::Encode)
}

/// What has been acknowledged.
#[derive(Debug, Default)]
struct Stored {
    work: Work,
    partitions: HashSet<PartitionId>,
}

/// Sends chunks as they come, as many at once as the options allow.
async fn upload<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    chunks: impl Stream<Item = Result<Chunk, Error>> + Send,
    options: &SplitOptions,
    progress: &dyn Progress,
) -> Result<Stored, Error> {
    let budget = ByteBudget::new(options.bytes_in_flight);
    let sends = chunks
        .and_then(|chunk| async {
            let permit = budget.acquire(chunk.payload.len() as u64).await;
            Ok((chunk, permit))
        })
        .map_ok(|(chunk, permit)| async move {
            let Chunk { id, rows, payload } = chunk;
            let work = Work { chunks: 1, rows, bytes: payload.len() as u64 };
            store.put(chunk_key(dataset, id), payload).await?;
            drop(permit);
            Ok::<_, Error>((id, work))
        })
        .try_buffer_unordered(options.max_inflight.max(1));
    let mut sends = std::pin::pin!(sends);

    let mut stored = Stored::default();
    loop {
        match sends.try_next().await {
            Ok(Some((id, work))) => {
                tracing::debug!(key = chunk_key(dataset, id), bytes = work.bytes, "stored");
                progress.done(work);
                stored.work += work;
                stored.partitions.insert(id.partition);
            }
            Ok(None) => return Ok(stored),
            Err(source @ Error::Store(_)) => return Err(stopped(dataset, &stored, source)),
            Err(source) if stored.work.chunks > 0 => return Err(stopped(dataset, &stored, source)),
            Err(source) => return Err(source),
        }
    }
}

fn stopped(dataset: &DatasetName, stored: &Stored, source: Error) -> Error {
    let (dataset, stored) = (dataset.to_string(), stored.work.chunks);
    Error::Upload { dataset, stored, source: Box::new(source) }
}
