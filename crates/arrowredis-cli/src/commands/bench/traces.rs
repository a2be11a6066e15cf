//! What the measuring has put into the store, so that it can be removed whatever happens.

use std::cell::RefCell;
use std::time::Duration;

use arrowredis::catalog::remove;
use arrowredis::dataset::DatasetName;
use arrowredis::error::{DataError, Error};
use arrowredis::publish::PublishError;
use arrowredis::store::RedisStore;

use super::folder::Folder;
use super::plan::Shape;
use super::report::Kept;
use crate::args::Bench;
use crate::exit::Failure;

/// How soon a dataset is looked at again whose writer was stopped a moment ago: the server has to notice
/// that its connection is gone.
const AGAIN: Duration = Duration::from_millis(50);

/// What is in the store, and under which names.
#[derive(Debug)]
pub(super) struct Traces {
    word: String,
    datasets: RefCell<Vec<DatasetName>>,
    /// How many values of a ceiling may be there.
    ceiling: RefCell<usize>,
}

impl Traces {
    /// None so far, with the word that tells the run from others.
    pub(super) fn of(word: String) -> Self {
        let (datasets, ceiling) = Default::default();
        Self { word, datasets, ceiling }
    }

    fn prefix(&self) -> String {
        format!("arrowredis-bench:{}", self.word)
    }

    /// What the dataset of a shape is called.
    pub(super) fn dataset(&self, shape: &Shape) -> Result<DatasetName, Failure> {
        let name = format!("{}:{}", self.prefix(), shape.name());
        Ok(DatasetName::new(name).map_err(Error::from)?)
    }

    /// It is going to be stored.
    pub(super) fn begin(&self, dataset: &DatasetName) {
        self.datasets.borrow_mut().push(dataset.clone());
    }

    /// The prefix of a ceiling of so many values, which is going to be measured.
    pub(super) fn ceiling(&self, values: usize) -> String {
        self.ceiling.replace(values);
        self.prefix()
    }

    pub(super) fn ceiling_is_gone(&self) {
        self.ceiling.replace(0);
    }

    pub(super) fn is_gone(&self, dataset: &DatasetName) {
        self.datasets.borrow_mut().retain(|name| name != dataset);
    }

    /// Removes what is there, or of that only the ceiling's keys if datasets are to stay. The connection is a new one: what a writer that was stopped has claimed is
    /// free once its own is gone.
    pub(super) async fn remove(&self, args: &Bench) -> Result<(), Failure> {
        let mut datasets = self.datasets.borrow().clone();
        if args.no_cleanup {
            datasets.clear();
        }
        let values = *self.ceiling.borrow();
        if datasets.is_empty() && values == 0 {
            return Ok(());
        }
        let store = args.redis.connect().await?;
        store.remove_ceiling(&self.prefix(), values).await?;
        self.ceiling_is_gone();
        for dataset in datasets {
            remove_dataset(&store, &dataset).await?;
            self.is_gone(&dataset);
        }
        Ok(())
    }

    /// What stays because it was asked for.
    pub(super) fn kept(&self, folder: &Folder, asked: bool) -> Option<Kept> {
        let datasets = self.datasets.borrow().iter().map(DatasetName::to_string).collect();
        asked.then(|| Kept { folder: folder.path().to_owned(), datasets })
    }

    pub(super) fn too_late(&self, patience: Duration) -> Failure {
        let kind = std::io::ErrorKind::TimedOut;
        let message = format!("the server did not do it within {} s", patience.as_secs());
        std::io::Error::new(kind, message).into()
    }

    /// What stays although it should not.
    pub(super) fn left_behind(&self, why: &Failure) -> Failure {
        let message = format!(
            "keys that begin with '{}' may be left on the server: {}; those of an unfinished dataset and \
             of the ceiling vanish by themselves, 'arrowredis ls' shows others",
            self.prefix(),
            why.message()
        );
        Failure::LeftBehind { message, exit: why.exit() }
    }
}

/// Removes a dataset or what there is of one.
pub(super) async fn remove_dataset(
    store: &RedisStore,
    dataset: &DatasetName,
) -> Result<(), Failure> {
    loop {
        match remove(store, dataset).await {
            Ok(_) | Err(Error::Data(DataError::NoDataset { .. })) => return Ok(()),
            // Whoever waits for this bounds it.
            Err(Error::Publish(PublishError::Claimed { .. })) => tokio::time::sleep(AGAIN).await,
            Err(error) => return Err(error.into()),
        }
    }
}
