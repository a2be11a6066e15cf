//! What stands under a name, changed in one step that readers see, wherever its keys lie.
//!
//! Where all keys lie in one slot, that step is one script, and no other is needed but to make order.
//! Otherwise the step is a script in the manifest's slot, *home*, and everything that must be so in other
//! slots is made so before it:
//!
//! ```text
//! 1 home         pending = id      if the manifest is what was seen, and the claim is held
//! 2 partitions   fence = token     if no later writer has it, and all chunks are there: lift their ends
//! 3 home         the manifest      if the manifest is what was seen, and the claim is held
//! 4 partitions   make order, each only while the fence is ours; then remove it
//! 5 home         remove pending    if it is ours
//! ```
//!
//! ARCHITECTURE.md says why nothing can go wrong in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use crate::clock::Timestamp;
use crate::dataset::{DatasetId, DatasetName, PartitionId};
use crate::error::Error;
use crate::key::{claim_key, fence_key, manifest_key, partition_of, pending_key};
use crate::manifest::Fingerprint;
use crate::store::{Change, ChunkStore, Condition, Guard, StoreError};

use super::{CHANGES_AT_ONCE, Claim};

/// How long a fence stays that nobody takes down: one that is put up late, by a request that was thought
/// lost, vanishes by itself. It is far longer than anybody is held up.
const FENCE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The text by which partitions know a later writer from an earlier one: when it claimed, in as many
/// digits as there can be, and who it is.
pub(crate) fn token(claimed: Timestamp, id: DatasetId) -> String {
    format!("{}-{id}", token_time(claimed))
}

fn token_time(claimed: Timestamp) -> String {
    format!("{:020}", claimed.0)
}

/// Partitions whose keys are changed at the same time.
const PARTITIONS_AT_ONCE: usize = 16;

/// What is changed, each list in its order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// Keys that must have these lengths.
    pub(crate) present: Vec<(String, u64)>,
    /// What harms nobody if nothing follows it.
    pub(crate) before: Vec<Change>,
    /// What readers see. All of it is about keys in the manifest's slot.
    pub(crate) commit: Vec<Change>,
    /// What belongs to that step wherever one step can do it, and is left out elsewhere.
    pub(crate) with_commit: Vec<Change>,
    /// What makes order.
    pub(crate) after: Vec<Change>,
    /// What ends it, in the manifest's slot.
    pub(crate) last: Vec<Change>,
    /// Whether somebody else said that a change is under way and did not come to its end.
    pub(crate) pending: bool,
}

/// Who changes it, and over what.
pub(crate) struct Transition<'a, S: ChunkStore> {
    store: &'a S,
    dataset: &'a DatasetName,
    id: DatasetId,
    /// By it partitions know a later writer from an earlier one.
    token: String,
    fence_until: Timestamp,
    /// The claim that must be held.
    owner: Option<&'a str>,
    steps: Steps,
    partitions: BTreeSet<PartitionId>,
    /// Whether it is said that a change is under way.
    announced: bool,
    /// Whether the step that readers see was asked for.
    sent: bool,
}

impl<'a, S: ChunkStore> Transition<'a, S> {
    /// With a claim.
    pub(crate) fn claimed(claim: &'a Claim<S>, steps: Steps) -> Self {
        let owner = Some(claim.owner());
        let now = claim.claimed();
        Self::new(claim.store(), claim.dataset(), claim.id(), now, owner, steps)
    }

    /// For whoever could not get one: where one step does it, or the server is full.
    pub(crate) fn unclaimed(
        store: &'a S,
        dataset: &'a DatasetName,
        id: DatasetId,
        now: Timestamp,
        steps: Steps,
    ) -> Self {
        Self::new(store, dataset, id, now, None, steps)
    }

    fn new(
        store: &'a S,
        dataset: &'a DatasetName,
        id: DatasetId,
        claimed: Timestamp,
        owner: Option<&'a str>,
        steps: Steps,
    ) -> Self {
        let partitions = {
            let Steps { present, before, with_commit, after, .. } = &steps;
            let changes = before.iter().chain(with_commit).chain(after).map(Change::key);
            let keys = changes.chain(present.iter().map(|(key, _)| key.as_str()));
            elsewhere(store, dataset, keys)
        };
        // Whoever has no claim has it because the server is full, which takes no new value.
        let announced = owner.is_some() && (steps.pending || !partitions.is_empty());
        let (token, fence_until) = (token(claimed, id), claimed.after(FENCE_LIFE));
        let sent = false;
        Self { store, dataset, id, token, owner, steps, partitions, announced, sent, fence_until }
    }

    /// Whether all its keys lie in one slot.
    pub(crate) fn is_one_step(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Whether the step that readers see was asked for, so that an error after it leaves it open
    /// whether it was made.
    pub(crate) fn was_sent(&self) -> bool {
        self.sent
    }

    /// Whether readers would see the change, had it ended now; `false` if somebody else came between
    /// or a chunk is not there, and then nothing was changed that they see.
    pub(crate) async fn commit(&mut self, seen: &Fingerprint) -> Result<bool, StoreError> {
        let steps = std::mem::take(&mut self.steps);
        let mut present = self.divided(steps.present, |(key, _)| key);
        let mut before = self.divided(steps.before, Change::key);
        let mut with_commit = self.divided(steps.with_commit, Change::key);
        (self.steps.after, self.steps.last) = (steps.after, steps.last);

        let home = self.home(seen);
        if self.announced {
            let value = self.id.to_string().into_bytes().into();
            let pending = Change::Put { key: pending_key(self.dataset), value, until: None };
            if !self.store.apply(&home, vec![pending]).await? {
                return Ok(false);
            }
        }
        if !self.prepare_all(&mut present, &mut before).await? {
            return Ok(false);
        }
        let present = present.remove(&None).unwrap_or_default();
        let guard = Guard { present, ..home };
        let mut changes = steps.commit;
        changes.extend(before.remove(&None).unwrap_or_default());
        changes.extend(with_commit.remove(&None).unwrap_or_default());
        self.sent = true;
        self.store.apply(&guard, changes).await
    }

    /// Makes order once more after a commit that stands: a partition's server may have lost what it
    /// acknowledged before, the fence and that its chunks have no end.
    pub(crate) async fn settle_again(mut self, committed: &Fingerprint) -> Result<bool, Error> {
        let before = std::mem::take(&mut self.steps.before);
        let mut before = self.divided(before, Change::key);
        // What has its own name by now is not there under its staged one.
        let prepared = self.prepare_all(&mut BTreeMap::new(), &mut before).await?;
        Ok(prepared && self.tidy(committed).await?)
    }

    async fn prepare_all(
        &self,
        present: &mut BTreeMap<Option<PartitionId>, Vec<(String, u64)>>,
        before: &mut BTreeMap<Option<PartitionId>, Vec<Change>>,
    ) -> Result<bool, StoreError> {
        if self.owner.is_none() {
            return Ok(true);
        }
        let prepare = self.partitions.iter().map(|partition| {
            let present = present.remove(&Some(*partition)).unwrap_or_default();
            let before = before.remove(&Some(*partition)).unwrap_or_default();
            (*partition, present, before)
        });
        let prepare: Vec<_> = prepare.collect();
        stream::iter(prepare)
            .map(|(partition, present, before)| self.prepare(partition, present, before))
            .buffer_unordered(PARTITIONS_AT_ONCE)
            .try_fold(true, async |all, one| Ok(all && one))
            .await
    }

    /// Makes order after the commit, as long as nobody else has come: while the manifest is the one
    /// that was committed. Whether that was so all the time.
    pub(crate) async fn tidy(mut self, committed: &Fingerprint) -> Result<bool, Error> {
        let (after, last) =
            (std::mem::take(&mut self.steps.after), std::mem::take(&mut self.steps.last));
        let mut after = self.divided(after, Change::key);
        let mut home = after.remove(&None).unwrap_or_default();
        let fenced: Vec<_> = self
            .partitions
            .iter()
            .map(|partition| (*partition, after.remove(&Some(*partition)).unwrap_or_default()))
            .collect();
        let tidied = stream::iter(fenced)
            .map(|(partition, changes)| self.tidy_partition(partition, changes))
            .buffer_unordered(PARTITIONS_AT_ONCE)
            .try_fold(true, async |all, one| Ok(all && one));
        if !tidied.await? {
            return Ok(false);
        }
        home.extend(last);
        let guard = Guard::manifest(self.dataset, committed);
        Ok(apply_in_batches(self.store, &guard, home).await? && self.end().await?)
    }

    /// Takes back what says that something is under way, after a commit that was not made.
    pub(crate) async fn abandon(&self) -> Result<(), Error> {
        for partition in &self.partitions {
            self.remove_fence(*partition).await?;
        }
        self.end().await?;
        Ok(())
    }

    fn home(&self, seen: &Fingerprint) -> Guard {
        let mut guard = Guard::manifest(self.dataset, seen);
        guard.conditions.extend(self.owner.map(|owner| Condition::EndsWith {
            key: claim_key(self.dataset),
            tail: owner.as_bytes().to_vec(),
        }));
        guard
    }

    async fn prepare(
        &self,
        partition: PartitionId,
        present: Vec<(String, u64)>,
        before: Vec<Change>,
    ) -> Result<bool, StoreError> {
        let (key, text) = (fence_key(self.dataset, partition), self.token.clone());
        let value = text.clone().into_bytes().into();
        let put = Change::Put { key: key.clone(), value, until: Some(self.fence_until) };
        // One that was left there is this one's by now.
        let before = before.into_iter().filter(|change| change.key() != key).collect::<Vec<_>>();
        let conditions = vec![Condition::NotAfter { key, text }];
        let changes = [put].into_iter().chain(before).collect();
        self.store.apply(&Guard { conditions, present }, changes).await
    }

    async fn tidy_partition(
        &self,
        partition: PartitionId,
        changes: Vec<Change>,
    ) -> Result<bool, Error> {
        let guard = self.fenced(partition);
        Ok(apply_in_batches(self.store, &guard, changes).await?
            && self.remove_fence(partition).await?)
    }

    async fn remove_fence(&self, partition: PartitionId) -> Result<bool, Error> {
        if self.owner.is_none() {
            return Ok(true);
        }
        let remove = Change::Remove { key: fence_key(self.dataset, partition) };
        Ok(self.store.apply(&self.fenced(partition), vec![remove]).await?)
    }

    fn fenced(&self, partition: PartitionId) -> Guard {
        let (key, text) = (fence_key(self.dataset, partition), self.token.clone());
        match self.owner {
            Some(_) => Guard::ends_with(key, text.into_bytes()),
            // No fence could be put up, so only a later writer's is looked for.
            None => {
                let conditions = vec![Condition::NotAfter { key, text }];
                Guard { conditions, present: Vec::new() }
            }
        }
    }

    async fn end(&self) -> Result<bool, Error> {
        if !self.announced {
            return Ok(true);
        }
        let key = pending_key(self.dataset);
        let guard = Guard::ends_with(key.clone(), self.id.to_string().into_bytes());
        Ok(self.store.apply(&guard, vec![Change::Remove { key }]).await?)
    }

    /// What is to be done in each partition that lies elsewhere, and at home.
    fn divided<T>(
        &self,
        all: Vec<T>,
        key: impl Fn(&T) -> &str,
    ) -> BTreeMap<Option<PartitionId>, Vec<T>> {
        if self.partitions.is_empty() {
            return BTreeMap::from([(None, all)]);
        }
        let mut divided: BTreeMap<_, Vec<T>> = BTreeMap::new();
        for one in all {
            let partition = partition_of(self.dataset, key(&one));
            let elsewhere = partition.filter(|partition| self.partitions.contains(partition));
            divided.entry(elsewhere).or_default().push(one);
        }
        divided
    }
}

/// The partitions of some keys that lie in other slots than the manifest.
pub(crate) fn elsewhere<'k, S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    keys: impl Iterator<Item = &'k str>,
) -> BTreeSet<PartitionId> {
    let home = store.slot(&manifest_key(dataset));
    keys.filter(|key| store.slot(key) != home)
        .filter_map(|key| partition_of(dataset, key))
        .collect()
}

/// Makes changes of one slot in their order, many at once. Whether the guard held for all.
pub(crate) async fn apply_in_batches<S: ChunkStore>(
    store: &S,
    guard: &Guard,
    changes: Vec<Change>,
) -> Result<bool, Error> {
    let mut changes = changes.into_iter();
    loop {
        let batch: Vec<_> = changes.by_ref().take(CHANGES_AT_ONCE).collect();
        if batch.is_empty() {
            return Ok(true);
        }
        if !store.apply(guard, batch).await? {
            return Ok(false);
        }
    }
}

/// Makes changes of keys that belong to one writer, in whatever slots they lie, as far as the
/// guard of each slot holds. Whether all did.
pub(crate) async fn apply_apart<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    changes: Vec<Change>,
    guard: impl Fn(Option<PartitionId>) -> Guard,
) -> Result<bool, Error> {
    let away = elsewhere(store, dataset, changes.iter().map(Change::key));
    let mut divided: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for change in changes {
        let partition = match away.is_empty() {
            true => None,
            false => partition_of(dataset, change.key()).filter(|one| away.contains(one)),
        };
        divided.entry(partition).or_default().push(change);
    }
    let divided: Vec<_> =
        divided.into_iter().map(|(partition, changes)| (guard(partition), changes)).collect();
    stream::iter(divided)
        .map(|(guard, changes)| async move { apply_in_batches(store, &guard, changes).await })
        .buffer_unordered(PARTITIONS_AT_ONCE)
        .try_fold(true, async |all, one| Ok(all && one))
        .await
}

/// That a writer with this token has not begun to publish what it staged.
pub(crate) fn unpublished(
    dataset: &DatasetName,
    partition: Option<PartitionId>,
    seen: &Fingerprint,
    claimed: Timestamp,
) -> Guard {
    let Some(partition) = partition else { return Guard::manifest(dataset, seen) };
    // An earlier writer may have left its fence. This one's own begins so, and goes on.
    let (key, text) = (fence_key(dataset, partition), token_time(claimed));
    Guard { conditions: vec![Condition::NotAfter { key, text }], present: Vec::new() }
}
