//! Hundreds of schedules of faults that pass by themselves.
//!
//! `ARROWREDIS_FAULT_SCHEDULES` says how many, `ARROWREDIS_FAULT_SEED` which is the first: a seed that
//! failed runs alone as `ARROWREDIS_FAULT_SCHEDULES=1 ARROWREDIS_FAULT_SEED=N`.

use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::time::{Duration, Instant};

use arrowredis::progress::Unwatched;
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use arrowredis_faults::{Injected, Intensity, Proxy, Schedule};
use arrowredis_throwaway::Server;
use futures::{FutureExt, StreamExt, stream};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::account::Account;
use crate::run::Run;
use crate::verb::Verb;
use crate::world::{Contents, clear, dataset, hasty};

/// How many are run unless the environment says otherwise.
const SCHEDULES: u64 = 300;

/// Schedules that are run at the same time. They wait most of the time.
const AT_ONCE: usize = 48;

/// Verbs of one schedule, at most.
const VERBS: u64 = 6;

/// No further verb is begun after so many commands: most faults have come by then.
const COMMANDS: u64 = 200;

/// How long connections and tasks may take to end when nobody needs them any more.
const ENDING: Duration = Duration::from_secs(30);

pub(crate) fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Goal: under faults that pass by themselves 95 of 100 verbs succeed, what succeeded is true to the
/// last key, what failed left what stood or what is documented, nothing hangs, and nothing is left
/// open. Method: for each seed a proxy with a random schedule, light or heavy, and verbs drawn by the
/// same seed; the server is looked at past the proxy after each.
#[test]
fn faults_that_pass_are_survived_and_nothing_is_ever_wrong() {
    let first = setting("ARROWREDIS_FAULT_SEED", 0_u64);
    let count = setting("ARROWREDIS_FAULT_SCHEDULES", SCHEDULES);
    let server = Server::start().expect("tests need a Redis server");
    let runtime = Runtime::new().unwrap();
    let started = Instant::now();
    let contents = runtime.block_on(Contents::make());
    let port = server.port();
    let files_before = open_files();
    let account = runtime.block_on(async {
        let direct = RedisStore::connect(&server.url()).await.unwrap();
        let run = |seed| {
            let ran = AssertUnwindSafe(schedule(seed, port, &contents, &direct)).catch_unwind();
            ran.map(move |ran| {
                ran.unwrap_or_else(|_| {
                    let mut account = Account::default();
                    account.wrong(format!("seed {seed}: a panic, see above"));
                    account
                })
            })
        };
        let accounts = stream::iter(first..first + count).map(run).buffer_unordered(AT_ONCE);
        accounts.fold(Account::default(), async |all, one| all.add(one)).await
    });
    let seconds = started.elapsed().as_secs_f64();
    account.print(&format!("Random faults, seeds {first} and on, in {seconds:.0} s"));
    account.check();

    let ended = |clients: usize, tasks: usize, files: usize| {
        clients <= 1 && tasks == 0 && files <= files_before
    };
    runtime.block_on(async {
        let began = Instant::now();
        loop {
            let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let (clients, files) = (clients(port), open_files());
            if ended(clients, tasks, files) {
                return;
            }
            let left = format!("{clients} clients, {tasks} tasks, {files} files");
            assert!(began.elapsed() < ENDING, "{left} are left, {files_before} files before");
            sleep(Duration::from_millis(20)).await;
        }
    });
}

async fn schedule(seed: u64, port: u16, contents: &Contents, direct: &RedisStore) -> Account {
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(seed);
    let name = format!("seed-{seed}");
    let mut stands = None;
    if draw.next_u64() % 4 > 0 {
        let (content, options) = (&contents.all[0], SplitOptions::default());
        split(direct, &content.file, &dataset(&name), &options, &Unwatched).await.unwrap();
        stands = Some(0);
    }
    let intensity = if seed.is_multiple_of(3) { Intensity::HEAVY } else { Intensity::LIGHT };
    let proxy = Proxy::start(port, Schedule::random(seed, intensity)).unwrap();
    let account = Account::of(1, Injected::default());
    let mut run = Run { contents, direct, name, stands, account };
    let store = RedisStore::connect_with(&proxy.url(), hasty()).await.unwrap();
    for _ in 0..VERBS {
        let verb = Verb::draw(&mut draw, contents);
        let told = run.verb(&store, verb, || proxy.injected()).await;
        if !told || proxy.injected().commands > COMMANDS {
            break;
        }
    }
    if !run.account.is_wrong() {
        clear(direct, &run.name).await;
    }
    run.account
}

/// How many clients a server has, this question's own one included.
fn clients(port: u16) -> usize {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_connection().unwrap();
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut connection).unwrap();
    list.lines().count()
}

/// How many files this process has open, where the system tells.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
