//! One file in place of another under a name, and writers that stop on the way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrowredis::dataset::ChunkId;
use arrowredis::error::{DataError, Error};
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::key::{chunk_key, manifest_key};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, PublishOptions, Replace};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::Life;
use arrowredis::verify::verify_dataset_with_file;

use super::stepping::Stepping;
use super::{World, dataset, wait_until};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// Requests before the first chunk is stored, under a new name and in place of a dataset.
pub(crate) const BEGIN_NEW: usize = 8;
pub(crate) const BEGIN_REPLACING: usize = 7;

/// Requests until a dataset of four chunks is stored and the claim on it confirmed, and until it has
/// replaced another.
pub(crate) const STORED: usize = BEGIN_REPLACING + 4 + 1;
pub(crate) const COMMITTED: usize = STORED + 1;

/// Requests before a writer looks at what stands there.
pub(crate) const LOOK: usize = 4;

/// A file of so many partitions and batches whose values depend on the seed.
pub(crate) fn file(world: &World, name: &str, seed: u64, partitions: u32, batches: u32) -> PathBuf {
    let path = world.path(name);
    let options = GenerateOptions { seed, partitions, batches, rows: 20, ..Default::default() };
    world.wait(generate(&path, &options, &Unwatched)).unwrap();
    path
}

pub(crate) fn publishing(replace: Replace) -> SplitOptions {
    let publish = PublishOptions { replace, ..PublishOptions::default() };
    SplitOptions { publish, ..SplitOptions::default() }
}

/// A world with two files: the new one has a partition less and a batch less in each.
pub(crate) struct Two {
    pub(crate) world: World,
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
}

impl Two {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let old = file(&world, "old", 1, 3, 3);
        let new = file(&world, "new", 2, 2, 2);
        Self { world, old, new }
    }

    /// What stands under the name: the one or the other, whole, or nothing.
    pub(crate) fn standing(&self, name: &str) -> Option<&Path> {
        match self.world.read(name) {
            Ok((table, _)) => {
                let rows: usize = table.batches.iter().map(|batch| batch.num_rows()).sum();
                let path = if rows == 180 { &self.old } else { &self.new };
                let equal = self.world.wait(verify_dataset_with_file(
                    &self.world.store(),
                    &dataset(name),
                    path,
                    None,
                    &Unwatched,
                ));
                let equal = equal.unwrap();
                assert!(equal.equal, "{:?}", equal.difference);
                Some(path)
            }
            Err(Error::Data(DataError::NoDataset { .. })) => None,
            Err(error) => panic!("neither the old nor the new dataset: {error:?}"),
        }
    }

    /// Publishes a file as `d`. A server may take a moment to notice that the writer before died.
    pub(crate) fn split_when_free(&self, file: &Path) {
        let (store, name) = (self.world.store(), dataset("d"));
        let options = publishing(Replace::WhenStored);
        self.world.wait(wait_until("the name was free", async || {
            match split(&store, file, &name, &options, &Unwatched).await {
                Ok(_) => true,
                Err(Error::Publish(PublishError::Claimed { .. })) => false,
                Err(error) => panic!("{error:?}"),
            }
        }));
    }

    /// Replaces `d` by the new file, or would, if the writer did not stop for ever after so many
    /// requests.
    pub(crate) fn replace_and_die_after(&self, steps: usize) {
        let (stepping, name) = (Stepping::new(self.world.store(), steps), dataset("d"));
        self.world.wait(async {
            let options = publishing(Replace::WhenStored);
            tokio::select! {
                _ = split(&stepping, &self.new, &name, &options, &Unwatched) => panic!("it is done"),
                () = wait_until("it died", async || stepping.stopped()) => {}
            }
        });
    }

    /// The chunks of a file under a name, and the manifest: all that may be left in the end.
    pub(crate) fn keys_of(&self, name: &str, partitions: u64, batches: u32) -> Vec<String> {
        let name = dataset(name);
        let chunks = (0..partitions).flat_map(|p| (0..batches).map(move |b| ChunkId::new(p, b)));
        let mut keys: Vec<_> = chunks.map(|id| chunk_key(&name, id)).collect();
        keys.push(manifest_key(&name));
        keys.sort();
        keys
    }

    pub(crate) fn immortal_keys(&self) -> Vec<String> {
        let keys = self.world.keys().into_iter();
        keys.filter(|(_, life)| *life == Life::Forever).map(|(key, _)| key).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.world.keys().into_keys().collect()
    }
}
