//! Chunks that no manifest lists: another program's dataset, or what is left of one.

use std::collections::BTreeSet;

use crate::dataset::{ChunkId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::{
    chunk_pattern, is_chunk_key, is_fence_key, parse_chunk_key, pending_key, removed_key,
};
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
    /// The keys of fences: of somebody who changes the dataset, or did when it ended.
    pub(crate) fences: Vec<String>,
    /// One of them that was published: its manifest is lost.
    unfinished: Option<String>,
}

impl Unlisted {
    pub(crate) async fn look<S: ChunkStore>(
        store: &S,
        dataset: &DatasetName,
    ) -> Result<Self, Error> {
        let keys = store.keys(&chunk_pattern(dataset)).await?;
        let (mut own, mut staged, mut fences) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            match parse_chunk_key(dataset, key.as_bytes()) {
                Some(id) => own.push((id, key)),
                None if is_chunk_key(dataset, &key) => staged.push(key),
                None if is_fence_key(dataset, &key) => fences.push(key),
                None => {}
            }
        }
        let unfinished = published(store, dataset, &staged).await?;
        let all: BTreeSet<_> = own.iter().map(|(id, _)| *id).collect();
        let found = Self { chunks: all.clone(), own: all, staged, fences, unfinished };
        let sign = removed_key(dataset);
        match store.lives(vec![sign.clone()]).await?.pop().flatten() {
            None => Ok(found),
            // Where its chunks lie apart, those that were not removed have no end, either.
            Some(Life::Forever) => {
                let unfinished = (!found.own.is_empty()).then_some(sign).or(found.unfinished);
                Ok(Self { chunks: BTreeSet::new(), unfinished, ..found })
            }
            // What is left has a time to live, which what another program stored since has not.
            Some(Life::For(_)) => {
                let (ids, keys): (Vec<_>, Vec<_>) = own.into_iter().unzip();
                let lives = store.lives(keys).await?;
                let stays =
                    ids.into_iter().zip(lives).filter(|(_, life)| *life == Some(Life::Forever));
                Ok(Self { chunks: stays.map(|(id, _)| id).collect(), ..found })
            }
        }
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

/// A staged chunk that was published, if there is one: it has no end, and is not of somebody who was
/// just about to.
async fn published<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    staged: &[String],
) -> Result<Option<String>, Error> {
    let lives = store.lives(staged.to_vec()).await?;
    let mut immortal = staged.iter().zip(lives).filter(|(_, life)| *life == Some(Life::Forever));
    let Some((first, _)) = immortal.next() else { return Ok(None) };
    let pending = store.get(vec![pending_key(dataset)]).await?.pop().flatten();
    let pending = pending.map(|id| String::from_utf8_lossy(&id).into_owned());
    let is_pending = |key: &str| pending.as_ref().is_some_and(|id| key.ends_with(id.as_str()));
    let mut others = [first].into_iter().chain(immortal.map(|(key, _)| key));
    Ok(others.find(|key| !is_pending(key)).cloned())
}

/// Whether somebody changes a dataset that lies in several slots, or did when it ended.
pub(crate) async fn is_pending<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
) -> Result<bool, Error> {
    Ok(store.lengths(vec![pending_key(dataset)]).await?.iter().any(Option::is_some))
}

/// Whether a dataset is being removed or replaced, so that what is left of it is none.
pub(crate) async fn is_removed<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
) -> Result<bool, Error> {
    Ok(store.lengths(vec![removed_key(dataset)]).await?.iter().any(Option::is_some))
}
