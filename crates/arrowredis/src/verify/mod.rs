//! VERB: two files compared, whatever their batch boundaries, codecs or dictionary encodings.
//!
//! What is stored is compared in `dataset`.

mod compare;
mod dataset;
mod pairing;
mod plain;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::{Error, FileError};
use crate::ipc::IpcError;
use crate::ipc::source::Source;
use crate::pipeline;
use crate::progress::{Progress, Work};
use crate::report::{Difference, VerifyReport};
use crate::schema_difference::schema_difference;

use compare::{Found, first_difference};
use plain::{plain_batch, plain_schema};

pub use dataset::{verify_dataset, verify_dataset_with_file};

/// Compares two Arrow IPC files or streams: schema with its metadata, rows and values.
///
/// Floating-point numbers are equal when their bits are. Memory: a few batches of each file. The
/// files must not change until this returns or, if the future is dropped, for a moment longer.
///
/// # Errors
/// [`Error::File`] when one of them is not whole Arrow IPC. A difference is a result, not an error.
pub async fn verify_files(
    file1: &Path,
    file2: &Path,
    progress: &dyn Progress,
) -> Result<VerifyReport, Error> {
    let started = Instant::now();
    let (path1, path2) = (file1.to_owned(), file2.to_owned());
    let (source1, unmapped1) = pipeline::run(move || Source::open(&path1)).await?;
    let (source2, unmapped2) = pipeline::run(move || Source::open(&path2)).await?;
    let sources = [(source1, file1), (source2, file2)];
    let report = compare(sources, progress, started).await;
    unmapped1.wait().await;
    unmapped2.wait().await;
    report
}

async fn compare(
    sources: [(Source, &Path); 2],
    progress: &dyn Progress,
    started: Instant,
) -> Result<VerifyReport, Error> {
    let bytes = sources.iter().map(|(source, _)| source.bytes()).sum();
    progress.planned(Work { chunks: 0, rows: 0, bytes });

    let [schema1, schema2] = sources.each_ref().map(|(source, _)| plain_schema(source.schema()));
    let mut sides = sources.each_ref().map(|(source, path)| Side::new(source, path));
    let difference = match schema_difference(&schema1, &schema2) {
        Some(what) => Some(Difference::Schema { what }),
        None => compare_rows(&mut sides, &schema1, progress).await?,
    };
    let [one, two] = sides;
    Ok(VerifyReport {
        equal: difference.is_none(),
        difference,
        // Where one file ended, the other's further rows had nothing to be compared with.
        rows: one.taken.min(two.taken),
        chunks: one.batches_read.load(Ordering::Relaxed) + two.batches_read.load(Ordering::Relaxed),
        bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Walks both files in step, over the longest stretches that lie in one batch of each.
async fn compare_rows(
    sides: &mut [Side; 2],
    schema: &Schema,
    progress: &dyn Progress,
) -> Result<Option<Difference>, Error> {
    loop {
        let [one, two] = &mut *sides;
        let (left1, left2) = (one.rows_at_hand(progress).await?, two.rows_at_hand(progress).await?);
        let rows = left1.min(left2);
        let first = one.taken;
        let (Some(stretch1), Some(stretch2)) = (one.take(rows), two.take(rows)) else {
            return rows_differ(sides, progress).await;
        };
        let columns = schema.fields().clone();
        let job = move || Ok::<_, Error>(first_difference(&stretch1, &stretch2, &columns));
        if let Some(Found { row, column, value1, value2 }) = pipeline::compute(job).await? {
            let row = first.saturating_add(row as u64);
            return Ok(Some(Difference::Value { row, column, value1, value2 }));
        }
    }
}

/// One file has ended: whether the other has, too.
async fn rows_differ(
    sides: &mut [Side; 2],
    progress: &dyn Progress,
) -> Result<Option<Difference>, Error> {
    for side in &mut *sides {
        loop {
            let left = side.rows_at_hand(progress).await?;
            if left == 0 {
                break;
            }
            side.take(left);
        }
    }
    let [rows1, rows2] = sides.each_ref().map(|side| side.taken);
    Ok((rows1 != rows2).then_some(Difference::Rows { rows1, rows2 }))
}

/// Longest stretch that is compared at once: 1 Mi rows. Longer batches exist, and one whose columns
/// are runs takes no room until they are expanded.
const STRETCH: usize = 1 << 20;

/// One of the two files, decoded and laid out plainly ahead, and taken in stretches.
struct Side {
    /// With the bytes of the file that each of them took.
    stretches: BoxStream<'static, Result<(RecordBatch, u64), Error>>,
    current: Option<RecordBatch>,
    taken: u64,
    batches_read: Arc<AtomicU64>,
}

impl Side {
    fn new(source: &Source, path: &Path) -> Self {
        let path: Arc<Path> = path.into();
        let content = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::from(FileError::Content { path, source })
        };
        let batches_read = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&batches_read);

        let blocks = pipeline::produce(
            source.blocks().map(|block| block.map_err(Error::from)),
            pipeline::ITEMS_AHEAD,
        );
        let named = Arc::clone(&path);
        let batches = blocks
            .map_ok(move |block| {
                let failed = content(&named);
                let bytes = block.message.body.len() as u64;
                pipeline::compute(move || {
                    block.decode().map(|batch| (batch, bytes)).map_err(failed)
                })
            })
            .try_buffered(pipeline::cores());
        let stretches = batches
            .map_ok(move |(batch, bytes)| {
                count.fetch_add(1, Ordering::Relaxed);
                stream::iter(stretches(batch, bytes).map(Ok))
            })
            .try_flatten()
            .map_ok(move |(stretch, bytes)| {
                let failed = content(&path);
                let what = "values cannot be compared";
                pipeline::compute(move || {
                    let plain =
                        plain_batch(&stretch).map_err(IpcError::arrow(what)).map_err(failed)?;
                    Ok::<_, Error>((plain, bytes))
                })
            })
            .try_buffered(pipeline::cores())
            .boxed();
        Self { stretches, current: None, taken: 0, batches_read }
    }

    /// How many rows can be taken at once; 0 at the end of the file.
    async fn rows_at_hand(&mut self, progress: &dyn Progress) -> Result<usize, Error> {
        loop {
            match &self.current {
                Some(stretch) if stretch.num_rows() > 0 => return Ok(stretch.num_rows()),
                _ => {}
            }
            let Some((stretch, bytes)) = self.stretches.try_next().await? else { return Ok(0) };
            progress.done(Work { chunks: 1, rows: stretch.num_rows() as u64, bytes });
            self.current = Some(stretch);
        }
    }

    /// Takes rows that are at hand; `None` when none are.
    fn take(&mut self, rows: usize) -> Option<RecordBatch> {
        let stretch = self.current.take()?;
        if rows < stretch.num_rows() {
            self.current = Some(stretch.slice(rows, stretch.num_rows() - rows));
        }
        self.taken = self.taken.saturating_add(rows as u64);
        (rows > 0).then(|| stretch.slice(0, rows))
    }
}

/// A batch in stretches; one without rows is one, so that it is counted. The first is said to have
/// taken all of the batch's bytes.
fn stretches(batch: RecordBatch, bytes: u64) -> impl Iterator<Item = (RecordBatch, u64)> {
    let rows = batch.num_rows();
    (0..rows.max(1)).step_by(STRETCH).map(move |at| {
        let bytes = if at == 0 { bytes } else { 0 };
        (batch.slice(at, STRETCH.min(rows - at)), bytes)
    })
}
