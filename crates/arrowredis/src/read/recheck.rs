//! Whether a value is the chunk that the manifest lists, and where else the chunk may be if not.
//!
//! While a dataset is being published its chunks move from the names under which they were staged
//! to their own. A reader that comes in between looks at both.

use arrow_buffer::Buffer;

use crate::checksum::Checksum;
use crate::dataset::DatasetName;
use crate::error::{DataError, Error};
use crate::key::{chunk_key, manifest_key, staged_key};
use crate::manifest::{ChunkEntry, Fingerprint};
use crate::store::{ChunkStore, StoreError};

use super::locate::Edition;

/// Why a value is not the chunk that the manifest lists.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mismatch {
    /// There is none.
    #[error("it is absent")]
    Absent {
        /// The chunk's own key.
        key: String,
    },
    /// There is another one.
    #[error("expected {expected}, found {found}")]
    Differs {
        /// Where.
        key: String,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl Mismatch {
    /// The error that it is if nothing explains it.
    pub(crate) fn into_error(self) -> DataError {
        match self {
            Self::Absent { key } => {
                let why = "the manifest lists it, so it was evicted or removed".to_owned();
                DataError::Missing { key, why }
            }
            Self::Differs { key, expected, found } => {
                DataError::NotAsWritten { key, expected, found }
            }
        }
    }
}

/// Whether the value has the length and the checksum of the manifest.
pub(crate) fn is_listed(entry: &ChunkEntry, value: &[u8]) -> bool {
    value.len() as u64 == entry.bytes && Checksum::of(value) == entry.checksum
}

/// The value that is at a key, if it is the chunk; if not, in what it differs.
fn check(entry: &ChunkEntry, key: String, value: Option<Buffer>) -> Result<Buffer, Mismatch> {
    let Some(value) = value else { return Err(Mismatch::Absent { key }) };
    if is_listed(entry, &value) {
        return Ok(value);
    }
    let (expected, found) = if value.len() as u64 == entry.bytes {
        (format!("the checksum {}", entry.checksum), Checksum::of(&value).to_string())
    } else {
        (format!("{} bytes", entry.bytes), format!("{} bytes", value.len()))
    };
    Err(Mismatch::Differs { key, expected, found })
}

/// A chunk's value that is what the manifest says, wherever it is just now.
///
/// # Errors
/// As [`look_again`].
pub(crate) async fn sound_value<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    edition: &Edition,
    entry: &ChunkEntry,
) -> Result<Result<Buffer, Mismatch>, Error> {
    let key = chunk_key(dataset, entry.id);
    let value = match store.get(vec![key]).await {
        // Something else than a value stands there; the second look says so.
        Err(StoreError::NotAChunk { .. }) => None,
        found => found?.pop().flatten(),
    };
    match value.filter(|value| is_listed(entry, value)) {
        Some(value) => Ok(Ok(value)),
        None => look_again(store, dataset, edition, entry).await,
    }
}

/// A chunk's value, wherever the publication of its dataset has it just now.
///
/// # Errors
/// [`DataError::Replaced`] when the dataset is not the one that was begun any more. The inner error
/// is what is wrong with a chunk of a dataset that still is.
pub(crate) async fn look_again<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    edition: &Edition,
    entry: &ChunkEntry,
) -> Result<Result<Buffer, Mismatch>, Error> {
    let own = chunk_key(dataset, entry.id);
    // What stands under the staged name is the chunk, or was; under its own may be an older one.
    let mut first_that_differs = None;
    // Renaming goes one way, from staged to own: in this order none can slip through.
    for key in [staged_key(dataset, entry.id, edition.id), own.clone()] {
        let found = match store.get(vec![key.clone()]).await {
            Ok(mut values) => check(entry, key, values.pop().flatten()),
            Err(StoreError::NotAChunk { .. }) => Err(Mismatch::Differs {
                key,
                expected: "a string value".to_owned(),
                found: "another type of key".to_owned(),
            }),
            Err(error) => return Err(error.into()),
        };
        match found {
            Ok(value) => return Ok(Ok(value)),
            Err(Mismatch::Absent { .. }) => {}
            Err(differs) => first_that_differs = first_that_differs.or(Some(differs)),
        }
    }
    let manifest = store.get(vec![manifest_key(dataset)]).await?.pop().flatten();
    let now = manifest.map_or(Fingerprint::ABSENT, |value| Fingerprint::of(&value));
    if now != edition.fingerprint {
        let (dataset, id) = (dataset.to_string(), edition.id.to_string());
        return Err(DataError::Replaced { dataset, key: own, id }.into());
    }
    Ok(Err(first_that_differs.unwrap_or(Mismatch::Absent { key: own })))
}
