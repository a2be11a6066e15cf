//! A cluster, files, and what is stored compared with what should be.

use std::path::{Path, PathBuf};

use arrowredis::dataset::DatasetName;
use arrowredis::error::Error;
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishOptions, Replace};
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::report::SplitReport;
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ConnectOptions, RedisStore};
use arrowredis::verify::verify_dataset_with_file;
use arrowredis_worlds::Cluster;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A cluster of one test's own.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) runtime: Runtime,
    pub(crate) folder: TempDir,
}

pub(crate) fn dataset(name: &str) -> DatasetName {
    DatasetName::new(name).unwrap()
}

/// To split in place of what is there.
pub(crate) fn replacing() -> SplitOptions {
    let publish = PublishOptions { replace: Replace::WhenStored, ..PublishOptions::default() };
    SplitOptions { publish, ..SplitOptions::default() }
}

impl World {
    pub(crate) fn new(masters: usize, replicas: usize) -> Self {
        Self {
            cluster: Cluster::start(masters, replicas).expect("tests need Redis servers"),
            runtime: Runtime::new().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A store that was given one node.
    pub(crate) fn store(&self) -> RedisStore {
        self.store_with(ConnectOptions::default())
    }

    pub(crate) fn store_with(&self, options: ConnectOptions) -> RedisStore {
        let node = self.cluster.running()[0];
        self.wait(RedisStore::connect_with(&self.cluster.url(node), options)).unwrap()
    }

    /// A file of so many partitions and batches whose values depend on the seed.
    pub(crate) fn file(&self, seed: u64, partitions: u32, batches: u32) -> PathBuf {
        let path = self.folder.path().join(format!("{seed}-{partitions}-{batches}.arrow"));
        let options =
            GenerateOptions { seed, partitions, batches, rows: 50, ..GenerateOptions::default() };
        self.wait(generate(&path, &options, &Unwatched)).unwrap();
        path
    }

    pub(crate) fn split(&self, file: &Path, name: &str) -> Result<SplitReport, Error> {
        self.wait(split(&self.store(), file, &dataset(name), &replacing(), &Unwatched))
    }

    pub(crate) fn rows(&self, name: &str) -> Result<u64, Error> {
        let (store, name, options) = (self.store(), dataset(name), ReadOptions::default());
        let read = read_table(&store, &name, &options, &Unwatched);
        self.wait(read).map(|(_, report)| report.rows)
    }

    /// Whether what is stored is what a split of the file would store.
    pub(crate) fn is(&self, name: &str, file: &Path) -> bool {
        let (store, name) = (self.store(), dataset(name));
        let compared = verify_dataset_with_file(&store, &name, file, None, &Unwatched);
        self.wait(compared).unwrap().equal
    }
}
