//! VERB: a dataset or an alias, removed.

use std::time::Instant;

use crate::dataset::{ChunkId, DatasetId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::{chunk_key, manifest_key};
use crate::manifest::Entry;
use crate::publish::{Claim, Old, PublishError, Replace};
use crate::report::RemoveReport;
use crate::store::{Change, ChunkStore, Guard, StoreError};

use super::look_up;

/// Removes a dataset with all its keys, a few hundred at a time, or an alias and nothing else.
///
/// From its first step on there is no dataset. If it is stopped then, the rest vanishes by itself.
///
/// # Errors
/// [`Error::Data`] when there is nothing of that name, [`Error::Publish`] when somebody is writing
/// it.
pub async fn remove<S: ChunkStore>(store: &S, name: &DatasetName) -> Result<RemoveReport, Error> {
    let started = Instant::now();
    let report = RemoveReport {
        name: name.to_string(),
        alias_of: None,
        store: store.address().to_owned(),
        chunks: 0,
        leftovers: 0,
        seconds: 0.0,
    };
    // What is damaged can be removed, too.
    let standing = look_up(store, name).await?;
    if let Ok(Some(Entry::Alias(dataset))) = standing.entry {
        let key = manifest_key(name);
        let guard = Guard::manifest(name, &standing.fingerprint);
        if !store.apply(&guard, vec![Change::Remove { key: key.clone() }]).await? {
            return Err(PublishError::Overtaken { dataset: name.to_string(), key }.into());
        }
        let seconds = started.elapsed().as_secs_f64();
        return Ok(RemoveReport { alias_of: Some(dataset.to_string()), seconds, ..report });
    }

    let id = DatasetId::random().map_err(PublishError::Random)?;
    let mut claim = match Claim::take(store, name, id).await {
        Ok(claim) => Some(claim),
        // A full server takes no claim, and must be emptied all the same.
        Err(Error::Store(error @ StoreError::Full { .. })) => {
            tracing::debug!(%error, "removing without a claim");
            None
        }
        Err(error) => return Err(error),
    };
    let removed = remove_dataset(store, name, id, claim.as_ref()).await;
    if let Some(claim) = &mut claim {
        claim.release().await;
    }
    let (chunks, leftovers) = removed?;
    Ok(RemoveReport { chunks, leftovers, seconds: started.elapsed().as_secs_f64(), ..report })
}

async fn remove_dataset<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
    id: DatasetId,
    claim: Option<&Claim<S>>,
) -> Result<(u64, u64), Error> {
    let mut old = Old::look(store, name, Replace::DropFirst).await?;
    if claim.is_some() {
        // Nobody else writes while this has the claim, so what is staged was left behind.
        old = old.with_strays(store).await?;
    }
    let (chunks, leftovers) = (old.chunks(), old.leftovers());
    if !old.exists && chunks + leftovers == 0 {
        let key = chunk_key(name, ChunkId::new(0, 0));
        let (dataset, store) = (name.to_string(), store.address().to_owned());
        return Err(DataError::NoDataset { dataset, store, key }.into());
    }
    match claim {
        Some(claim) => old.drop(claim).await?,
        None => old.drop_unclaimed(store, id, store.now().await?).await?,
    };
    Ok((chunks, leftovers))
}
