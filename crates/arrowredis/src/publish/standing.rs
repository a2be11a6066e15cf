//! What stands under a name that is being written, and how it goes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::catalog::{Standing, Unlisted, is_pending, look_up};
use crate::chunk::Payload;
use crate::clock::Timestamp;
use crate::dataset::{ChunkId, DatasetId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::{chunk_key, manifest_key, parse_chunk_key, removed_key, staged_key};
use crate::manifest::{Entry, Fingerprint};
use crate::store::{Change, ChunkStore};

use super::{
    Claim, KEYS_AT_ONCE, PublishError, REPLACED_LIFE, Replace, Steps, Transition, elsewhere,
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
    /// Keys of staged chunks that belong to nothing that a reader could find.
    strays: BTreeSet<String>,
    /// Fences that somebody who changed it before left in partitions.
    fences: Vec<String>,
    /// Whether somebody who changed it before, in several slots, did not come to its end.
    pending: bool,
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
            fences: Vec::new(),
            pending: is_pending(store, dataset).await?,
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
                let old = Self { exists: true, own, staged, id, bytes, ..nothing };
                // Somebody who changed it before left keys that no manifest lists.
                return if old.pending { old.with_strays(store).await } else { Ok(old) };
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
        let (strays, fences) = (found.staged.into_iter().collect(), found.fences);
        let bytes = if exists { None } else { nothing.bytes };
        Ok(Self { exists, own: found.own, strays, fences, bytes, ..nothing })
    }

    /// Also all other keys of chunks that stand there, whoever left them.
    pub(crate) async fn with_strays<S: ChunkStore>(mut self, store: &S) -> Result<Self, Error> {
        let found = Unlisted::look(store, &self.dataset).await?;
        self.strays.extend(found.staged);
        self.fences = found.fences;
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
    pub(crate) async fn drop<S: ChunkStore>(self, claim: &Claim<S>) -> Result<Self, Error> {
        if self.is_nothing() {
            return Ok(self);
        }
        claim.confirm().await?;
        let steps = self.removal(claim.store(), claim.clock().now());
        self.remove(Transition::claimed(claim, steps)).await
    }

    /// Like [`Old::drop`], for whoever has no claim.
    pub(crate) async fn drop_unclaimed<S: ChunkStore>(
        self,
        store: &S,
        id: DatasetId,
        now: Timestamp,
    ) -> Result<Self, Error> {
        if self.is_nothing() {
            return Ok(self);
        }
        let (steps, dataset) = (self.removal(store, now), self.dataset.clone());
        self.remove(Transition::unclaimed(store, &dataset, id, now, steps)).await
    }

    fn is_nothing(&self) -> bool {
        self.keys() == 0 && self.leftovers() == 0 && !self.exists
    }

    fn removal<S: ChunkStore>(&self, store: &S, now: Timestamp) -> Steps {
        let (dataset, sign) = (&self.dataset, removed_key(&self.dataset));
        let manifest = manifest_key(dataset);
        let with_commit: Vec<_> = self.expire(Some(now.after(REPLACED_LIFE))).collect();
        let apart = !elsewhere(store, dataset, with_commit.iter().map(Change::key)).is_empty();
        // A full server takes no new value; it renames, and lets expire.
        let commit = if self.fingerprint == Fingerprint::ABSENT {
            // An empty value is as good as none, and goes, too.
            vec![self.sign(now, apart), Change::Remove { key: manifest }]
        } else {
            let until = (!apart).then(|| now.after(SIGN_LIFE));
            let rename = Change::Rename { from: manifest, to: sign.clone() };
            vec![rename, Change::Expire { key: sign, until }]
        };
        let after = self.leave(&BTreeSet::new(), None).collect();
        let last = vec![self.take_down_sign()];
        let before = self.take_over_fences().collect();
        let pending = self.pending;
        Steps { before, commit, with_commit, after, last, pending, ..Steps::default() }
    }

    async fn remove<S: ChunkStore>(self, mut transition: Transition<'_, S>) -> Result<Self, Error> {
        let begun = match transition.commit(&self.fingerprint).await {
            Err(error) if self.fingerprint == Fingerprint::ABSENT && error.was_refused() => {
                tracing::debug!(%error, "no sign says that the chunks are being removed");
                true
            }
            begun => begun?,
        };
        if !begun || !transition.tidy(&Fingerprint::ABSENT).await? {
            let (dataset, key) = (self.dataset.to_string(), manifest_key(&self.dataset));
            return Err(PublishError::Overtaken { dataset, key }.into());
        }
        let (own, staged, strays) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (fingerprint, bytes) = (Fingerprint::ABSENT, Some(0));
        let (fences, pending) = (Vec::new(), false);
        Ok(Self { fingerprint, own, staged, strays, fences, pending, bytes, ..self })
    }

    /// Nothing but a reason to look at the partitions whose fences were left: whoever changes a
    /// partition puts up its own fence, and takes it down at the end.
    pub(super) fn take_over_fences(&self) -> impl Iterator<Item = Change> {
        let fences = self.fences.iter().cloned();
        fences.map(|key| Change::Expire { key, until: None })
    }

    /// The sign that what is left of the dataset is none, should its manifest go. Where its chunks
    /// lie apart they get no end together with it, so that it has none, either.
    pub(crate) fn sign(&self, now: Timestamp, apart: bool) -> Change {
        let until = (!apart).then(|| now.after(SIGN_LIFE));
        Change::Put { key: removed_key(&self.dataset), value: Payload::default(), until }
    }

    /// The end of that sign.
    pub(crate) fn take_down_sign(&self) -> Change {
        Change::Remove { key: removed_key(&self.dataset) }
    }

    /// Lets all its chunks vanish at some time, if ever.
    pub(crate) fn expire(&self, until: Option<Timestamp>) -> impl Iterator<Item = Change> {
        let own = self.own.iter().map(|id| chunk_key(&self.dataset, *id));
        let staged = self.staged.iter().filter_map(|id| self.staged_key(*id));
        let keys: Vec<_> = own.chain(staged).chain(self.strays.iter().cloned()).collect();
        keys.into_iter().map(move |key| Change::Expire { key, until })
    }

    /// What must happen to an old chunk that still has its staged name when a new one takes its
    /// place: it is removed, or kept there until some time.
    pub(super) fn make_way(&self, id: ChunkId, kept: Option<Timestamp>) -> Option<Change> {
        let key = self.staged_key(id).filter(|_| self.staged.contains(&id))?;
        Some(match kept {
            None => Change::Remove { key },
            Some(_) => Change::Expire { key, until: kept },
        })
    }

    /// Where an old chunk goes when a new one takes its own name, if it is to be kept: to the name at
    /// which readers of the old dataset look second.
    pub(super) fn aside(
        &self,
        id: ChunkId,
        kept: Option<Timestamp>,
    ) -> Option<(String, Timestamp)> {
        let under_own_name = self.own.contains(&id) && !self.staged.contains(&id);
        self.staged_key(id).filter(|_| under_own_name).zip(kept)
    }

    /// What must happen to the old chunks whose names no new one takes.
    pub(super) fn leave(
        &self,
        new: &BTreeSet<ChunkId>,
        kept: Option<Timestamp>,
    ) -> impl Iterator<Item = Change> {
        let gone: Vec<_> = self.own.difference(new).copied().collect();
        // A chunk that the old dataset does not list can have the name of a new one.
        let is_new = |key: &&String| {
            parse_chunk_key(&self.dataset, key.as_bytes()).is_some_and(|id| new.contains(&id))
        };
        let strays = self.strays.iter().filter(|key| !is_new(key)).cloned();
        let strays: Vec<_> = strays.map(|key| Change::Remove { key }).collect();
        let gone = gone.into_iter().flat_map(move |id| {
            let own = chunk_key(&self.dataset, id);
            let leave = match self.aside(id, kept) {
                Some((to, until)) => {
                    Change::Settle { from: own, to, until: Some(until), aside: None }
                }
                None => Change::Remove { key: own },
            };
            self.make_way(id, kept).into_iter().chain([leave])
        });
        gone.chain(strays)
    }

    /// How many chunks it has.
    pub(crate) fn chunks(&self) -> u64 {
        self.own.len() as u64
    }

    /// How many keys belong to nothing that a reader could find.
    pub(crate) fn leftovers(&self) -> u64 {
        (self.strays.len() + self.fences.len() + usize::from(self.pending)) as u64
    }

    /// Whether somebody who changed it before, in several slots, did not come to its end.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending
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
