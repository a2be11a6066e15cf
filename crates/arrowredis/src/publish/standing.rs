//! What stands under a name that is being written, and how it goes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::catalog::{Standing, Unlisted, look_up};
use crate::chunk::Payload;
use crate::clock::{Clock, Timestamp};
use crate::dataset::{ChunkId, DatasetId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::{chunk_key, manifest_key, removed_key, staged_key};
use crate::manifest::{Entry, Fingerprint};
use crate::store::{Change, ChunkStore, Guard};

use super::{Claim, KEYS_AT_ONCE, PublishError, REPLACED_LIFE, Replace, apply_in_batches};

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
    /// Keys of staged chunks that belong to nothing that a reader could find.
    strays: BTreeSet<String>,
    /// Bytes of its chunks, if that is known.
    pub(crate) bytes: Option<u64>,
}

impl Old {
    /// Looks at what stands under a name.
    ///
    /// # Errors
    /// [`PublishError`] when it is a dataset that is not to be replaced, or an alias.
    pub(crate) async fn look<S: ChunkStore>(
        store: &S,
        dataset: &DatasetName,
        replace: Replace,
    ) -> Result<Self, Error> {
        let Standing { fingerprint, entry } = look_up(store, dataset).await?;
        let nothing = Self {
            dataset: dataset.clone(),
            exists: false,
            fingerprint,
            own: BTreeSet::new(),
            staged: BTreeSet::new(),
            id: None,
            strays: BTreeSet::new(),
            bytes: Some(0),
        };
        let damaged = match entry {
            Ok(Some(Entry::Alias(target))) => {
                let (alias, dataset) = (dataset.to_string(), target.to_string());
                return Err(PublishError::Alias { alias, dataset }.into());
            }
            Ok(Some(Entry::Dataset(manifest))) => {
                let own: BTreeSet<_> = manifest.chunks.iter().map(|chunk| chunk.id).collect();
                let (id, bytes) = (Some(manifest.id), Some(manifest.bytes()));
                let what = format!("{} chunks, {} rows", own.len(), manifest.rows());
                refuse(store, dataset, replace, what)?;
                let staged = still_staged(store, dataset, &own, manifest.id).await?;
                return Ok(Self { exists: true, own, staged, id, bytes, ..nothing });
            }
            Ok(None) => false,
            Err(DataError::Manifest { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        let found = Unlisted::look(store, dataset).await?;
        let exists = damaged || found.exists();
        if exists {
            let what =
                if damaged { "with a damaged manifest" } else { "chunks without a manifest" };
            refuse(store, dataset, replace, what.to_owned())?;
        }
        let strays = found.staged.into_iter().collect();
        let bytes = if exists { None } else { nothing.bytes };
        Ok(Self { exists, own: found.own, strays, bytes, ..nothing })
    }

    /// Also all other keys of chunks that stand there, whoever left them.
    pub(crate) async fn with_strays<S: ChunkStore>(mut self, store: &S) -> Result<Self, Error> {
        let found = Unlisted::look(store, &self.dataset).await?;
        self.strays.extend(found.staged);
        let listed = &self.own;
        let strays = found.own.difference(listed).map(|id| chunk_key(&self.dataset, *id));
        self.strays.extend(strays.collect::<Vec<_>>());
        let known: BTreeSet<_> = self.staged.iter().filter_map(|id| self.staged_key(*id)).collect();
        self.strays.retain(|key| !known.contains(key));
        Ok(self)
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
        if self.keys() > 0 || self.exists {
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
        if self.keys() == 0 && !self.exists {
            return Ok(self);
        }
        let (dataset, sign) = (&self.dataset, removed_key(&self.dataset));
        let manifest = manifest_key(dataset);
        let now = clock.now();
        let until = Some(now.after(SIGN_LIFE));
        // A full server takes no new value; it renames, and lets expire.
        let put_up = if self.fingerprint == Fingerprint::ABSENT {
            // An empty value is as good as none, and goes, too.
            vec![self.sign(now), Change::Remove { key: manifest.clone() }]
        } else {
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
        let mut changes: Vec<_> = self.leave(&BTreeSet::new(), None).collect();
        changes.push(Change::Remove { key: sign });
        if !begun || !apply_in_batches(store, &gone, changes).await? {
            let dataset = dataset.to_string();
            return Err(PublishError::Overtaken { dataset, key: manifest }.into());
        }
        let (own, staged, strays) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (fingerprint, bytes) = (Fingerprint::ABSENT, Some(0));
        Ok(Self { fingerprint, own, staged, strays, bytes, ..self })
    }

    /// The sign that what is left of the dataset is none, should its manifest go.
    pub(super) fn sign(&self, now: Timestamp) -> Change {
        let (key, until) = (removed_key(&self.dataset), Some(now.after(SIGN_LIFE)));
        Change::Put { key, value: Payload::default(), until }
    }

    /// The end of that sign.
    pub(super) fn take_down_sign(&self) -> Change {
        Change::Remove { key: removed_key(&self.dataset) }
    }

    /// Lets all its chunks vanish at some time, if ever.
    pub(crate) fn expire(&self, until: Option<Timestamp>) -> impl Iterator<Item = Change> {
        let own = self.own.iter().map(|id| chunk_key(&self.dataset, *id));
        let staged = self.staged.iter().filter_map(|id| self.staged_key(*id));
        let keys: Vec<_> = own.chain(staged).chain(self.strays.iter().cloned()).collect();
        keys.into_iter().map(move |key| Change::Expire { key, until })
    }

    /// What must happen to an old chunk before a new one takes its name. If it is to be `kept` until
    /// some time, it gets the name at which readers of the old dataset look second.
    pub(super) fn make_way(&self, id: ChunkId, kept: Option<Timestamp>) -> Vec<Change> {
        let Some(staged) = self.staged_key(id) else { return Vec::new() };
        let has_it_already = self.staged.contains(&id);
        match kept {
            None if has_it_already => vec![Change::Remove { key: staged }],
            None => Vec::new(),
            Some(_) if !self.own.contains(&id) => Vec::new(),
            Some(_) => {
                let from = chunk_key(&self.dataset, id);
                let rename = (!has_it_already).then(|| Change::Rename { from, to: staged.clone() });
                rename.into_iter().chain([Change::Expire { key: staged, until: kept }]).collect()
            }
        }
    }

    /// What must happen to the old chunks whose names no new one takes.
    pub(super) fn leave(
        &self,
        new: &BTreeSet<ChunkId>,
        kept: Option<Timestamp>,
    ) -> impl Iterator<Item = Change> {
        let gone: Vec<_> = self.own.difference(new).copied().collect();
        let strays = self.strays.iter().cloned().map(|key| Change::Remove { key });
        let gone = gone.into_iter().flat_map(move |id| {
            let own = Change::Remove { key: chunk_key(&self.dataset, id) };
            self.make_way(id, kept).into_iter().chain([own])
        });
        gone.chain(strays)
    }

    /// How many chunks it has.
    pub(crate) fn chunks(&self) -> u64 {
        self.own.len() as u64
    }

    /// How many keys belong to nothing that a reader could find.
    pub(crate) fn leftovers(&self) -> u64 {
        self.strays.len() as u64
    }

    /// How many keys go with it.
    pub(super) fn keys(&self) -> u64 {
        (self.own.len() + self.staged.len() + self.strays.len()) as u64
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
