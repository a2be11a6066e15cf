//! Hours in minutes: several processes of the command, and this one by the library, write and read one
//! server through proxies whose faults never end. Prints what they did, what was wrong, and whether
//! memory, connections and open files stayed as they were.
//!
//! `soak COMMAND MINUTES`, where COMMAND is the program `arrowredis`. See `scripts/soak`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that is started by hand: it fails by panicking, and prints what it found"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arrowredis::dataset::DatasetName;
use arrowredis::error::{Error, ErrorClass};
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishOptions, Replace};
use arrowredis::read::{ReadOptions, Table, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ConnectOptions, RedisStore};
use arrowredis::verify::{verify_dataset_with_file, verify_files};
use arrowredis_faults::{Injected, Intensity, Proxy, Schedule};
use arrowredis_throwaway::Server;
use tokio::runtime::Runtime;

/// The dataset that everybody replaces and reads.
const NAME: &str = "soak";

/// Different contents.
const CONTENTS: u64 = 4;

/// Processes that write, and that read, at the same time.
const WRITERS: u64 = 2;
const READERS: u64 = 2;

/// How often the figures are taken, and the proxies get their next schedules.
const EVERY: Duration = Duration::from_secs(1);

/// What may grow from the first third of the time to the last: by a quarter, and so much more.
const MORE_KIB: u64 = 8 << 10;
const MORE_THINGS: u64 = 6;

/// Exit code of the command where data is missing, damaged or different.
const WRONG: [i32; 2] = [4, 5];

/// What the processes did.
#[derive(Default)]
struct Done {
    runs: BTreeMap<(&'static str, i32), u64>,
    wrong: Vec<String>,
    largest_kib: u64,
}

struct Soak {
    command: PathBuf,
    folder: PathBuf,
    files: Vec<PathBuf>,
    until: Instant,
    done: Mutex<Done>,
    number: AtomicU64,
}

/// Figures at one moment.
#[derive(Clone, Copy)]
struct Figures([u64; 4]);

const FIGURES: [&str; 4] =
    ["this process, KiB", "this process, files", "server, clients", "server, KiB"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let usage = "soak COMMAND MINUTES";
    let command = PathBuf::from(arguments.next().expect(usage));
    let minutes: f64 = arguments.next().and_then(|text| text.parse().ok()).expect(usage);
    let span = Duration::from_secs_f64(minutes * 60.0);

    let server = Server::start().expect("a soak needs a Redis server");
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let files = runtime.block_on(contents(folder.path()));
    let direct = runtime.block_on(RedisStore::connect(&server.url())).unwrap();
    runtime.block_on(replace(&direct, &files[0])).unwrap();
    let start = |_| Proxy::start(server.port(), Schedule::none()).unwrap();
    let proxies: Vec<_> = (0..=WRITERS + READERS).map(start).collect();
    let soak = Arc::new(Soak {
        command,
        folder: folder.path().to_owned(),
        files,
        until: Instant::now() + span,
        done: Mutex::default(),
        number: AtomicU64::new(0),
    });

    let threads: Vec<_> = (0..WRITERS + READERS)
        .zip(&proxies)
        .map(|(number, proxy)| {
            let (soak, url) = (Arc::clone(&soak), proxy.url());
            thread::spawn(move || if number < WRITERS { soak.write(&url) } else { soak.read(&url) })
        })
        .collect();
    let by_library = {
        let (soak, url) = (Arc::clone(&soak), proxies.last().unwrap().url());
        thread::spawn(move || Runtime::new().unwrap().block_on(soak.by_library(&url)))
    };
    let mut figures = Vec::new();
    let mut seed = 0;
    while Instant::now() < soak.until {
        for proxy in &proxies {
            proxy.reschedule(Schedule::random(seed, Intensity::LIGHT));
            seed += 1;
        }
        thread::sleep(EVERY);
        figures.push(take(&server));
    }
    proxies.iter().for_each(|proxy| proxy.reschedule(Schedule::none()));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    by_library.join().unwrap();
    let last = runtime.block_on(soak.which(&direct)).unwrap_or_else(|what| {
        soak.wrong(format!("at the end: {what}"));
        usize::MAX
    });
    let injected =
        proxies.iter().map(Proxy::injected).fold(Injected::default(), |all, one| all + one);
    println!("Injected {} faults: {injected}", injected.total());
    println!("At the end content {last} stands whole");
    let flat = report(&soak, &figures);
    assert!(flat && soak.done.lock().unwrap().wrong.is_empty());
}

async fn contents(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for seed in 0..CONTENTS {
        let path = folder.join(format!("{seed}.arrow"));
        let partitions = 2 + u32::try_from(seed).unwrap();
        let options =
            GenerateOptions { seed, partitions, batches: 3, rows: 2_000, ..Default::default() };
        generate(&path, &options, &Unwatched).await.unwrap();
        files.push(path);
    }
    files
}

fn name() -> DatasetName {
    DatasetName::new(NAME).unwrap()
}

async fn replace(store: &RedisStore, file: &Path) -> Result<(), Error> {
    let publish = PublishOptions { replace: Replace::WhenStored, ..PublishOptions::default() };
    let options = SplitOptions { publish, ..SplitOptions::default() };
    Box::pin(split(store, file, &name(), &options, &Unwatched)).await.map(drop)
}

impl Soak {
    fn over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn wrong(&self, what: String) {
        self.done.lock().unwrap().wrong.push(what);
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    fn file(&self, number: u64) -> &Path {
        &self.files[usize::try_from(number % CONTENTS).unwrap()]
    }

    /// A writer after the other.
    fn write(&self, url: &str) {
        while !self.over() {
            let number = self.next();
            if number % 5 == 4 {
                self.run("touch", url, &["touch", NAME, "--ttl", "1h"]);
            } else {
                let file = self.file(number).to_str().unwrap();
                let keep = if number.is_multiple_of(2) { "1ms" } else { "5s" };
                let arguments =
                    ["split", "--inp", file, "--prefix", NAME, "--replace", "--keep-old", keep];
                self.run("split --replace", url, &arguments);
            }
        }
    }

    /// A reader after the other. What they read must be one of the contents.
    fn read(&self, url: &str) {
        let runtime = Runtime::new().unwrap();
        while !self.over() {
            if self.next().is_multiple_of(3) {
                self.run("verify", url, &["verify", NAME]);
                continue;
            }
            let out = self.folder.join(format!("{}.out", self.next()));
            let path = out.to_str().unwrap();
            let arguments = ["read", "--prefix", NAME, "--partitions", "all", "--out", path];
            if self.run("read --out", url, &arguments) == 0 {
                let equal = self.files.iter().any(|file| {
                    runtime.block_on(verify_files(file, &out, &Unwatched)).unwrap().equal
                });
                if !equal {
                    self.wrong("a file that is none of the contents".to_owned());
                }
                std::fs::remove_file(&out).unwrap();
            }
        }
    }

    /// Runs the command, and watches how large it gets. Its exit code.
    fn run(&self, verb: &'static str, url: &str, arguments: &[&str]) -> i32 {
        let connection = ["--redis-url", url, "--timeout", "2s", "--quiet"];
        let mut child = Command::new(&self.command)
            .args(arguments)
            .args(connection)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut largest = 0;
        let code = loop {
            largest = largest.max(resident(&child.id().to_string()));
            match child.try_wait().unwrap() {
                Some(status) => break status.code().unwrap_or(-1),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut text = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut text).unwrap();
        let mut done = self.done.lock().unwrap();
        *done.runs.entry((verb, code)).or_default() += 1;
        done.largest_kib = done.largest_kib.max(largest);
        if WRONG.contains(&code) {
            done.wrong.push(format!("{verb}: {text}"));
        } else if code != 0 {
            println!("exit {code} of {verb}: {}", text.trim());
        }
        code
    }

    /// One connection for all of the time: reads, and now and then replaces.
    async fn by_library(&self, url: &str) {
        let options = ConnectOptions { timeout: Duration::from_secs(2), ..Default::default() };
        let store = RedisStore::connect_with(url, options).await.unwrap();
        while !self.over() {
            let number = self.next();
            let (verb, code) = if number.is_multiple_of(4) {
                ("library: split", replace(&store, self.file(number)).await.err())
            } else {
                let read = read_table(&store, &name(), &ReadOptions::default(), &Unwatched).await;
                ("library: read", self.check(read.map(|(table, _)| table)))
            };
            let data = code.as_ref().is_some_and(|error| error.class() == ErrorClass::Data);
            if data {
                self.wrong(format!("{verb}: {code:?}"));
            }
            let code = i32::from(code.is_some()) * 3;
            *self.done.lock().unwrap().runs.entry((verb, code)).or_default() += 1;
        }
    }

    fn check(&self, read: Result<Table, Error>) -> Option<Error> {
        let table = match read {
            Ok(table) => table,
            Err(error) => return Some(error),
        };
        // Each content has another number of partitions, three batches of 2,000 rows in each.
        let rows: usize = table.batches.iter().map(|batch| batch.num_rows()).sum();
        if !rows.is_multiple_of(6_000) || table.batches.len() != rows / 2_000 {
            self.wrong(format!("library: {rows} rows in {} batches", table.batches.len()));
        }
        None
    }

    /// Which content stands, past the proxies.
    async fn which(&self, direct: &RedisStore) -> Result<usize, String> {
        for (number, file) in self.files.iter().enumerate() {
            let (name, watched) = (name(), &Unwatched);
            let compared = verify_dataset_with_file(direct, &name, file, None, watched);
            let compared = Box::pin(compared).await;
            if compared.map_err(|error| error.to_string())?.equal {
                return Ok(number);
            }
        }
        Err("none of the contents".to_owned())
    }
}

/// A process' resident memory in KiB, where the system tells.
fn resident(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn take(server: &Server) -> Figures {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let info: String = redis::cmd("INFO").query(&mut connection).unwrap();
    let field = |name: &str| -> u64 {
        let value = info.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
    let (clients, memory) = (field("connected_clients:"), field("used_memory:") / 1_024);
    Figures([resident("self"), files, clients, memory])
}

/// Prints it all. Whether nothing grew.
fn report(soak: &Soak, figures: &[Figures]) -> bool {
    let done = soak.done.lock().unwrap();
    for ((verb, code), count) in &done.runs {
        println!("{count:>8} × {verb}, exit {code}");
    }
    println!("Largest process of the command: {} KiB", done.largest_kib);
    println!("Wrong results: {}", done.wrong.len());
    done.wrong.iter().for_each(|what| println!("  {what}"));
    let third = (figures.len() / 3).max(1);
    let mut flat = true;
    println!("{:<22}{:>14}{:>14}", "median of the", "first third", "last third");
    for (at, what) in FIGURES.iter().enumerate() {
        let median = |some: &[Figures]| {
            let mut some: Vec<_> = some.iter().map(|figures| figures.0[at]).collect();
            some.sort_unstable();
            some[some.len() / 2]
        };
        let (first, last) = (median(&figures[..third]), median(&figures[figures.len() - third..]));
        let more = if what.ends_with("KiB") { MORE_KIB } else { MORE_THINGS };
        flat &= last <= first + first / 4 + more;
        println!("{what:<22}{first:>14}{last:>14}");
    }
    println!("{}", if flat { "Flat" } else { "NOT FLAT" });
    flat
}
