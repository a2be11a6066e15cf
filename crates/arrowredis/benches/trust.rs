//! What it costs that datasets can be trusted: the manifest of many chunks, the checks on reading,
//! and the steps that publish.
//!
//! Run it with `cargo bench -p arrowredis`, with nothing else running. It starts a server of its own.
//! Every figure is the median of several rounds, in which what is compared takes turns.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement fails by panicking, and prints what it found"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_schema::{DataType, Field, Schema};
use arrowredis::catalog::remove;
use arrowredis::checksum::Checksum;
use arrowredis::clock::Timestamp;
use arrowredis::dataset::{ChunkId, DatasetId, DatasetName};
use arrowredis::generate::{GenerateOptions, Words, generate};
use arrowredis::ipc::Codec;
use arrowredis::key::manifest_key;
use arrowredis::manifest::{ChunkEntry, Entry, Fingerprint, Manifest, StoredCodec};
use arrowredis::progress::{Progress, Unwatched, Work};
use arrowredis::publish::{PublishOptions, Replace};
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{Change, ChunkStore, Guard, RedisStore};
use arrowredis_throwaway::Server;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Rounds of each comparison.
const ROUNDS: usize = 15;

/// Chunks of the large manifest.
const MANY: u64 = 100_000;

fn main() {
    let server = Server::start().expect("measuring needs a Redis server");
    let bench = Bench {
        runtime: Runtime::new().unwrap(),
        url: server.url(),
        folder: tempfile::tempdir().unwrap(),
    };
    bench.many_chunks();
    // 64 chunks of about 3.6 MB, and 4,000 of about 75 kB.
    let large = bench.file("large", 8, 8, 50_000);
    let small = bench.file("small", 40, 100, 1_000);
    bench.checks(&large, "0-7", 8);
    bench.checks(&small, "0-39", 100);
    bench.publishing(&large, 0.05);
    bench.publishing(&small, 0.20);
}

struct Bench {
    runtime: Runtime,
    url: String,
    folder: TempDir,
}

impl Bench {
    fn store(&self) -> RedisStore {
        self.runtime.block_on(RedisStore::connect(&self.url)).unwrap()
    }

    fn file(&self, name: &str, partitions: u32, batches: u32, rows: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        let options = GenerateOptions {
            partitions,
            batches,
            rows,
            words: Words::Dictionary,
            compression: Codec::Uncompressed,
            ..GenerateOptions::default()
        };
        self.runtime.block_on(generate(&path, &options, &Unwatched)).unwrap();
        path
    }

    /// Fetches and decodes a large manifest, and plans to read all of it.
    fn many_chunks(&self) {
        let (store, name) = (self.store(), name("many"));
        let field = Field::new("x", DataType::Int64, true);
        let chunk = |number| ChunkEntry {
            id: ChunkId::new(number / 100, u32::try_from(number % 100).unwrap()),
            rows: 1_000,
            bytes: 60_000,
            checksum: Checksum(number),
        };
        let manifest = Manifest {
            id: DatasetId(1),
            schema: Arc::new(Schema::new(vec![field])),
            codec: StoredCodec::All(Codec::Zstd),
            created: Timestamp(0),
            writer: "a measurement".to_owned(),
            time_to_live: None,
            chunks: (0..MANY).map(chunk).collect(),
        };
        let bytes = Entry::Dataset(manifest).encode().unwrap();
        let length = bytes.len();
        let put = Change::Put { key: manifest_key(&name), value: bytes.into(), until: None };
        let guard = Guard::manifest(&name, &Fingerprint::ABSENT);
        assert!(self.runtime.block_on(store.apply(&guard, vec![put])).unwrap());

        let (all, mut times) = (ReadOptions::default(), Vec::new());
        for _ in 0..ROUNDS {
            let planned = Planned::default();
            let started = Instant::now();
            // All of them are planned, and then the first one is absent.
            let read = read_table(&store, &name, &all, &planned);
            assert!(self.runtime.block_on(read).is_err());
            let (at, chunks) = planned.0.into_inner().unwrap().unwrap();
            assert_eq!(chunks, MANY);
            times.push(at.duration_since(started));
        }
        let planned = milliseconds(median(times));
        println!("manifest of {MANY} chunks, {length} bytes: read and planned in {planned:.1} ms");
    }

    /// The same chunks read with a manifest, so that each is checked, and without one.
    fn checks(&self, file: &Path, partitions: &str, batches: u32) {
        let store = self.store();
        let (listed, unlisted) = (name("listed"), name("unlisted"));
        for name in [&listed, &unlisted] {
            self.split(&store, file, name);
        }
        self.runtime.block_on(async {
            let value = store.get(vec![manifest_key(&unlisted)]).await.unwrap().remove(0).unwrap();
            let guard = Guard::manifest(&unlisted, &Fingerprint::of(&value));
            let remove = vec![Change::Remove { key: manifest_key(&unlisted) }];
            assert!(store.apply(&guard, remove).await.unwrap());
        });
        // Told where to look, so that not looking for chunks is not taken for a gain of the manifest.
        let partitions = partitions.parse().unwrap();
        let options = ReadOptions { partitions, batches: Some(batches), ..ReadOptions::default() };
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for (name, times) in [(&listed, &mut with), (&unlisted, &mut without)] {
                let started = Instant::now();
                let table = self.runtime.block_on(read_table(&store, name, &options, &Unwatched));
                times.push(started.elapsed());
                drop(table.unwrap());
            }
        }
        let (with, without) = (milliseconds(median(with)), milliseconds(median(without)));
        println!(
            "{}: read with checks {with:.1} ms, without {without:.1} ms: {:+.1} %",
            file.file_name().unwrap().display(),
            (with / without - 1.0) * 100.0
        );
    }

    /// The share of a split that committing and renaming take: under a new name, and in
    /// place of the same, whose memory the server then gives back at the same time.
    fn publishing(&self, file: &Path, most: f64) {
        let (store, name) = (self.store(), name("published"));
        let (mut new, mut replacing) = (Shares::default(), Shares::default());
        for _ in 0..ROUNDS {
            new.add(self.split(&store, file, &name));
            replacing.add(self.split(&store, file, &name));
            self.runtime.block_on(remove(&store, &name)).unwrap();
        }
        for (what, shares) in [("new", new), ("replacing", replacing)] {
            println!(
                "{}, {what}: split {:.1} ms, of which publishing {:.1} % (at most {:.0} % wanted)",
                file.file_name().unwrap().display(),
                milliseconds(median(shares.times)),
                median(shares.shares).as_secs_f64() * 100.0,
                most * 100.0
            );
        }
    }

    /// Replaces what stands there; returns the time that it took, and the part of publishing.
    fn split(&self, store: &RedisStore, file: &Path, name: &DatasetName) -> (f64, f64) {
        let publish = PublishOptions { replace: Replace::WhenStored, ..PublishOptions::default() };
        let options = SplitOptions { publish, ..SplitOptions::default() };
        let split = split(store, file, name, &options, &Unwatched);
        let report = self.runtime.block_on(split).unwrap();
        (report.seconds, report.publish_seconds)
    }
}

/// When a plan was made, and of how many chunks.
#[derive(Default)]
struct Planned(Mutex<Option<(Instant, u64)>>);

impl Progress for Planned {
    fn planned(&self, all: Work) {
        *self.0.lock().unwrap() = Some((Instant::now(), all.chunks));
    }

    fn done(&self, _: Work) {}
}

/// Times of splits, and the parts of them that publishing took.
#[derive(Default)]
struct Shares {
    times: Vec<Duration>,
    shares: Vec<Duration>,
}

impl Shares {
    fn add(&mut self, (seconds, publish_seconds): (f64, f64)) {
        self.times.push(Duration::from_secs_f64(seconds));
        self.shares.push(Duration::from_secs_f64(publish_seconds / seconds));
    }
}

fn name(text: &str) -> DatasetName {
    DatasetName::new(text).unwrap()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
