//! One writer a dataset: a claim with an owner and a time to live, prolonged while it works.
//!
//! It spares a second writer an upload in vain. That nobody's data is harmed does not depend on it:
//! every step is guarded by the manifest that it saw.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clock::Clock;
use crate::dataset::{DatasetId, DatasetName};
use crate::error::Error;
use crate::key::{claim_key, staged_key, tried_keys};
use crate::store::{Change, ChunkStore, Claimed, Guard};

use super::{PublishError, STAGED_LIFE, Staged, apply_in_batches};

/// How long a claim lives that nobody prolongs: long enough for a server that is busy saving, and
/// short enough to wait for after a crash.
const CLAIM_LIFE: Duration = Duration::from_secs(30);

/// How often it is prolonged: twice may fail.
const PROLONGED_EVERY: Duration = Duration::from_secs(10);

/// A claim on a dataset.
pub(crate) struct Claim<S: ChunkStore> {
    store: S,
    dataset: DatasetName,
    id: DatasetId,
    key: String,
    /// The text that proves it.
    proof: String,
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
        let owner = format!("host={} pid={} id={id}", host.display(), std::process::id());
        match store.claim(&key, &owner, CLAIM_LIFE).await? {
            Claimed::Ours(proof) => {
                let (store, dataset) = (store.clone(), dataset.clone());
                Ok(Self { store, dataset, id, key, proof, keeper: None })
            }
            Claimed::Theirs(owner) => {
                let (dataset, seconds) = (dataset.to_string(), CLAIM_LIFE.as_secs());
                Err(PublishError::Claimed { dataset, key, owner, seconds }.into())
            }
        }
    }

    /// Prolongs it from now on, and the lives of what is staged while the guard holds.
    pub(super) fn keep(&mut self, staged: Arc<Staged>, guard: Guard, clock: Clock) {
        let (store, key, proof) = (self.store.clone(), self.key.clone(), self.proof.clone());
        let (dataset, id) = (self.dataset.clone(), self.id);
        self.keeper = Some(tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + PROLONGED_EVERY, PROLONGED_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut staged_until = clock.now().after(STAGED_LIFE);
            loop {
                ticks.tick().await;
                match store.renew(&key, &proof, CLAIM_LIFE).await {
                    Ok(true) => {}
                    // The next step of the publication finds that out, too, and ends it.
                    Ok(false) => return,
                    Err(error) => tracing::debug!(%error, "the claim was not prolonged"),
                }
                let now = clock.now();
                if staged_until.since(now) < STAGED_LIFE / 2 {
                    staged_until = now.after(STAGED_LIFE);
                    let until = Some(staged_until);
                    let expire =
                        |chunk| Change::Expire { key: staged_key(&dataset, chunk, id), until };
                    let changes = staged.ids().into_iter().map(expire).collect();
                    if let Err(error) = apply_in_batches(&store, &guard, changes).await {
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
    pub(super) async fn probe(&self, clock: Clock) -> Result<(), Error> {
        let [key, renamed] = tried_keys(&self.dataset);
        let renamed = || renamed.clone();
        // Mortal from the first change to the last but one, should one be forbidden.
        let (value, until) = (vec![0].into(), Some(clock.now().after(CLAIM_LIFE)));
        let changes = vec![
            Change::Put { key: key.clone(), value, until },
            Change::Rename { from: key, to: renamed() },
            Change::Expire { key: renamed(), until },
            // What removes it has been tried by now.
            Change::Expire { key: renamed(), until: None },
            Change::Remove { key: renamed() },
        ];
        self.store.apply(&Guard::none(&self.dataset), changes).await?;
        Ok(())
    }

    /// Makes sure that it is still held, and prolongs it. What was seen before this, and still is
    /// so, is what this writer alone may change.
    ///
    /// # Errors
    /// [`PublishError::ClaimLost`] when it is not.
    pub(crate) async fn confirm(&self) -> Result<(), Error> {
        if self.store.renew(&self.key, &self.proof, CLAIM_LIFE).await? {
            return Ok(());
        }
        let (dataset, key) = (self.dataset.to_string(), self.key.clone());
        Err(PublishError::ClaimLost { dataset, key, seconds: CLAIM_LIFE.as_secs() }.into())
    }

    /// Gives it back. If that fails it runs out.
    pub(crate) async fn release(&mut self) {
        self.stop();
        if let Err(error) = self.store.release(&self.key, &self.proof).await {
            tracing::debug!(%error, "the claim is left to run out");
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
