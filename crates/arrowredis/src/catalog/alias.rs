//! VERB: another name for a dataset, switched in one step.

use crate::dataset::DatasetName;
use crate::error::{Error, OptionsError};
use crate::key::manifest_key;
use crate::manifest::Entry;
use crate::publish::PublishError;
use crate::report::AliasReport;
use crate::store::{Change, ChunkStore, Guard};

use super::{Unlisted, look_up, no_manifest};

/// Lets a name stand for a dataset. Readers that follow it stay with the dataset that it named.
///
/// # Errors
/// [`Error::Options`] when the name is a dataset's own, or what it is to name is an alias;
/// [`Error::Data`] when there is no such dataset.
pub async fn alias<S: ChunkStore>(
    store: &S,
    name: &DatasetName,
    dataset: &DatasetName,
) -> Result<AliasReport, Error> {
    let refused = |why: String| {
        let (alias, dataset) = (name.to_string(), dataset.to_string());
        Err(OptionsError::Alias { alias, dataset, why }.into())
    };
    if name == dataset {
        return refused("it is the same name".to_owned());
    }
    match look_up(store, dataset).await?.entry? {
        Some(Entry::Dataset(_)) => {}
        Some(Entry::Alias(further)) => {
            return refused(format!("that is an alias itself; name '{further}'"));
        }
        None => return Err(no_manifest(store, dataset).into()),
    }
    let standing = look_up(store, name).await?;
    let before = match standing.entry? {
        Some(Entry::Dataset(_)) => {
            return refused(format!(
                "'{name}' is a dataset; choose another name, or remove it with 'arrowredis rm {name}'"
            ));
        }
        Some(Entry::Alias(before)) => Some(before.to_string()),
        None if !Unlisted::look(store, name).await?.exists() => None,
        None => {
            return refused(format!(
                "chunks without a manifest stand under '{name}'; choose another name, or remove \
                 them with 'arrowredis rm {name}'"
            ));
        }
    };
    let key = manifest_key(name);
    let value = Entry::Alias(dataset.clone()).encode().map_err(Error::Encode)?;
    let guard = Guard::manifest(name, &standing.fingerprint);
    let put = Change::Put { key: key.clone(), value: value.into(), until: None };
    if !store.apply(&guard, vec![put]).await? {
        return Err(PublishError::Overtaken { dataset: name.to_string(), key }.into());
    }
    let store = store.address().to_owned();
    Ok(AliasReport { alias: name.to_string(), dataset: dataset.to_string(), before, store })
}
