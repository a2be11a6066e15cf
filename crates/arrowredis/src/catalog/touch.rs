//! VERB: when a dataset vanishes, set anew for all of its keys.

use std::time::Duration;

use crate::dataset::DatasetName;
use crate::error::{Error, OptionsError};
use crate::key::manifest_key;
use crate::publish::{Old, PublishError, Replace};
use crate::report::TouchReport;
use crate::store::{Change, ChunkStore, Guard};

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
/// All its keys get it in one step, so that they vanish at the same instant.
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

    let old = Old::look(store, &dataset, Replace::WhenStored).await?;
    let mut changes: Vec<_> = old.expire(until).collect();
    changes.push(Change::Expire { key: key.clone(), until });
    // In one step: the chunks of half a dataset must not outlive the other half, nor its manifest.
    if !store.apply(&Guard::new(&dataset, fingerprint), changes).await? {
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
