//! What a file holds, learnt by walking it once before anything of it is stored.

use futures::{Stream, TryStreamExt};

use crate::chunk::Chunk;
use crate::dataset::{ChunkId, PartitionId};
use crate::error::Error;
use crate::ipc::Codec;
use crate::manifest::StoredCodec;
use crate::progress::Work;
use crate::publish::Planned;

use super::assigned::{Assigned, Part};

/// A file's batches, counted.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) work: Work,
    pub(crate) planned: Planned,
    /// The chunks, in file order.
    pub(crate) ids: Vec<ChunkId>,
    pub(crate) codec: StoredCodec,
    /// The partition of the first rows.
    pub(crate) first: PartitionId,
}

pub(crate) async fn survey(
    assigned: impl Stream<Item = Result<Assigned, Error>> + Send,
    codec: Option<Codec>,
) -> Result<Survey, Error> {
    let mut assigned = std::pin::pin!(assigned);
    let (mut work, mut planned) = (Work::default(), Planned::default());
    let (mut ids, mut first, mut stored) = (Vec::new(), None, None);
    while let Some(Assigned { id, part }) = assigned.try_next().await? {
        work += Work { chunks: 1, rows: part.rows(), bytes: 0 };
        planned.chunks += 1;
        ids.push(id);
        planned.bytes = planned.bytes.saturating_add(least_bytes(&part, codec)?);
        let own = codec.unwrap_or(part.codec());
        stored = Some(stored.unwrap_or(StoredCodec::All(own)).and(own));
        if part.rows() > 0 {
            first.get_or_insert(id.partition);
        }
    }
    tracing::debug!(chunks = work.chunks, rows = work.rows, "the file is whole");
    let codec = stored.unwrap_or(StoredCodec::All(Codec::Uncompressed));
    Ok(Survey { work, planned, ids, codec, first: first.unwrap_or(PartitionId(0)) })
}

/// How many bytes a chunk will take at least, as far as that is known without making it.
fn least_bytes(part: &Part, codec: Option<Codec>) -> Result<u64, Error> {
    match (part, codec) {
        (Part::Whole(block), None) => {
            Chunk::forwarded(block).map(|value| value.len() as u64).map_err(Error::Encode)
        }
        (Part::Whole(block), Some(Codec::Uncompressed)) => {
            Ok(block.bytes_to_decode().max(block.message.body.len() as u64))
        }
        _ => Ok(0),
    }
}
