//! VERB: when a dataset vanishes, set anew for all of its keys.

use std::time::Duration;

use crate::dataset::DatasetName;
use crate::error::{Error, OptionsError};
use crate::key::manifest_key;
use crate::publish::{Old, Planned, PublishError, Replace, apply_in_batches};
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
/// Its keys never vanish one by one: the manifest goes first or at the same instant as the chunks,
/// also when this is stopped half way.
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
    let now = store.now().await?;
    let until = life.map(|life| now.after(life));

    let old = Old::look(store, &dataset, Replace::WhenStored, &Planned::default()).await?;
    let mut changes: Vec<_> = old.expire(until).collect();
    let manifest_too = Change::Expire { key: key.clone(), until };
    let left = store.lives(vec![key.clone()]).await?.pop().flatten();
    if later(life, left) {
        changes.push(manifest_too);
    } else {
        changes.insert(0, manifest_too);
    }
    let guard = Guard::new(&dataset, fingerprint);
    if !apply_in_batches(store, &guard, changes).await? {
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

/// Whether a life ends later than what is left of another.
fn later(life: Option<Duration>, left: Option<Life>) -> bool {
    match (life, left) {
        (None, _) => true,
        (Some(_), Some(Life::Forever)) => false,
        (Some(life), Some(Life::For(left))) => life > left,
        (Some(_), None) => true,
    }
}
