//! What a file holds, learnt by walking it once before anything of it is stored.

use futures::TryStreamExt;
use futures::future::{self, Either};

use crate::dataset::PartitionId;
use crate::error::Error;
use crate::ipc::Codec;
use crate::manifest::StoredCodec;
use crate::pipeline;
use crate::progress::Work;
use crate::publish::Planned;

use super::assigned::Assigned;
use super::divide::{Cuts, Measured, measure};
use super::form::Form;

/// Parts of which what is known is handed from the thread that walks the file together: some 100 bytes each.
/// A part that is still needed ends them, since it may hold a number for each of its rows.
const PARTS_TOGETHER: u64 = 256;

/// A file's batches, counted.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) work: Work,
    pub(crate) planned: Planned,
    /// The parts in file order, before any is divided: the partition of each, and its rows.
    pub(crate) parts: Vec<(PartitionId, u64)>,
    /// Which of them are divided.
    pub(crate) cuts: Cuts,
    pub(crate) codec: StoredCodec,
    /// The partition of the first rows.
    pub(crate) first: PartitionId,
}

/// What one part becomes.
struct Seen {
    partition: PartitionId,
    rows: u64,
    codec: Codec,
    measured: Measured,
}

/// Walks all parts. Only those whose chunks may be too long are decoded, on all cores.
///
/// # Errors
/// Those of the walk, and [`crate::error::FileError::Undividable`].
pub(crate) async fn survey(
    assigned: impl Iterator<Item = Result<Assigned, Error>> + Send + 'static,
    form: Form,
) -> Result<Survey, Error> {
    let looking = form.clone();
    let look = move |assigned: Result<_, Error>| look_at(assigned?, &looking);
    let weigh = |(_, in_doubt): &(Seen, Option<_>)| in_doubt.as_ref().map_or(1, |_| PARTS_TOGETHER);
    let looked_at = assigned.map(look);
    let seen = pipeline::produce_together(looked_at, weigh, PARTS_TOGETHER, pipeline::ITEMS_AHEAD);
    let measured = move |(seen, in_doubt)| match in_doubt {
        None => Either::Left(future::ready(Ok(seen))),
        Some((assigned, most)) => {
            let form = form.clone();
            Either::Right(pipeline::compute(move || {
                Ok::<_, Error>(Seen { measured: measure(&assigned, &form, most)?, ..seen })
            }))
        }
    };
    let mut seen = std::pin::pin!(seen.map_ok(measured).try_buffered(pipeline::cores()));
    let (mut work, mut planned) = (Work::default(), Planned::default());
    let (mut parts, mut cuts) = (Vec::new(), Cuts::default());
    let (mut first, mut stored) = (None, None);
    while let Some(Seen { partition, rows, codec, measured }) = seen.try_next().await? {
        let chunks = measured.cuts.as_ref().map_or(1, |cuts| cuts.len() as u64);
        work += Work { chunks, rows, bytes: 0 };
        planned.chunks = planned.chunks.saturating_add(chunks);
        planned.bytes = planned.bytes.saturating_add(measured.bytes);
        if let Some(rows) = measured.cuts {
            cuts.insert(parts.len() as u64, rows);
        }
        parts.push((partition, rows));
        stored = Some(stored.unwrap_or(StoredCodec::All(codec)).and(codec));
        if rows > 0 {
            first.get_or_insert(partition);
        }
    }
    tracing::debug!(chunks = work.chunks, rows = work.rows, "the file is whole");
    let codec = stored.unwrap_or(StoredCodec::All(Codec::Uncompressed));
    Ok(Survey { work, planned, parts, cuts, codec, first: first.unwrap_or(PartitionId(0)) })
}

/// What is known of a part without decoding it; the part itself, if its chunk may be longer than a limit,
/// and that.
fn look_at(assigned: Assigned, form: &Form) -> Result<(Seen, Option<(Assigned, u64)>), Error> {
    let Assigned { id, part, .. } = &assigned;
    let bytes = form.least_bytes(part)?;
    let (rows, codec) = (part.rows(), form.codec_of(part));
    let measured = Measured { bytes, cuts: None };
    let seen = Seen { partition: id.partition, rows, codec, measured };
    let in_doubt = form.limit_in_doubt(part, bytes);
    Ok((seen, in_doubt.map(|most| (assigned, most))))
}
