//! VERB: when a dataset vanishes, set anew for all of its keys.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::dataset::{DatasetId, DatasetName};
use crate::error::{Error, OptionsError};
use crate::key::manifest_key;
use crate::manifest::Fingerprint;
use crate::publish::{Claim, Old, PublishError, Replace, Steps, Transition, elsewhere};
use crate::report::TouchReport;
use crate::store::{Change, ChunkStore, Guard, Life};

use super::info::presence;
use super::{Listed, find_listed};

/// How long a dataset is to live from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewLife {
    /// As long as it was given when it was published.
    #[default]
    AsPublished,
    /// This long.
    For(Duration),
    /// Until it is removed.
    Forever,
}

/// Sets a dataset's time to live anew, counted from now.
///
/// All its keys get it in one step, so that they vanish at the same instant. In a cluster they get the
/// same instant in several steps, for which the dataset is claimed.
///
/// # Errors
/// [`Error::Data`] when the name stands for no dataset with a manifest, [`Error::Options`] when the
/// dataset was published to live for ever and no other time is given.
pub async fn touch<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
    life: NewLife,
) -> Result<TouchReport, Error> {
    let Listed { dataset, fingerprint, manifest } = find_listed(store, name).await?;
    let key = manifest_key(&dataset);
    let life = match life {
        NewLife::For(life) => Some(life),
        NewLife::Forever => None,
        NewLife::AsPublished => match manifest.time_to_live {
            Some(life) => Some(life),
            None => return Err(OptionsError::NoTimeToLive { dataset: dataset.to_string() }.into()),
        },
    };
    let id = DatasetId::random().map_err(PublishError::Random)?;
    let now = store.now().await?;
    let until = life.map(|life| now.after(life));

    let old = Old::look(store, &dataset, Replace::WhenStored).await?;
    let expire: Vec<_> = old.expire(until).collect();
    let apart = !elsewhere(store, &dataset, expire.iter().map(Change::key)).is_empty();
    let manifest_too = Change::Expire { key: key.clone(), until };
    let renewed = if apart {
        let mut claim = Claim::take(store, &dataset, id).await?;
        let renewed = renew_apart(&claim, &old, &fingerprint, expire, manifest_too, now).await;
        claim.release().await;
        renewed?
    } else {
        // In one step: the chunks of half a dataset must not outlive the other half, nor its manifest.
        let steps = Steps { before: expire, commit: vec![manifest_too], ..Steps::default() };
        Transition::unclaimed(store, &dataset, id, now, steps).commit(&fingerprint).await?
    };
    if !renewed {
        let dataset = dataset.to_string();
        return Err(PublishError::Overtaken { dataset, key }.into());
    }
    let absent = presence(store, &dataset, &manifest).await?.absent;
    Ok(TouchReport {
        dataset: dataset.to_string(),
        store: store.address().to_owned(),
        chunks: manifest.chunks.len() as u64,
        absent,
        time_to_live_seconds: life.map(|life| life.as_secs_f64()),
    })
}

/// Chunks in other slots than the manifest get their new end before it does if that is later, and
/// after it if that is sooner. Until all have it, a sign says that chunks without a manifest are none.
async fn renew_apart<S: ChunkStore>(
    claim: &Claim<S>,
    old: &Old,
    fingerprint: &Fingerprint,
    expire: Vec<Change>,
    manifest_too: Change,
    now: Timestamp,
) -> Result<bool, Error> {
    let key = manifest_key(claim.dataset());
    let life = claim.store().lives(vec![key]).await?.pop().flatten();
    let ends = life.and_then(Life::left).map(|left| now.after(left));
    let shortens = match (&manifest_too, ends) {
        (Change::Expire { until: Some(until), .. }, Some(ends)) => *until < ends,
        (Change::Expire { until: Some(_), .. }, None) => true,
        _ => false,
    };
    let guard = Guard::manifest(claim.dataset(), fingerprint);
    if !claim.store().apply(&guard, vec![old.sign(now, true)]).await? {
        return Ok(false);
    }
    let (commit, last) = (vec![manifest_too], vec![old.take_down_sign()]);
    let pending = old.is_pending();
    // Whatever vanishes first must be the manifest: without it nothing is taken for a dataset.
    let (before, after) = if shortens { (Vec::new(), expire) } else { (expire, Vec::new()) };
    let steps = Steps { before, commit, after, last, pending, ..Steps::default() };
    let mut transition = Transition::claimed(claim, steps);
    Ok(transition.commit(fingerprint).await? && transition.tidy(fingerprint).await?)
}
