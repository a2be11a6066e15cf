//! Splits that are killed, at hundreds of points: readers have the old dataset or the new one, whole.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use arrowredis::catalog;
use arrowredis::dataset::{ChunkId, DatasetName};
use arrowredis::key::{chunk_key, manifest_key};
use arrowredis::progress::Unwatched;
use arrowredis::report::State;
use arrowredis::store::{ChunkStore, Life, RedisStore};
use arrowredis::verify::verify_dataset_with_file;

use crate::support::World;

/// Splits that are killed.
const KILLS: u64 = 220;

/// How long a server may take to tell what it does; far longer than it does.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two files of many small chunks: renaming them takes several steps.
const FILES: [(&str, u64, u32); 2] = [("a", 30, 20), ("b", 25, 22)];

struct Scene {
    world: World,
    runtime: tokio::runtime::Runtime,
    name: DatasetName,
}

impl Scene {
    fn new() -> Self {
        let world = World::with_server();
        for (seed, (file, partitions, batches)) in FILES.into_iter().enumerate() {
            world.done(&format!(
                "gen --out {file} --partitions {partitions} --batches {batches} --rows 4 --seed {seed}"
            ));
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self { world, runtime, name: DatasetName::new("d").unwrap() }
    }

    fn url(&self) -> String {
        self.world.server.as_ref().unwrap().url()
    }

    fn file(&self, which: usize) -> PathBuf {
        self.world.path(FILES[which].0)
    }

    /// Every command that the server runs from now on, a line each.
    fn monitor(&self) -> BufReader<TcpStream> {
        let port = self.world.server.as_ref().unwrap().port();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut ok = String::new();
        lines.read_line(&mut ok).unwrap();
        assert_eq!(ok, "+OK\r\n");
        lines
    }

    fn start_split(&self, which: usize) -> Child {
        let mut command = self.world.command(&[
            "split",
            "--replace",
            "--inp",
            FILES[which].0,
            "--prefix",
            "d",
            "--quiet",
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// How many commands the server runs for a split that nobody kills.
    fn commands_of_a_split(&self, which: usize) -> u64 {
        let mut lines = self.monitor();
        assert!(self.start_split(which).wait().unwrap().success());
        let (mut commands, mut line) = (1, String::new());
        while !next_is_last(&mut lines, &mut line) {
            commands += 1;
        }
        commands
    }

    /// Starts a split and kills it once the server has run so many commands.
    fn split_and_kill(&self, which: usize, after: u64) {
        let mut lines = self.monitor();
        let mut split = self.start_split(which);
        let mut line = String::new();
        for _ in 0..after {
            if next_is_last(&mut lines, &mut line) {
                break;
            }
        }
        // SIGKILL, on Unix. It may have been done a moment before.
        split.kill().unwrap();
        split.wait().unwrap();
    }

    /// Which of the files the dataset is, all of it, and whether its chunks have their names.
    fn standing(&self) -> (usize, State) {
        self.runtime.block_on(async {
            let store = RedisStore::connect(&self.url()).await.unwrap();
            let equal = async |file: &Path| {
                let compared = verify_dataset_with_file(&store, &self.name, file, None, &Unwatched);
                compared.await.expect("a reader gets a dataset").equal
            };
            let which = match (equal(&self.file(0)).await, equal(&self.file(1)).await) {
                (true, false) => 0,
                (false, true) => 1,
                _ => panic!("neither the one nor the other"),
            };
            (which, catalog::info(&store, &self.name).await.unwrap().state)
        })
    }

    /// The keys that stay for ever must be those of the dataset.
    fn only_the_dataset_stays(&self, which: usize) {
        let (_, partitions, batches) = FILES[which];
        let ids = (0..partitions).flat_map(|p| (0..batches).map(move |b| ChunkId::new(p, b)));
        let mut expected: BTreeSet<_> = ids.map(|id| chunk_key(&self.name, id)).collect();
        expected.insert(manifest_key(&self.name));
        let found: BTreeSet<_> = self.runtime.block_on(async {
            let store = RedisStore::connect(&self.url()).await.unwrap();
            let keys: Vec<_> = store.keys("*").await.unwrap().into_iter().collect();
            let lives = store.lives(keys.clone()).await.unwrap();
            let there = keys.into_iter().zip(lives);
            there.filter(|(_, life)| *life == Some(Life::Forever)).map(|(key, _)| key).collect()
        });
        let stale: Vec<_> = found.difference(&expected).take(3).collect();
        assert_eq!(found, expected, "stale: {stale:?}");
    }
}

/// Reads the next command. Whether it is the last of a split: the one that gives its claim back.
fn next_is_last(lines: &mut BufReader<TcpStream>, line: &mut String) -> bool {
    line.clear();
    lines.read_line(line).unwrap();
    line.contains("\"UNLINK\"") && line.contains(":claim\"")
}

/// A sequence that looks random and is always the same (SplitMix64).
fn seeded(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn a_killed_split_leaves_the_old_dataset_or_the_new_one() {
    let scene = Scene::new();
    scene.world.done("split --inp a --prefix d");
    let commands = [scene.commands_of_a_split(0), scene.commands_of_a_split(1)];
    let (mut old_stands, mut new_stands, mut not_renamed) = (0, 0, 0);
    let mut old = 1;
    for kill in 0..KILLS {
        let new = 1 - old;
        scene.split_and_kill(new, 1 + seeded(kill) % commands[new]);
        let (standing, state) = scene.standing();
        match (standing == new, state) {
            (false, State::Whole) => old_stands += 1,
            (true, State::Whole) => new_stands += 1,
            (true, State::WholeNotRenamed) => not_renamed += 1,
            other => panic!("kill {kill}: {other:?}"),
        }
        // The next one succeeds at once, and from then on nothing of the others is needed.
        assert!(scene.start_split(new).wait().unwrap().success(), "kill {kill}");
        assert_eq!(scene.standing(), (new, State::Whole));
        scene.only_the_dataset_stays(new);
        old = new;
    }
    println!(
        "{KILLS} kills: the old dataset stood {old_stands} times, the new one {new_stands} times, \
         and {not_renamed} times between commit and tidying"
    );
    assert!(old_stands > 20 && not_renamed > 5, "{old_stands} {new_stands} {not_renamed}");
}
