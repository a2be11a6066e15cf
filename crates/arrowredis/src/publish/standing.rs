//! What stands under a name that is being written, and how it goes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::catalog::{Standing, look_up};
use crate::chunk::Payload;
use crate::clock::{Clock, Timestamp};
use crate::dataset::{ChunkId, DatasetId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::{
    chunk_key, chunk_pattern, is_chunk_key, manifest_key, parse_chunk_key, removed_key, staged_key,
};
use crate::manifest::{Entry, Fingerprint};
use crate::store::{Change, ChunkStore, Guard, Life};

use super::{
    Claim, KEYS_AT_ONCE, Planned, PublishError, REPLACED_LIFE, Replace, STAGED_LIFE,
    apply_in_batches,
};

/// How long the sign lives that says that a dataset is being removed: longer than its chunks.
const SIGN_LIFE: Duration = Duration::from_secs(REPLACED_LIFE.as_secs() + 60);

/// The old dataset: with a manifest, or chunks that other programs stored, or nothing.
#[derive(Debug)]
pub(crate) struct Old {
    dataset: DatasetName,
    pub(crate) exists: bool,
    pub(crate) fingerprint: Fingerprint,
    /// Its chunks under their own names, as far as they are there.
    own: BTreeSet<ChunkId>,
    /// Its chunks that its writer did not come to rename, and its id.
    staged: BTreeSet<ChunkId>,
    id: Option<DatasetId>,
    /// Bytes of its chunks, if that is known.
    pub(crate) bytes: Option<u64>,
}

impl Old {
    fn nothing(dataset: &DatasetName) -> Self {
        Self {
            dataset: dataset.clone(),
            exists: false,
            fingerprint: Fingerprint::ABSENT,
            own: BTreeSet::new(),
            staged: BTreeSet::new(),
            id: None,
            bytes: Some(0),
        }
    }

    /// Looks at what stands under a name.
    ///
    /// # Errors
    /// [`PublishError`] when it is a dataset that is not to be replaced, or an alias.
    pub(crate) async fn look<S: ChunkStore>(
        store: &S,
        dataset: &DatasetName,
        replace: Replace,
        planned: &Planned,
    ) -> Result<Self, Error> {
        let nothing = Self::nothing(dataset);
        match look_up(store, dataset).await {
            Ok(Standing { entry: Some(Entry::Alias(target)), .. }) => {
                let (alias, dataset) = (dataset.to_string(), target.to_string());
                Err(PublishError::Alias { alias, dataset }.into())
            }
            Ok(Standing { entry: Some(Entry::Dataset(manifest)), fingerprint }) => {
                let chunks = manifest.chunks.iter().map(|chunk| chunk.id);
                let own: BTreeSet<_> = chunks.collect();
                let id = Some(manifest.id);
                let what = format!("{} chunks, {} rows", own.len(), manifest.rows());
                refuse(store, dataset, replace, what)?;
                let staged = still_staged(store, dataset, &own, manifest.id).await?;
                let bytes = Some(manifest.bytes());
                Ok(Self { exists: true, fingerprint, own, staged, id, bytes, ..nothing })
            }
            Ok(Standing { entry: None, .. }) => {
                if !any_there(store, dataset, planned).await? || is_removed(store, dataset).await? {
                    return Ok(nothing);
                }
                refuse(store, dataset, replace, "chunks without a manifest".to_owned())?;
                let own = listed(store, dataset).await?;
                Ok(Self { exists: true, own, bytes: None, ..nothing })
            }
            Err(Error::Data(DataError::Manifest { .. })) => {
                refuse(store, dataset, replace, "with a damaged manifest".to_owned())?;
                let value = store.get(vec![manifest_key(dataset)]).await?.pop().flatten();
                let fingerprint = value.map_or(Fingerprint::ABSENT, |v| Fingerprint::of(&v));
                let own = listed(store, dataset).await?;
                Ok(Self { exists: true, fingerprint, own, bytes: None, ..nothing })
            }
            Err(error) => Err(error),
        }
    }

    /// Removes all of it. From the first step on there is no dataset, and a sign says that what is
    /// left of it is none, until that is gone.
    ///
    /// # Errors
    /// [`PublishError::Overtaken`] when somebody else came between, [`PublishError::ClaimLost`] when
    /// somebody else did before this looked.
    pub(crate) async fn drop<S: ChunkStore>(
        self,
        store: &S,
        claim: &Claim<S>,
        clock: Clock,
    ) -> Result<Self, Error> {
        if self.exists {
            claim.confirm().await?;
        }
        self.remove(store, clock).await
    }

    /// Like [`Old::drop`], for whoever has no claim.
    pub(crate) async fn remove<S: ChunkStore>(
        self,
        store: &S,
        clock: Clock,
    ) -> Result<Self, Error> {
        if !self.exists {
            return Ok(self);
        }
        let (dataset, sign) = (&self.dataset, removed_key(&self.dataset));
        let manifest = manifest_key(dataset);
        let now = clock.now();
        // A full server takes no new value; it renames, and lets expire.
        let put_up = if self.fingerprint == Fingerprint::ABSENT {
            let until = Some(now.after(SIGN_LIFE));
            vec![Change::Put { key: sign.clone(), value: Payload::default(), until }]
        } else {
            let until = Some(now.after(SIGN_LIFE));
            let rename = Change::Rename { from: manifest.clone(), to: sign.clone() };
            vec![rename, Change::Expire { key: sign.clone(), until }]
        };
        let changes =
            put_up.into_iter().chain(self.expire(Some(now.after(REPLACED_LIFE)))).collect();
        let guard = Guard::new(dataset, self.fingerprint.clone());
        let begun = match store.apply(&guard, changes).await {
            Err(error) if self.fingerprint == Fingerprint::ABSENT && error.was_refused() => {
                tracing::debug!(%error, "no sign says that the chunks are being removed");
                true
            }
            begun => begun?,
        };
        let gone = Guard::new(dataset, Fingerprint::ABSENT);
        let mut changes: Vec<_> = self.leave(&BTreeSet::new(), false).collect();
        changes.push(Change::Remove { key: sign });
        if !begun || !apply_in_batches(store, &gone, changes).await? {
            let dataset = dataset.to_string();
            return Err(PublishError::Overtaken { dataset, key: manifest }.into());
        }
        Ok(Self { exists: true, ..Self::nothing(dataset) })
    }

    /// Lets all its chunks vanish at some time, if ever.
    pub(crate) fn expire(&self, until: Option<Timestamp>) -> impl Iterator<Item = Change> {
        let own = self.own.iter().map(|id| chunk_key(&self.dataset, *id));
        let staged = self.staged.iter().filter_map(|id| self.staged_key(*id));
        let keys: Vec<_> = own.chain(staged).collect();
        keys.into_iter().map(move |key| Change::Expire { key, until })
    }

    /// What must happen to an old chunk before a new one takes its name.
    pub(super) fn make_way(&self, id: ChunkId, keep: bool) -> Option<Change> {
        let staged = self.staged_key(id)?;
        if keep {
            // What its writer had not renamed stands where readers of the old dataset look anyway.
            let kept = self.own.contains(&id) && !self.staged.contains(&id);
            kept.then(|| Change::Rename { from: chunk_key(&self.dataset, id), to: staged })
        } else {
            self.staged.contains(&id).then_some(Change::Remove { key: staged })
        }
    }

    /// What must happen to the old chunks whose names no new one takes.
    pub(super) fn leave(
        &self,
        new: &BTreeSet<ChunkId>,
        keep: bool,
    ) -> impl Iterator<Item = Change> {
        let gone: Vec<_> = self.own.difference(new).copied().collect();
        gone.into_iter().flat_map(move |id| {
            let own = Change::Remove { key: chunk_key(&self.dataset, id) };
            self.make_way(id, keep).into_iter().chain([own])
        })
    }

    /// How many chunks it has.
    pub(crate) fn chunks(&self) -> u64 {
        self.own.len() as u64
    }

    fn staged_key(&self, id: ChunkId) -> Option<String> {
        self.id.map(|writing| staged_key(&self.dataset, id, writing))
    }
}

fn refuse<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    replace: Replace,
    what: String,
) -> Result<(), PublishError> {
    if replace != Replace::Refuse {
        return Ok(());
    }
    let (dataset, store) = (dataset.to_string(), store.address().to_owned());
    Err(PublishError::Exists { dataset, store, what })
}

/// The chunks of the old dataset that still have the names under which they were staged.
async fn still_staged<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    chunks: &BTreeSet<ChunkId>,
    writing: DatasetId,
) -> Result<BTreeSet<ChunkId>, Error> {
    let mut staged = BTreeSet::new();
    let ids: Vec<_> = chunks.iter().copied().collect();
    for ids in ids.chunks(KEYS_AT_ONCE) {
        let keys = ids.iter().map(|id| staged_key(dataset, *id, writing)).collect();
        let lengths = store.lengths(keys).await?;
        let there = ids.iter().zip(lengths).filter(|(_, length)| length.is_some());
        staged.extend(there.map(|(id, _)| *id));
    }
    Ok(staged)
}

/// Whether a chunk of another program stands where one is to be written, or where a dataset's first
/// one would be. Asking for those is cheap on any server; looking at all its keys is not.
async fn any_there<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    planned: &Planned,
) -> Result<bool, Error> {
    let first = ChunkId::new(0, 0);
    let ids: Vec<_> = std::iter::once(first).chain(planned.chunks.iter().copied()).collect();
    for ids in ids.chunks(KEYS_AT_ONCE) {
        let keys = ids.iter().map(|id| chunk_key(dataset, *id)).collect();
        if store.lengths(keys).await?.iter().any(Option::is_some) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All chunks under their own names, whoever stored them.
async fn listed<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
) -> Result<BTreeSet<ChunkId>, Error> {
    let keys = store.keys(&chunk_pattern(dataset)).await?;
    Ok(keys.iter().filter_map(|key| parse_chunk_key(dataset, key.as_bytes())).collect())
}

/// The chunks of a dataset without a manifest: all under their own names.
///
/// # Errors
/// [`DataError::Unfinished`] when there are staged ones that were published: the manifest is lost,
/// and without it nobody can tell which of the others are of the same dataset.
pub(crate) async fn unlisted_chunks<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
) -> Result<BTreeSet<ChunkId>, Error> {
    let keys = store.keys(&chunk_pattern(dataset)).await?;
    let own = |key: &String| parse_chunk_key(dataset, key.as_bytes());
    let staged = keys.iter().filter(|key| own(key).is_none() && is_chunk_key(dataset, key));
    let staged: Vec<_> = staged.cloned().collect();
    let lives = store.lives(staged.clone()).await?;
    let published = |life: &Option<Life>| match life {
        Some(Life::Forever) => true,
        Some(Life::For(left)) => *left > STAGED_LIFE,
        None => false,
    };
    if let Some((key, _)) = staged.into_iter().zip(lives).find(|(_, life)| published(life)) {
        return Err(DataError::Unfinished { key }.into());
    }
    Ok(keys.iter().filter_map(own).collect())
}

/// Whether what is left of a dataset is being removed.
pub(crate) async fn is_removed<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
) -> Result<bool, Error> {
    Ok(store.lengths(vec![removed_key(dataset)]).await?.iter().any(Option::is_some))
}
