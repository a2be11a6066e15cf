//! Chunks that no manifest lists: another program's dataset, or what is left of one.

use std::collections::BTreeSet;

use crate::dataset::{ChunkId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::{chunk_pattern, is_chunk_key, parse_chunk_key, removed_key};
use crate::store::{ChunkStore, Life};

/// What stands under the names of a dataset's chunks, found by looking at all keys of the store.
#[derive(Debug, Default)]
pub(crate) struct Unlisted {
    /// The chunks of another program's dataset: those under their own names, but for what is left of
    /// one that is being removed or replaced.
    pub(crate) chunks: BTreeSet<ChunkId>,
    /// All chunks under their own names.
    pub(crate) own: BTreeSet<ChunkId>,
    /// The keys of staged chunks.
    pub(crate) staged: Vec<String>,
    /// One of them that was published: its manifest is lost.
    unfinished: Option<String>,
}

impl Unlisted {
    pub(crate) async fn look<S: ChunkStore>(
        store: &S,
        dataset: &DatasetName,
    ) -> Result<Self, Error> {
        let keys = store.keys(&chunk_pattern(dataset)).await?;
        let (mut own, mut staged) = (Vec::new(), Vec::new());
        for key in keys.into_iter().filter(|key| is_chunk_key(dataset, key)) {
            match parse_chunk_key(dataset, key.as_bytes()) {
                Some(id) => own.push((id, key)),
                None => staged.push(key),
            }
        }
        let lives = store.lives(staged.clone()).await?;
        let published = |(_, life): &(&String, Option<Life>)| *life == Some(Life::Forever);
        let unfinished = staged.iter().zip(lives).find(published).map(|(key, _)| key.clone());

        let all: BTreeSet<_> = own.iter().map(|(id, _)| *id).collect();
        let chunks = if is_removed(store, dataset).await? {
            // What is left has a time to live, which what another program stored since has not.
            let (ids, keys): (Vec<_>, Vec<_>) = own.into_iter().unzip();
            let lives = store.lives(keys).await?;
            let stays = ids.into_iter().zip(lives).filter(|(_, life)| *life == Some(Life::Forever));
            stays.map(|(id, _)| id).collect()
        } else {
            all.clone()
        };
        Ok(Self { chunks, own: all, staged, unfinished })
    }

    /// Whether there is a dataset, whole or not.
    pub(crate) fn exists(&self) -> bool {
        !self.chunks.is_empty() || self.unfinished.is_some()
    }

    /// The chunks of another program's dataset.
    ///
    /// # Errors
    /// [`DataError::Unfinished`] when there are staged ones that were published: without their
    /// manifest nobody can tell which of the others are of the same dataset.
    pub(crate) fn into_chunks(self) -> Result<BTreeSet<ChunkId>, DataError> {
        match self.unfinished {
            Some(key) => Err(DataError::Unfinished { key }),
            None => Ok(self.chunks),
        }
    }
}

/// Whether a dataset is being removed or replaced, so that what is left of it is none.
pub(crate) async fn is_removed<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
) -> Result<bool, Error> {
    Ok(store.lengths(vec![removed_key(dataset)]).await?.iter().any(Option::is_some))
}
