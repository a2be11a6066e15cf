//! Servers, files and arbitrary data.

pub(crate) mod arbitrary;
pub(crate) mod stepping;
pub(crate) mod two;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{Schema, SchemaRef};
use arrowredis::dataset::DatasetName;
use arrowredis::error::Error;
use arrowredis::ipc::Codec;
use arrowredis::key::manifest_key;
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, Table, read_table};
use arrowredis::report::{ReadReport, SplitReport};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ChunkStore, Life, RedisStore};
use arrowredis_throwaway::Server;
use tempfile::TempDir;

/// A server of one test's own, a store on it, and a folder.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
    names: Cell<u32>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            server: Server::start().expect("tests need a Redis server"),
            folder: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            names: Cell::new(0),
        }
    }

    /// A dataset's name that no other has here.
    pub(crate) fn fresh_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("dataset{}", self.names.get())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn store(&self) -> RedisStore {
        self.wait(RedisStore::connect(&self.server.url())).unwrap()
    }

    /// Another one, for whoever waits already.
    pub(crate) async fn store_async(&self) -> RedisStore {
        RedisStore::connect(&self.server.url()).await.unwrap()
    }

    pub(crate) fn split(&self, file: &Path, name: &str) -> Result<SplitReport, Error> {
        self.split_with(file, name, &SplitOptions::default())
    }

    pub(crate) fn split_with(
        &self,
        file: &Path,
        name: &str,
        options: &SplitOptions,
    ) -> Result<SplitReport, Error> {
        self.wait(split(&self.store(), file, &dataset(name), options, &Unwatched))
    }

    pub(crate) fn read(&self, name: &str) -> Result<(Table, ReadReport), Error> {
        self.read_with(name, &ReadOptions::default())
    }

    pub(crate) fn read_with(
        &self,
        name: &str,
        options: &ReadOptions,
    ) -> Result<(Table, ReadReport), Error> {
        self.wait(read_table(&self.store(), &dataset(name), options, &Unwatched))
    }

    /// The bytes under a key.
    pub(crate) fn value(&self, key: &str) -> Vec<u8> {
        let found = self.wait(self.store().get(vec![key.to_owned()])).unwrap().remove(0);
        found.expect("the key is there").to_vec()
    }

    /// Stores a file as another program would: chunks, and no manifest.
    pub(crate) fn split_unlisted(&self, file: &Path, name: &str) -> SplitReport {
        let report = self.split(file, name).unwrap();
        self.redis(&[b"DEL", manifest_key(&dataset(name)).as_bytes()]);
        report
    }

    /// All keys of the server, and how long each will live.
    pub(crate) fn keys(&self) -> BTreeMap<String, Life> {
        let store = self.store();
        self.wait(async {
            let keys: Vec<_> = store.keys("*").await.unwrap().into_iter().collect();
            let lives = store.lives(keys.clone()).await.unwrap();
            let there = keys.into_iter().zip(lives);
            there.filter_map(|(key, life)| Some((key, life?))).collect()
        })
    }

    /// Runs a Redis command that no part of the library needs.
    pub(crate) fn redis(&self, arguments: &[&[u8]]) {
        self.wait(async {
            let client = redis::Client::open(self.server.url()).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let mut command = redis::Cmd::new();
            arguments.iter().for_each(|argument| {
                command.arg(*argument);
            });
            command.exec_async(&mut connection).await.unwrap();
        });
    }
}

/// How long a test waits for what must happen; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until something has happened.
pub(crate) async fn wait_until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !happened().await {
        assert!(started.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn dataset(name: &str) -> DatasetName {
    DatasetName::new(name).unwrap()
}

/// Writes batches with the Arrow library's own writer.
pub(crate) fn write_file(path: &Path, schema: &Schema, batches: &[RecordBatch], codec: Codec) {
    let out = File::create(path).unwrap();
    let mut writer = FileWriter::try_new_with_options(out, schema, options(codec)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

/// Like [`write_file`], as a stream.
pub(crate) fn write_stream(path: &Path, schema: &Schema, batches: &[RecordBatch], codec: Codec) {
    let out = File::create(path).unwrap();
    let mut writer = StreamWriter::try_new_with_options(out, schema, options(codec)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn options(codec: Codec) -> IpcWriteOptions {
    let compression = match codec {
        Codec::Zstd => Some(CompressionType::ZSTD),
        Codec::Lz4 => Some(CompressionType::LZ4_FRAME),
        Codec::Uncompressed => None,
    };
    IpcWriteOptions::default().try_with_compression(compression).unwrap()
}

/// All rows as one batch.
pub(crate) fn joined(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    arrow_select::concat::concat_batches(schema, batches).unwrap()
}
