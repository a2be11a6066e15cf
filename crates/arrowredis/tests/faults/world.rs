//! A server, contents to store in it, and what stands under a name, looked at without faults.

use std::path::PathBuf;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use arrowredis::dataset::{ChunkId, DatasetName};
use arrowredis::error::{DataError, Error};
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::ipc::Codec;
use arrowredis::key::{chunk_key, manifest_key, parse_chunk_key};
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, Table, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{Change, ChunkStore, ConnectOptions, Guard, Life, MemoryStore, RedisStore};
use arrowredis::verify::verify_dataset;
use tempfile::TempDir;

/// Partitions, batches and rows of the contents: one chunk or many, values from a few kB to more
/// than a socket takes at once.
const SHAPES: [(u32, u32, u32, Codec); 6] = [
    (1, 1, 40, Codec::Zstd),
    (3, 2, 30, Codec::Zstd),
    (2, 4, 200, Codec::Lz4),
    (5, 1, 10, Codec::Uncompressed),
    (4, 3, 60, Codec::Zstd),
    (1, 2, 6_000, Codec::Uncompressed),
];

/// How long a verb may take before it counts as one that hangs: far more than all its requests'
/// retries together.
pub(crate) const HANGS: Duration = Duration::from_secs(180);

/// What stands under a name, as a number of a content; `None` is nothing.
pub(crate) type Stands = Option<usize>;

/// A file and what is in it.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) file: PathBuf,
    pub(crate) rows: RecordBatch,
    pub(crate) chunks: Vec<ChunkId>,
}

/// What can be stored.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) folder: TempDir,
    pub(crate) all: Vec<Content>,
}

/// Gives up soon, so that thousands of faults are waited for in a minute, and has the patience of the
/// default in the number of retries.
pub(crate) fn hasty() -> ConnectOptions {
    ConnectOptions {
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_millis(300),
        retries: 20,
        retry_budget: Duration::from_secs(40),
        ..ConnectOptions::default()
    }
}

pub(crate) fn dataset(name: &str) -> DatasetName {
    DatasetName::new(name).unwrap()
}

impl Contents {
    pub(crate) async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for (seed, (partitions, batches, rows, compression)) in (1..).zip(SHAPES) {
            let file = folder.path().join(format!("{seed}.arrow"));
            let shape = GenerateOptions {
                seed,
                partitions,
                batches,
                rows,
                compression,
                ..Default::default()
            };
            generate(&file, &shape, &Unwatched).await.unwrap();
            // What is read back without any wire is what every other read must be.
            let (store, name) = (MemoryStore::default(), dataset("d"));
            split(&store, &file, &name, &SplitOptions::default(), &Unwatched).await.unwrap();
            let read = read_table(&store, &name, &ReadOptions::default(), &Unwatched).await;
            let chunks = store.keys("d:*").await.unwrap();
            let chunks = chunks.iter().filter_map(|key| parse_chunk_key(&name, key.as_bytes()));
            let (chunks, rows) = (chunks.collect(), joined(&read.unwrap().0));
            all.push(Content { file, rows, chunks });
        }
        Self { folder, all }
    }

    /// Which content a table is, all of it and nothing else.
    ///
    /// # Errors
    /// That it is none.
    pub(crate) fn which(&self, table: &Table) -> Result<usize, String> {
        let rows = joined(table);
        let found = self.all.iter().position(|content| content.rows == rows);
        found.ok_or_else(|| format!("{} rows that are no content's", rows.num_rows()))
    }

    /// What stands under a name, whole in every respect.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) async fn look(&self, direct: &RedisStore, name: &str) -> Result<Stands, String> {
        let name = dataset(name);
        let read = read_table(direct, &name, &ReadOptions::default(), &Unwatched).await;
        let table = match read {
            Ok((table, _)) => table,
            Err(Error::Data(DataError::NoDataset { .. })) => return Ok(None),
            Err(error) => return Err(told(&error)),
        };
        let verified = verify_dataset(direct, &name, &Unwatched).await;
        match verified.map_err(|error| told(&error))?.whole {
            true => self.which(&table).map(Some),
            false => Err("it is not whole".to_owned()),
        }
    }

    /// Whether a dataset's keys are there and live as long as they should, and nothing else stays.
    ///
    /// # Errors
    /// The first key of which that is not so.
    pub(crate) async fn check_keys(
        &self,
        direct: &RedisStore,
        name: &str,
        stands: Stands,
        life: Option<Duration>,
    ) -> Result<(), String> {
        let dataset = dataset(name);
        let chunks = stands.map(|content| self.all[content].chunks.as_slice());
        let own = chunks.unwrap_or_default().iter().map(|id| chunk_key(&dataset, *id));
        let own: Vec<_> = own.chain(stands.map(|_| manifest_key(&dataset))).collect();
        for (key, found) in own.iter().zip(lives(direct, own.clone()).await?) {
            let right = match (found, life) {
                (Some(Life::Forever), None) => true,
                (Some(Life::For(left)), Some(life)) => left <= life,
                _ => false,
            };
            if !right {
                return Err(format!("{key} lives for {found:?}, expected {life:?}"));
            }
        }
        let all = direct.keys(&format!("{name}:*")).await.map_err(|error| error.to_string())?;
        let others: Vec<_> = all.into_iter().filter(|key| !own.contains(key)).collect();
        let lives = lives(direct, others.clone()).await?;
        match others.iter().zip(lives).find(|(_, life)| *life == Some(Life::Forever)) {
            Some((key, _)) => Err(format!("{key} was left behind and has no end")),
            None => Ok(()),
        }
    }
}

async fn lives(direct: &RedisStore, keys: Vec<String>) -> Result<Vec<Option<Life>>, String> {
    direct.lives(keys).await.map_err(|error| error.to_string())
}

/// Removes every key of a name, without asking what it is.
pub(crate) async fn clear(direct: &RedisStore, name: &str) {
    for key in direct.keys(&format!("{name}:*")).await.unwrap() {
        direct.apply(&Guard::default(), vec![Change::Remove { key }]).await.unwrap();
    }
}

/// An error with all its causes.
pub(crate) fn told(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn joined(table: &Table) -> RecordBatch {
    concat_batches(table.schema.as_ref().unwrap(), &table.batches).unwrap()
}
