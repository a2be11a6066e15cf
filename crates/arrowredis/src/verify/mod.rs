//! VERB: two files compared, whatever their batch boundaries, codecs or dictionary encodings.

mod compare;
mod plain;

use std::path::Path;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, FileError};
use crate::ipc::source::Source;
use crate::pipeline;
use crate::progress::{Progress, Work};
use crate::report::{Difference, VerifyReport};
use crate::schema_difference::schema_difference;

use compare::first_difference;
use plain::plain_schema;

/// Compares two Arrow IPC files or streams: schema with its metadata, rows and values.
///
/// Floating-point numbers are equal when their bits are. Memory: a few batches of each file.
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
        rows: one.compared,
        chunks: one.batches_read + two.batches_read,
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
        if rows == 0 {
            return rows_differ(sides, progress).await;
        }
        let (first, paths) = (one.compared, (one.path.clone(), two.path.clone()));
        let stretches = (one.take(rows), two.take(rows));
        let columns = schema.fields().clone();
        let found = pipeline::run(move || {
            first_difference(&stretches.0, &stretches.1, &columns).map_err(|source| {
                // Values that were decoded but cannot be laid out plainly.
                FileError::Content { path: paths.0, source }
            })
        });
        if let Some(found) = found.await? {
            let row = first + found.row as u64;
            let (column, value1, value2) = (found.column, found.value1, found.value2);
            return Ok(Some(Difference::Value { row, column, value1, value2 }));
        }
    }
}

/// One file has ended: whether the other has, too.
async fn rows_differ(
    sides: &mut [Side; 2],
    progress: &dyn Progress,
) -> Result<Option<Difference>, Error> {
    let mut rows = [0; 2];
    for (side, rows) in sides.iter_mut().zip(&mut rows) {
        *rows = side.compared;
        loop {
            let left = side.rows_at_hand(progress).await?;
            if left == 0 {
                break;
            }
            side.take(left);
            *rows += left as u64;
        }
    }
    let [rows1, rows2] = rows;
    Ok((rows1 != rows2).then_some(Difference::Rows { rows1, rows2 }))
}

/// One of the two files, decoded ahead and taken in stretches.
struct Side {
    path: std::path::PathBuf,
    batches: BoxStream<'static, Result<(RecordBatch, u64), Error>>,
    current: Option<RecordBatch>,
    compared: u64,
    batches_read: u64,
}

impl Side {
    fn new(source: &Source, path: &Path) -> Self {
        let blocks = source.blocks().map(|block| block.map_err(Error::from));
        let named = path.to_owned();
        let batches = pipeline::produce(blocks)
            .map_ok(move |block| {
                let path = named.clone();
                pipeline::run(move || {
                    let bytes = block.message.body.len() as u64;
                    let batch = block.decode();
                    batch
                        .map(|batch| (batch, bytes))
                        .map_err(|source| FileError::Content { path, source })
                })
            })
            .try_buffered(pipeline::cores())
            .boxed();
        Self { path: path.to_owned(), batches, current: None, compared: 0, batches_read: 0 }
    }

    /// How many rows can be taken at once; 0 at the end of the file.
    async fn rows_at_hand(&mut self, progress: &dyn Progress) -> Result<usize, Error> {
        loop {
            match &self.current {
                Some(batch) if batch.num_rows() > 0 => return Ok(batch.num_rows()),
                _ => {}
            }
            let Some((batch, bytes)) = self.batches.try_next().await? else {
                return Ok(0);
            };
            progress.done(Work { chunks: 1, rows: batch.num_rows() as u64, bytes });
            self.batches_read += 1;
            self.current = Some(batch);
        }
    }

    /// Takes rows that are at hand.
    fn take(&mut self, rows: usize) -> Option<RecordBatch> {
        let batch = self.current.take()?;
        if rows < batch.num_rows() {
            self.current = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.compared += rows as u64;
        Some(batch.slice(0, rows))
    }
}
