//! The synthetic dataset: what it holds, and writing it to a file on all cores.
//!
//! Every value depends on the seed and on its chunk and column only, so the file is the same
//! whatever the number of workers. The columns themselves are made in `columns`.

mod columns;
mod normal;
mod values;
mod vocabulary;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use crate::dataset::ChunkId;
use crate::error::{Error, FileError, OptionsError};
use crate::ipc::Codec;
use crate::ipc::encode::{DictionaryEncoder, EncodedMessage, encode_body};
use crate::ipc::writer::IpcWriter;
use crate::output_file::OutputFile;
use crate::pipeline;
use crate::progress::{Progress, Work};
use crate::report::GenerateReport;

use columns::Columns;

/// Batches that may wait to be written beyond those in the making: enough that a slow write does
/// not idle a worker.
const BATCHES_AHEAD: usize = 2;

/// How the column of words is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// As text.
    Plain,
    /// As `int32` keys into a dictionary of all words.
    Dictionary,
}

/// What to generate, and how.
///
/// # Defaults
/// 8 partitions of 8 batches of 100,000 rows, zstd, plain words out of 5,000, seed 123, a worker a
/// core.
#[derive(Debug, Clone)]
pub struct GenerateOptions {
    /// Partitions, 1 or more.
    pub partitions: u32,
    /// Batches in each partition, 1 or more.
    pub batches: u32,
    /// Rows in each batch, up to [`GenerateOptions::MAX_ROWS`].
    pub rows: u32,
    /// How buffers are compressed.
    pub compression: Codec,
    /// How the column of words is stored.
    pub words: Words,
    /// How many different words there are, from 1 to [`GenerateOptions::MAX_CARDINALITY`].
    pub string_cardinality: u32,
    /// What all values derive from.
    pub seed: u64,
    /// Threads that make and compress batches; `None` takes one a core.
    pub workers: Option<usize>,
}

impl GenerateOptions {
    /// Most rows of a batch: 50 million. Beyond that the text of a batch may outgrow the 2 GiB
    /// that 32-bit offsets reach.
    pub const MAX_ROWS: u32 = 50_000_000;

    /// Most different words: 10 million, which take about 500 MB while generating.
    pub const MAX_CARDINALITY: u32 = 10_000_000;

    /// Most workers: far more than cores anywhere, and a bound on memory.
    pub const MAX_WORKERS: usize = 1024;

    fn checked(&self) -> Result<u64, OptionsError> {
        let within = |option, found: u64, least: u64, most: u64| {
            let expected = format!("{least} to {most}");
            let inside = (least..=most).contains(&found);
            inside.then_some(()).ok_or(OptionsError::OutOfRange { option, found, expected })
        };
        within("partitions", self.partitions.into(), 1, i32::MAX as u64)?;
        within("batches", self.batches.into(), 1, u32::MAX.into())?;
        within("rows", self.rows.into(), 0, Self::MAX_ROWS.into())?;
        let cardinality = u64::from(self.string_cardinality);
        within("string_cardinality", cardinality, 1, Self::MAX_CARDINALITY.into())?;
        if let Some(workers) = self.workers {
            within("workers", workers as u64, 1, Self::MAX_WORKERS as u64)?;
        }
        let chunks = u64::from(self.partitions) * u64::from(self.batches);
        let rows = chunks.checked_mul(self.rows.into()).filter(|rows| *rows <= i64::MAX as u64);
        rows.ok_or_else(|| OptionsError::OutOfRange {
            option: "partitions × batches × rows",
            found: u64::MAX,
            expected: "fewer rows than id64 can number".to_owned(),
        })
    }

    /// All chunks in file order.
    fn chunks(&self) -> impl Iterator<Item = ChunkId> + Send + use<> {
        let (partitions, batches) = (self.partitions, self.batches);
        (0..u64::from(partitions))
            .flat_map(move |partition| (0..batches).map(move |b| ChunkId::new(partition, b)))
    }
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            partitions: 8,
            batches: 8,
            rows: 100_000,
            compression: Codec::Zstd,
            words: Words::Plain,
            string_cardinality: 5_000,
            seed: 123,
            workers: None,
        }
    }
}

/// The schema of the synthetic dataset.
pub fn generated_schema(words: Words) -> SchemaRef {
    let text = match words {
        Words::Plain => DataType::Utf8,
        Words::Dictionary => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
    };
    let item = Field::new("item", DataType::Int32, true);
    Arc::new(Schema::new(vec![
        Field::new("id64", DataType::Int64, true),
        Field::new("partition", DataType::Int32, true),
        Field::new("int32_c", DataType::Int32, true),
        Field::new("float64_c", DataType::Float64, true),
        Field::new("float32_c", DataType::Float32, true),
        Field::new("bool_c", DataType::Boolean, true),
        Field::new("ts_ns", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("dec_18_4", DataType::Decimal128(18, 4), true),
        Field::new("str_c", text, true),
        Field::new("list_ints", DataType::List(Arc::new(item)), true),
    ]))
}

/// Writes a synthetic dataset as one Arrow IPC file.
///
/// Memory: about two batches for each worker, whatever the size of the dataset.
///
/// # Errors
/// [`Error::Options`] when a number is out of range, [`Error::File`] when the file cannot be
/// written; nothing stands under its name then that was not there before.
pub async fn generate(
    out: &Path,
    options: &GenerateOptions,
    progress: &dyn Progress,
) -> Result<GenerateReport, Error> {
    let started = Instant::now();
    let rows = options.checked()?;
    let workers = options.workers.unwrap_or_else(pipeline::cores);
    let chunks = u64::from(options.partitions) * u64::from(options.batches);
    progress.planned(Work { chunks, rows, bytes: 0 });

    tracing::info!(?out, rows, chunks, workers, "generating");
    let file = OutputFile::create(out)?;
    let path = file.path().to_owned();
    let codec = options.compression;
    let plan = options.clone();
    let (columns, mut writer) = pipeline::run(move || {
        let columns = Arc::new(Columns::new(&plan));
        let writer = start_file(file, &columns, codec)?;
        Ok::<_, Error>((columns, writer))
    })
    .await?;
    let free_workers = Arc::new(Semaphore::new(workers));
    let mut batches = stream::iter(options.chunks())
        .map(|id| {
            let (columns, free_workers) = (Arc::clone(&columns), Arc::clone(&free_workers));
            async move {
                // The semaphore is never closed.
                let _worker = free_workers.acquire().await.ok();
                pipeline::run(move || make_batch(&columns, id, codec)).await
            }
        })
        .buffered(workers.saturating_add(BATCHES_AHEAD));
    while let Some(batch) = batches.try_next().await? {
        let failed_path = path.clone();
        let done = Work { chunks: 1, rows: options.rows.into(), bytes: batch.body_len() as u64 };
        writer = pipeline::run(move || {
            writer.batch(&batch).map_err(write_error(failed_path))?;
            Ok::<_, Error>(writer)
        })
        .await?;
        progress.done(done);
    }
    let finished = path.clone();
    let bytes = pipeline::run(move || {
        let (file, bytes) = writer.finish().map_err(write_error(finished))?;
        file.commit()?;
        Ok::<_, Error>(bytes)
    })
    .await?;
    Ok(GenerateReport {
        out: path,
        partitions: options.partitions,
        batches: options.batches,
        rows,
        chunks,
        bytes,
        compression: codec,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Writes the schema and the dictionary, which all batches share.
fn start_file(
    file: OutputFile,
    columns: &Columns,
    codec: Codec,
) -> Result<IpcWriter<OutputFile>, Error> {
    let path = file.path().to_owned();
    let empty = columns.batch_without_rows().map_err(Error::Encode)?;
    let dictionaries = DictionaryEncoder::new(&empty.schema())
        .new_dictionaries(&empty, codec)
        .map_err(Error::Encode)?;
    let mut writer = IpcWriter::file(file, empty.schema()).map_err(write_error(path.clone()))?;
    for message in dictionaries {
        let written = writer.dictionary(&message);
        written.map_err(write_error(path.clone()))?;
    }
    Ok(writer)
}

fn make_batch(columns: &Columns, id: ChunkId, codec: Codec) -> Result<EncodedMessage, Error> {
    let batch: RecordBatch = columns.batch(id).map_err(Error::Encode)?;
    encode_body(&batch, codec).map_err(Error::Encode)
}

fn write_error(path: std::path::PathBuf) -> impl FnOnce(io::Error) -> Error {
    move |source| FileError::Write { path, source }.into()
}
