//! VERB: an Arrow file or stream, batch by batch, into a store.

mod assigned;
mod compact;
mod divide;
mod form;
mod outgoing;
mod partition;
mod survey;
mod undividable;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures::future::Either;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::budget::{ByteBudget, Permit};
use crate::dataset::DatasetName;
use crate::error::{Error, OptionsError};
use crate::ipc::Codec;
use crate::ipc::source::Source;
use crate::key::chunk_key;
use crate::pipeline;
use crate::progress::{Progress, Work};
use crate::publish::{Publication, PublishOptions};
use crate::report::SplitReport;
use crate::store::ChunkStore;

pub(crate) use assigned::{Assigned, Part};
use outgoing::Outgoing;

pub(crate) use form::Form;
pub(crate) use partition::Partitioner;
pub(crate) use survey::{Survey, survey};
pub use undividable::Undividable;

/// Chunks, or groups of small ones, that may be read from the file before there is room for them: while one
/// waits, the next is read.
const CHUNKS_AHEAD: usize = 1;

/// Bytes of small chunks that are handed over together, as if they were one: 256 KiB. More would keep the
/// server waiting meanwhile.
const BYTES_TOGETHER: u64 = 256 << 10;

/// Chunks that are handed over together when they are still in the file: as many as are sent ahead.
const IN_FILE_TOGETHER: u64 = 4;

/// How to split.
///
/// # Defaults
/// Batches divided by the `partition` column or all in partition 0, however long, messages kept as
/// they are, 256 chunks and 32 MiB in flight, no dataset replaced.
#[derive(Debug, Clone)]
pub struct SplitOptions {
    /// Batches to a partition, in file order, for files without an integer column `partition`.
    /// `None` puts all of them in partition 0.
    pub batches: Option<u32>,
    /// `None` keeps each batch's messages as they lie in the file; a codec encodes them anew.
    pub compression: Option<Codec>,
    /// Longest value of a chunk in bytes, 1 or more. A batch that would be longer is divided by rows
    /// into chunks that follow one another in its partition, each with its codec and all the
    /// dictionaries that it needs. `None` leaves batches as they are.
    pub max_chunk_bytes: Option<u64>,
    /// Chunks that may be on their way at once, 1 or more.
    pub max_inflight: usize,
    /// Bytes of chunks that may be on their way at once. A chunk that is larger goes alone.
    pub bytes_in_flight: u64,
    /// How the dataset is published once all of it is stored.
    pub publish: PublishOptions,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self {
            batches: None,
            compression: None,
            max_chunk_bytes: None,
            max_inflight: 256,
            // Several chunks of a few MB keep the wire busy; more only takes memory, if they are not
            // still in the file.
            bytes_in_flight: 32 << 20,
            publish: PublishOptions::default(),
        }
    }
}

/// Stores every batch of an Arrow IPC file or stream under a key of its own, and publishes them as
/// one dataset.
///
/// Nobody sees a part of it: readers get what was there before until all is stored, and then all of
/// the new one. The file must not change until this returns or, if the future is dropped, for a
/// moment longer.
///
/// # Errors
/// [`Error::File`] when the file is not whole Arrow IPC; its framing and its partition numbers are
/// looked at before anything is stored, and so are batches that cannot be divided as
/// `max_chunk_bytes` asks. [`Error::Options`] when that is 0. [`Error::Publish`] when the name is
/// taken, somebody else is writing it, or it does not fit. [`Error::Upload`] when the store fails on
/// the way, or when values that had to be decoded turn out to be damaged. Nothing is published then,
/// and what was stored vanishes by itself.
pub async fn split<S: ChunkStore>(
    store: &S,
    input: &Path,
    dataset: &DatasetName,
    options: &SplitOptions,
    progress: &dyn Progress,
) -> Result<SplitReport, Error> {
    let started = Instant::now();
    if options.max_chunk_bytes == Some(0) {
        let expected = "1 or more".to_owned();
        return Err(
            OptionsError::OutOfRange { option: "max_chunk_bytes", found: 0, expected }.into()
        );
    }
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
    let form = Form {
        codec: options.compression,
        most: options.max_chunk_bytes,
        path: Arc::from(input),
        rereader: Some(source.rereader()),
    };
    let Survey { work, planned, parts, codec, cuts, first } =
        survey(partitioner.clone().assign(&source), form.clone()).await?;
    progress.planned(Work { bytes: file_bytes, ..work });

    let schema = Arc::clone(source.schema());
    let partitioner = partitioner.starting_in(first).with_cuts(cuts).with_known(parts);
    let assigned = partitioner.assign(&source);
    drop(source);
    // The first ones are made while the name is claimed.
    let chunks = make_chunks(assigned, form, ByteBudget::new(options.bytes_in_flight));
    let publication = Publication::begin(store, dataset, &options.publish, &planned).await?;
    let uploaded = upload(&publication, input, dataset, chunks, options, progress).await;
    let stored = match uploaded {
        Ok(stored) => stored,
        Err(error) => {
            publication.abandon().await;
            return Err(error);
        }
    };
    let uploaded = Instant::now();
    let published = publication.publish(schema, codec).await?;

    Ok(SplitReport {
        dataset: dataset.to_string(),
        dataset_id: published.manifest.id,
        store: store.address().to_owned(),
        partitioned_by,
        partitions: published.manifest.partitions().len() as u64,
        rows: stored.rows,
        chunks: stored.chunks,
        bytes: stored.bytes,
        codec: published.manifest.codec,
        replaced: published.replaced,
        time_to_live_seconds: options.publish.time_to_live.map(|life| life.as_secs_f64()),
        file_bytes,
        publish_seconds: uploaded.elapsed().as_secs_f64(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Makes chunks, each with its part of the budget: those that are only forwarded in file order, on the
/// thread that walks the file, and all others on all cores. Long ones that are only forwarded are not read
/// here.
fn make_chunks(
    assigned: impl Iterator<Item = Result<Assigned, Error>> + Send + 'static,
    form: Form,
    budget: ByteBudget,
) -> impl Stream<Item = Result<(Outgoing, Permit), Error>> + Send {
    let forwarding = form.clone();
    let forward = move |assigned: Assigned| match forwarding.forwards(&assigned.part) {
        true => forwarding.outgoing(&assigned).map(Either::Left),
        false => Ok(Either::Right(assigned)),
    };
    let forwarded = assigned.map(move |assigned| assigned.and_then(&forward));
    let make = move |part| {
        let (form, budget) = (form.clone(), budget.clone());
        async move {
            let chunk = match part {
                Either::Left(chunk) => chunk,
                Either::Right(assigned) => {
                    pipeline::compute(move || form.outgoing(&assigned)).await?
                }
            };
            let permit = budget.acquire(chunk.bytes()).await;
            Ok((chunk, permit))
        }
    };
    let bytes = |part: &Either<Outgoing, Assigned>| match part {
        // Nothing of it is in memory yet.
        Either::Left(Outgoing::InFile(_)) => BYTES_TOGETHER / IN_FILE_TOGETHER,
        Either::Left(chunk) => chunk.bytes(),
        // It may be long, and hold a number for each of its rows.
        Either::Right(_) => BYTES_TOGETHER,
    };
    pipeline::produce_together(forwarded, bytes, BYTES_TOGETHER, CHUNKS_AHEAD)
        .map_ok(make)
        .try_buffer_unordered(pipeline::jobs())
}

/// Sends chunks as they come, as many at once as the options allow. Returns what was acknowledged.
async fn upload<S: ChunkStore>(
    publication: &Publication<S>,
    file: &Path,
    dataset: &DatasetName,
    chunks: impl Stream<Item = Result<(Outgoing, Permit), Error>> + Send,
    options: &SplitOptions,
    progress: &dyn Progress,
) -> Result<Work, Error> {
    let sends = chunks
        .map_ok(|(chunk, permit)| async move {
            let stored = chunk.stage(publication, file).await?;
            drop(permit);
            Ok::<_, Error>(stored)
        })
        .try_buffer_unordered(options.max_inflight.max(1));
    // Boxed, its type is Send for the lifetimes at hand; unboxed, the compiler asks for all.
    let mut sends = sends.boxed();

    let mut stored = Work::default();
    loop {
        match sends.try_next().await {
            Ok(Some(chunk)) => {
                tracing::debug!(key = chunk_key(dataset, chunk.id), bytes = chunk.bytes, "stored");
                let work = Work { chunks: 1, rows: chunk.rows, bytes: chunk.bytes };
                progress.done(work);
                stored += work;
            }
            Ok(None) => return Ok(stored),
            Err(source @ Error::Store(_)) => return Err(stopped(dataset, stored, source)),
            Err(source) if stored.chunks > 0 => return Err(stopped(dataset, stored, source)),
            Err(source) => return Err(source),
        }
    }
}

fn stopped(dataset: &DatasetName, stored: Work, source: Error) -> Error {
    let (dataset, stored) = (dataset.to_string(), stored.chunks);
    Error::Upload { dataset, stored, source: Box::new(source) }
}
