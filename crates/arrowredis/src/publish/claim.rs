//! One writer a dataset: a claim with an owner and a time to live, prolonged while it works.
//!
//! It spares a second writer an upload in vain. Where a dataset lies in one slot, nobody's data depends
//! on it: every step is guarded by the manifest that it saw. In several slots it is also what orders
//! writers, by the time at which they claimed: see `transition`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clock::{Clock, Timestamp};
use crate::dataset::{DatasetId, DatasetName};
use crate::error::Error;
use crate::key::{claim_key, staged_key, tried_keys};
use crate::manifest::Fingerprint;
use crate::store::{Change, ChunkStore, Claimed, Guard};

use super::transition::{apply_apart, unpublished};
use super::{PublishError, STAGED_LIFE, Staged};

/// How long a claim lives that nobody prolongs: long enough for a server that is busy saving, and
/// short enough to wait for after a crash.
const CLAIM_LIFE: Duration = Duration::from_secs(30);

/// How long a claim's end is waited for.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

/// How often it is prolonged: twice may fail.
const PROLONGED_EVERY: Duration = Duration::from_secs(10);

/// A claim on a dataset.
pub(crate) struct Claim<S: ChunkStore> {
    store: S,
    dataset: DatasetName,
    id: DatasetId,
    key: String,
    owner: String,
    clock: Clock,
    claimed: Timestamp,
    keeper: Option<JoinHandle<()>>,
}

impl<S: ChunkStore> Claim<S> {
    /// Claims a dataset for the writing with this id.
    ///
    /// # Errors
    /// [`PublishError::Claimed`] with the words of whoever has it.
    pub(crate) async fn take(
        store: &S,
        dataset: &DatasetName,
        id: DatasetId,
    ) -> Result<Self, Error> {
        let key = claim_key(dataset);
        let host = gethostname::gethostname();
        // The id comes last: no claim ends as another does.
        let owner = format!("host={} pid={} id={id}", host.display(), std::process::id());
        match store.claim(&key, &owner, CLAIM_LIFE).await? {
            Claimed::Ours => {
                let (store, dataset) = (store.clone(), dataset.clone());
                // Asked for after the claim was granted, so that who claims later has a later one.
                let clock = Clock::starting_at(store.now().await?);
                let claimed = clock.now();
                Ok(Self { store, dataset, id, key, owner, clock, claimed, keeper: None })
            }
            Claimed::Theirs(owner) => {
                let (dataset, seconds) = (dataset.to_string(), CLAIM_LIFE.as_secs());
                Err(PublishError::Claimed { dataset, key, owner, seconds }.into())
            }
        }
    }

    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    pub(crate) fn dataset(&self) -> &DatasetName {
        &self.dataset
    }

    pub(crate) fn id(&self) -> DatasetId {
        self.id
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// When it was granted.
    pub(crate) fn claimed(&self) -> Timestamp {
        self.claimed
    }

    /// The store's clock.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Prolongs it from now on, and the lives of what is staged until that is published in place of
    /// what was `seen`.
    pub(super) fn keep(&mut self, staged: Arc<Staged>, seen: Fingerprint) {
        let (store, key, owner) = (self.store.clone(), self.key.clone(), self.owner.clone());
        let (dataset, id, clock) = (self.dataset.clone(), self.id, self.clock);
        let claimed = self.claimed;
        self.keeper = Some(tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + PROLONGED_EVERY, PROLONGED_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut staged_until = clock.now().after(STAGED_LIFE);
            loop {
                ticks.tick().await;
                match store.claim(&key, &owner, CLAIM_LIFE).await {
                    Ok(Claimed::Ours) => {}
                    // The next step of the publication finds that out, too, and ends it.
                    Ok(Claimed::Theirs(_)) => return,
                    Err(error) => tracing::debug!(%error, "the claim was not prolonged"),
                }
                let now = clock.now();
                if staged_until.since(now) < STAGED_LIFE / 2 {
                    staged_until = now.after(STAGED_LIFE);
                    let until = Some(staged_until);
                    let expire =
                        |chunk| Change::Expire { key: staged_key(&dataset, chunk, id), until };
                    let changes = staged.ids().into_iter().map(expire).collect();
                    let guard = |partition| unpublished(&dataset, partition, &seen, claimed);
                    if let Err(error) = apply_apart(&store, &dataset, changes, guard).await {
                        tracing::debug!(%error, "what is staged was not prolonged");
                    }
                }
            }
        }));
    }

    /// Does once what publishing takes, on a key that nobody else has, so that a server which forbids
    /// part of it says so before anything is stored.
    ///
    /// # Errors
    /// [`Error::Store`] when the server refuses.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        let [key, renamed] = tried_keys(&self.dataset);
        let renamed = || renamed.clone();
        // Mortal from the first change to the last but one, should one be forbidden.
        let (value, until) = (vec![0].into(), Some(self.clock.now().after(CLAIM_LIFE)));
        let changes = vec![
            Change::Put { key: key.clone(), value, until },
            Change::Rename { from: key, to: renamed() },
            Change::Expire { key: renamed(), until },
            // What removes it has been tried by now.
            Change::Expire { key: renamed(), until: None },
            Change::Remove { key: renamed() },
        ];
        self.store.apply(&Guard::default(), changes).await?;
        Ok(())
    }

    /// Makes sure that it is held, and prolongs it; takes it again if it ran out and nobody else has
    /// it. What was seen before this, and still is so, is what this writer alone may change.
    ///
    /// # Errors
    /// [`PublishError::ClaimLost`] when somebody else has it.
    pub(crate) async fn confirm(&self) -> Result<(), Error> {
        let Claimed::Theirs(owner) = self.store.claim(&self.key, &self.owner, CLAIM_LIFE).await?
        else {
            return Ok(());
        };
        let (dataset, key) = (self.dataset.to_string(), self.key.clone());
        Err(PublishError::ClaimLost { dataset, key, owner, seconds: CLAIM_LIFE.as_secs() }.into())
    }

    /// Gives it back. If that fails, or takes longer than it would last, it runs out.
    pub(crate) async fn release(&mut self) {
        self.stop();
        let releasing = self.store.release(&self.key, &self.owner);
        match tokio::time::timeout(RELEASE_PATIENCE, releasing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the claim is left to run out"),
            Err(_) => tracing::debug!("the claim is left to run out: the store does not answer"),
        }
    }

    fn stop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
    }
}

impl<S: ChunkStore> Drop for Claim<S> {
    fn drop(&mut self) {
        self.stop();
    }
}
