//! What names stand for in a store: datasets with their manifests, and aliases.
//!
//! Every verb begins by asking here. Writing datasets is `publish`'s matter.

mod adopt;
mod alias;
mod copy;
mod info;
mod list;
mod remove;
mod touch;
mod unlisted;

use arrow_buffer::Buffer;

use crate::dataset::DatasetName;
use crate::error::{DataError, Error};
use crate::key::manifest_key;
use crate::manifest::{Entry, Fingerprint, Manifest, ManifestError};
use crate::pipeline;
use crate::store::ChunkStore;

pub(crate) use unlisted::{Unlisted, is_pending, is_removed};

pub use adopt::adopt;
pub use alias::alias;
pub use copy::copy;
pub use info::info;
pub use list::{list, look};
pub use remove::remove;
pub use touch::{NewLife, touch};

/// What stands under a name's own manifest key.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) fingerprint: Fingerprint,
    /// What it says, or why that cannot be read.
    pub(crate) entry: Result<Option<Entry>, DataError>,
}

/// A name that was followed to the dataset that it stands for.
#[derive(Debug)]
pub(crate) struct Found {
    /// The dataset, after an alias was resolved.
    pub(crate) dataset: DatasetName,
    pub(crate) fingerprint: Fingerprint,
    /// `None` for a name without one: nothing, or chunks that other programs stored.
    pub(crate) manifest: Option<Manifest>,
}

/// What stands under a name, an alias not followed.
///
/// # Errors
/// [`Error::Store`] when the store fails. That what stands there is damaged
/// ([`DataError::Manifest`]) or of a later format ([`DataError::NewerManifest`]) is part of the answer.
pub(crate) async fn look_up<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
) -> Result<Standing, Error> {
    let key = manifest_key(name);
    let Some(value) = store.get(vec![key.clone()]).await?.pop().flatten() else {
        return Ok(Standing { fingerprint: Fingerprint::ABSENT, entry: Ok(None) });
    };
    let fingerprint = Fingerprint::of(&value);
    let entry = decode(value).await?.map(Some).map_err(|source| match source {
        ManifestError::Version { .. } => DataError::NewerManifest { key, source: Box::new(source) },
        _ => DataError::Manifest { key, source: Box::new(source) },
    });
    Ok(Standing { fingerprint, entry })
}

/// Large manifests take milliseconds, so another thread decodes.
pub(crate) async fn decode(value: Buffer) -> Result<Result<Entry, ManifestError>, Error> {
    pipeline::compute(move || Ok::<_, Error>(Entry::decode(value))).await
}

/// The dataset that a name stands for, an alias followed once.
///
/// # Errors
/// [`DataError::Manifest`] when what stands there is damaged, [`DataError::Alias`] when an alias
/// leads to no dataset.
pub(crate) async fn find<S: ChunkStore>(store: &S, name: &DatasetName) -> Result<Found, Error> {
    let Standing { fingerprint, entry } = look_up(store, name).await?;
    let target = match entry? {
        Some(Entry::Alias(target)) => target,
        Some(Entry::Dataset(manifest)) => {
            return Ok(Found { dataset: name.clone(), fingerprint, manifest: Some(manifest) });
        }
        None => return Ok(Found { dataset: name.clone(), fingerprint, manifest: None }),
    };
    let Standing { fingerprint, entry } = look_up(store, &target).await?;
    match entry? {
        Some(Entry::Dataset(manifest)) => {
            Ok(Found { dataset: target, fingerprint, manifest: Some(manifest) })
        }
        other => {
            let found = match other {
                Some(Entry::Alias(further)) => format!("another alias, of '{further}'"),
                _ => "nothing".to_owned(),
            };
            let (alias, key) = (name.to_string(), manifest_key(&target));
            Err(DataError::Alias { alias, dataset: target.to_string(), key, found }.into())
        }
    }
}

/// A dataset that has a manifest.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The dataset, after an alias was resolved.
    pub(crate) dataset: DatasetName,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) manifest: Manifest,
}

/// Like [`find`], for what only a manifest makes possible.
///
/// # Errors
/// As [`find`], and [`DataError::NoManifest`].
pub(crate) async fn find_listed<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
) -> Result<Listed, Error> {
    match find(store, name).await? {
        Found { dataset, fingerprint, manifest: Some(manifest) } => {
            Ok(Listed { dataset, fingerprint, manifest })
        }
        Found { dataset, .. } => Err(no_manifest(store, &dataset).into()),
    }
}

fn no_manifest<S: ChunkStore>(store: &S, dataset: &DatasetName) -> DataError {
    let (key, store) = (manifest_key(dataset), store.address().to_owned());
    DataError::NoManifest { dataset: dataset.to_string(), store, key }
}
